"""What the environment says to read-api."""

import re
from typing import Self

from pydantic import Field, field_validator, model_validator

from read_api.cache_policy import FIELD_VALUE, keeps_secrets
from read_api.live.settings import LiveSettings
from shared.auth import AuthSettings
from shared.settings import NatsSettings, PostgresSettings, RedisSettings, ServiceSettings

STALE_IF_ERROR = re.compile(r"(?:^|[ ,])stale-if-error=\"?([0-9]{1,9})", re.IGNORECASE)  # RFC 5861


class ReadApiSettings(ServiceSettings, NatsSettings, PostgresSettings, RedisSettings, AuthSettings, LiveSettings):
    """Where read-api finds the others, what it lets caches keep, and how much it takes on at once."""

    cache_control_public: str = Field(
        "public, max-age=0, stale-if-error=86400",
        description="Cache-Control of what anyone may read; e.g. `public, max-age=300, s-maxage=600`.",
    )
    cache_control_cdn: str | None = Field(
        "public, s-maxage=10, stale-if-error=86400",
        description="CDN-Cache-Control (RFC 9213) beside it; without purges, a CDN is as old as s-maxage. Empty: none.",
    )
    cache_control_surrogate: str | None = Field(
        None, description="Surrogate-Control beside it, which Fastly reads; e.g. `max-age=10, stale-if-error=86400`."
    )
    cache_control_organizer: str = Field(
        "private, no-cache", description="Cache-Control of what needs a token; never public."
    )
    cors_origin: str | None = Field(
        "*", description="Access-Control-Allow-Origin of every answer; unset: pages of other origins can't read."
    )
    max_loads: int = Field(500, ge=1, description="Documents loaded at once by one process; beyond that, 503.")
    l1_max_bytes: int = Field(
        268_435_456, ge=0, description="Memory for documents in each server process, in bytes; 0: none are kept there."
    )
    shopify_shop: str | None = Field(
        None, description="Whose cost points /v1/status says; read-api itself calls nobody there."
    )
    max_waiters: int = Field(20_000, ge=1, description="Requests that wait for those loads; beyond that, 503.")

    @property
    def cdn_policy(self) -> str | None:
        """The default gives way to an `s-maxage` of the public policy, which a CDN would not look at beside it."""
        if "cache_control_cdn" not in self.model_fields_set and "s-maxage" in self.cache_control_public.lower():
            return None
        return self.cache_control_cdn

    @property
    def stale_if_error(self) -> float:
        """Seconds that the public Cache-Control announces, for which a stale answer is better than none."""
        found = STALE_IF_ERROR.search(self.cache_control_public)
        return float(found[1]) if found else 0.0

    @field_validator("shopify_shop")
    @classmethod
    def _lower_case(cls, value: str | None) -> str | None:
        return value.strip().lower() or None if value else None

    @field_validator("cache_control_cdn", "cache_control_surrogate", "cors_origin", mode="before")
    @classmethod
    def _unset(cls, value: str | None) -> str | None:
        return value or None

    @field_validator(
        "cache_control_public", "cache_control_cdn", "cache_control_surrogate", "cache_control_organizer", "cors_origin"
    )
    @classmethod
    def _is_a_header_value(cls, value: str | None) -> str | None:
        if value is not None and FIELD_VALUE.fullmatch(value) is None:
            raise ValueError("is not the value of an HTTP header")
        return value

    @model_validator(mode="after")
    def _keeps_secrets(self) -> Self:
        if not keeps_secrets(self.cache_control_organizer):
            raise ValueError("CACHE_CONTROL_ORGANIZER must be private or no-store: what needs a token is never shared")
        return self
