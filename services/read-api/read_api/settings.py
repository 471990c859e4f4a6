"""What the environment says to read-api."""

import re

from pydantic import Field, field_validator

from read_api.cache_policy import FIELD_VALUE, directives, keeps_secrets, without_number
from read_api.live.settings import LiveSettings
from shared.auth import AuthSettings
from shared.cors_settings import CorsSettings
from shared.settings import NatsSettings, PostgresSettings, RedisSettings, ServiceSettings

STALE_IF_ERROR = re.compile(r"(?:^|[ ,])stale-if-error=\"?([0-9]{1,9})", re.IGNORECASE)  # RFC 5861


class ReadApiSettings(
    ServiceSettings, NatsSettings, PostgresSettings, RedisSettings, AuthSettings, LiveSettings, CorsSettings
):
    """Where read-api finds the others, what it lets caches keep, and how much it takes on at once."""

    cache_control_public: str = Field(
        "public, max-age=0, stale-if-error=86400",
        description="Cache-Control of what anyone may read; e.g. `public, max-age=300, s-maxage=600`. An s-maxage here "
        "takes the place of CACHE_CONTROL_CDN, unless that is set. Without stale-if-error read-api itself shows "
        "nothing stale either.",
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

    @field_validator("cache_control_cdn", "cache_control_surrogate", mode="before")
    @classmethod
    def _unset(cls, value: str | None) -> str | None:
        return value or None

    @field_validator("cache_control_public", "cache_control_cdn", "cache_control_surrogate", "cache_control_organizer")
    @classmethod
    def _is_a_header_value(cls, value: str | None) -> str | None:
        if value is not None and FIELD_VALUE.fullmatch(value) is None:
            raise ValueError("is not the value of an HTTP header")
        return value

    @field_validator("cache_control_public", "cache_control_cdn", "cache_control_surrogate", "cache_control_organizer")
    @classmethod
    def _counts_in_seconds(cls, value: str | None) -> str | None:
        if value is not None and (wrong := without_number(value)):
            raise ValueError(f"{wrong} must be a number of seconds, as in {wrong}=60")
        return value

    @field_validator("cache_control_public")
    @classmethod
    def _is_for_all(cls, value: str) -> str:
        if "private" in directives(value):
            raise ValueError("may not be private: anyone may read it (no-store: it is kept nowhere)")
        return value

    @field_validator("cache_control_organizer")
    @classmethod
    def _keeps_secrets(cls, value: str) -> str:
        if not keeps_secrets(value):
            raise ValueError("must be private or no-store: what needs a token is never shared")
        return value
