"""What the environment says, one frozen class for each seam; a service's settings are made of these."""

import sys
from collections.abc import Callable
from typing import Annotated, Literal, TypeVar
from urllib.parse import SplitResult, parse_qs, urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

S = TypeVar("S", bound="Settings")

NATS = ("nats", "tls", "ws", "wss")
POSTGRES = ("postgresql", "postgres")
REDIS = ("redis", "rediss", "unix")  # what redis-py takes


def is_nats(addresses: str) -> bool:
    """One, or several separated by commas."""
    return all(_is_server(address, NATS) for address in addresses.split(","))


def is_postgres(dsn: str) -> bool:
    """As asyncpg reads one: several hosts are separated by commas; hosts or a service may stand in the query."""
    parts = _split(dsn, POSTGRES)
    if parts is None:
        return False
    query = parse_qs(parts.query)
    named = parts.netloc.partition("@")[2] if "@" in parts.netloc else parts.netloc
    listed = named or query.get("host", [""])[-1]
    return (not listed and "service" in query) or all(_is_host(host) for host in listed.split(","))


def is_redis(url: str) -> bool:
    if (parts := _split(url, ("unix",))) is not None:
        return parts.path not in ("", "/")
    return _is_server(url, REDIS)


def _is_server(url: str, schemes: tuple[str, ...]) -> bool:
    parts = _split(url, schemes)
    return parts is not None and _is_host(parts.netloc.rpartition("@")[2])


def _split(url: str, schemes: tuple[str, ...]) -> SplitResult | None:
    """None for what no client would read as it was meant: a raw `#`, `?` or `/` in a password ends the host there."""
    try:
        parts = urlsplit(url)
        parse_qs(parts.query, strict_parsing=bool(parts.query))
    except ValueError:  # its words hold the password
        return None
    whole = "://" in url and not parts.fragment and "@" not in parts.path
    return parts if whole and parts.scheme in schemes else None


def _is_host(host: str) -> bool:
    """`host`, `host:port`, `[::1]:port`; or, in PostgreSQL's query, the directory of a socket."""
    if host.startswith("/"):
        return True
    try:
        parts = urlsplit(f"//{host}")
        return bool(parts.hostname) and parts.port != 0 and "@" not in host
    except ValueError:
        return False


def _address(scheme: str, good: Callable[[str], bool]) -> AfterValidator:
    def check(value: SecretStr) -> SecretStr:
        if not good(value.get_secret_value()):
            # Never the value, nor a piece of it: this is printed, logged and shown by probes.
            raise ValueError(f"is no {scheme}:// address (is the password percent-encoded?)")
        return value

    return AfterValidator(check)


NatsUrl = Annotated[SecretStr, _address("nats", is_nats)]
PostgresDsn = Annotated[SecretStr, _address("postgresql", is_postgres)]
RedisUrl = Annotated[SecretStr, _address("redis", is_redis)]


class Settings(BaseSettings):
    """Read from the environment, once, by the entry point."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", case_sensitive=False, hide_input_in_errors=True)


class ServiceSettings(Settings):
    """Where a service listens, and how it logs."""

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 in a container.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on.")
    metrics_port: int | None = Field(None, description="Serve /livez, /readyz and /metrics on this port only.")
    workers: int = Field(1, ge=1, le=64, description="Server processes that share the port.")
    max_connections: int = Field(
        16_384, ge=1, description="Connections that one of them holds; idle ones and streams count, more must wait."
    )
    log_format: Literal["json", "console"] = Field("json", description="One JSON object a line, or for people.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Lowest level logged.")
    otel_exporter_otlp_endpoint: str | None = Field(None, description="OTLP/HTTP collector; unset: no traces leave.")


class NatsSettings(Settings):
    nats_url: NatsUrl = Field(description="nats://user:password@host:4222, several separated by commas.")
    nats_monitor_url: str | None = Field(None, description="The server's monitoring address, as http://host:8222.")
    nats_replicas: int = Field(1, ge=1, le=5, description="Copies of each stream: 1 on one machine, 3 in a cluster.")


class PostgresSettings(Settings):
    postgres_dsn: PostgresDsn = Field(description="postgresql://user:password@host:5432/understudy")
    postgres_pool_size: int = Field(10, ge=1, le=200, description="Connections of one process.")


class RedisSettings(Settings):
    redis_url: RedisUrl = Field(description="redis://user:password@host:6379/0")


def load(settings: type[S]) -> S:
    """Read the environment; leave the process with one line for each setting that is missing or wrong."""
    try:
        return settings()
    except ValidationError as error:
        for problem in error.errors(include_input=False, include_url=False):
            name = "_".join(str(part) for part in problem["loc"]).upper()
            words = problem["msg"].removeprefix("Value error, ")
            # What is wrong with several at once has no place of its own, and names them itself.
            sys.stderr.write(f"{name}: {words}\n" if name else f"{words}\n")
        sys.exit(2)
