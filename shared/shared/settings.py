"""What the environment says, one frozen class for each seam; a service's settings are made of these."""

import sys
from typing import Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

S = TypeVar("S", bound="Settings")


class Settings(BaseSettings):
    """Read from the environment, once, by the entry point."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", case_sensitive=False, hide_input_in_errors=True)


class ServiceSettings(Settings):
    """Where a service listens, and how it logs."""

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 in a container.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on.")
    metrics_port: int | None = Field(None, description="Serve /livez, /readyz and /metrics on this port only.")
    workers: int = Field(1, ge=1, le=64, description="Server processes.")
    log_format: Literal["json", "console"] = Field("json", description="One JSON object a line, or for people.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Lowest level logged.")
    otel_exporter_otlp_endpoint: str | None = Field(None, description="OTLP/HTTP collector; unset: no traces leave.")


class NatsSettings(Settings):
    nats_url: SecretStr = Field(description="nats://user:password@host:4222, several separated by commas.")
    nats_monitor_url: str | None = Field(None, description="The server's monitoring address, as http://host:8222.")
    nats_replicas: int = Field(1, ge=1, le=5, description="Copies of each stream: 1 on one machine, 3 in a cluster.")


class PostgresSettings(Settings):
    postgres_dsn: SecretStr = Field(description="postgresql://user:password@host:5432/understudy")
    postgres_pool_size: int = Field(10, ge=1, le=200, description="Connections of one process.")


class RedisSettings(Settings):
    redis_url: SecretStr = Field(description="redis://user:password@host:6379/0")


def load(settings: type[S]) -> S:
    """Read the environment; leave the process with one line for each setting that is missing or wrong."""
    try:
        return settings()
    except ValidationError as error:
        for problem in error.errors(include_input=False, include_url=False):
            name = "_".join(str(part) for part in problem["loc"]).upper() or "settings"
            sys.stderr.write(f"{name}: {problem['msg']}\n")
        sys.exit(2)
