"""What the environment says to read-api."""

import re
from typing import Self

from pydantic import Field, field_validator, model_validator

from shared.auth import AuthSettings
from shared.settings import NatsSettings, PostgresSettings, RedisSettings, ServiceSettings

FIELD_VALUE = re.compile(r"[!-~]+( [!-~]+)*")  # RFC 9110 section 5.5, without what nobody needs


class ReadApiSettings(ServiceSettings, NatsSettings, PostgresSettings, RedisSettings, AuthSettings):
    """Where read-api finds the others, what it lets caches keep, and how much it takes on at once."""

    cache_control_public: str = Field(
        "public, max-age=0, stale-if-error=86400",
        description="Cache-Control of what anyone may read; e.g. `public, max-age=300, s-maxage=600`.",
    )
    cache_control_cdn: str | None = Field(
        "public, s-maxage=10, stale-if-error=86400",
        description="CDN-Cache-Control (RFC 9213) beside it; without purges, a CDN is as old as s-maxage.",
    )
    cache_control_organizer: str = Field(
        "private, no-cache", description="Cache-Control of what needs a token; never public."
    )
    cors_origin: str | None = Field(
        "*", description="Access-Control-Allow-Origin of every answer; unset: pages of other origins can't read."
    )
    max_loads: int = Field(500, ge=1, description="Documents loaded at once by one process; beyond that, 503.")
    shopify_shop: str | None = Field(
        None, description="Whose cost points /v1/status says; read-api itself calls nobody there."
    )
    max_waiters: int = Field(20_000, ge=1, description="Requests that wait for those loads; beyond that, 503.")

    @field_validator("shopify_shop")
    @classmethod
    def _lower_case(cls, value: str | None) -> str | None:
        return value.strip().lower() or None if value else None

    @field_validator("cache_control_public", "cache_control_cdn", "cache_control_organizer", "cors_origin")
    @classmethod
    def _is_a_header_value(cls, value: str | None) -> str | None:
        if value is not None and FIELD_VALUE.fullmatch(value) is None:
            raise ValueError("is not the value of an HTTP header")
        return value

    @model_validator(mode="after")
    def _keeps_secrets(self) -> Self:
        directives = {part.partition("=")[0].strip().lower() for part in self.cache_control_organizer.split(",")}
        if directives & {"public", "s-maxage"} or not directives & {"private", "no-store"}:
            raise ValueError("CACHE_CONTROL_ORGANIZER must be private or no-store: what needs a token is never shared")
        return self
