"""What the environment says of the CDN."""

import hashlib
import ipaddress
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from shared.settings import Settings

Provider = Literal["cloudflare", "fastly", "varnish"]


def _split(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


Addresses = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]

NAME = r"^[A-Za-z0-9_-]{1,64}$"  # it becomes a part of a path
WANTED: dict[Provider, tuple[str, ...]] = {
    "cloudflare": ("cdn_api_token", "cdn_zone_id"),
    "fastly": ("cdn_api_token", "cdn_service_id"),
    "varnish": ("cdn_varnish_urls",),
}


class CdnSettings(Settings):
    """Whom to tell what they must no longer show, and how often they like to hear it."""

    cdn_provider: Provider | None = Field(
        None, description="cloudflare, fastly or varnish; unset: nothing is purged, a CDN is as old as it may be."
    )
    cdn_api_token: SecretStr | None = Field(
        None, description="Cloudflare: a token that may purge the zone. Fastly: one of scope purge_select, purge_all."
    )
    cdn_zone_id: str | None = Field(None, pattern=NAME, description="Cloudflare's zone.")
    cdn_service_id: str | None = Field(None, pattern=NAME, description="Fastly's service.")
    cdn_api_url: str | None = Field(
        None, description="The provider's API, where it is not the public one: https, or http on this machine."
    )
    cdn_varnish_urls: Addresses = Field(
        (), description="Where each Varnish takes purges (deploy/edge): http://edge:8081, separated by commas."
    )
    cdn_rate: float | None = Field(
        None, gt=0, description="Calls a second that your plan allows; unset: Cloudflare 1/12, Fastly 25, Varnish 50."
    )
    cdn_burst: int | None = Field(
        None, ge=1, description="Calls at once that your plan allows; unset: Cloudflare 25, Fastly and Varnish 100."
    )
    cdn_interval: float = Field(1.0, gt=0, le=3600, description="Seconds between two purges of one tag, at least.")
    cdn_repeat_after: float = Field(
        15.0,
        gt=0,
        le=3600,
        description="Seconds until a purge is repeated: longer than an answer may take from read-api to the edge.",
    )
    cdn_backlog: float = Field(
        10.0, gt=0, le=3600, description="What can't be purged by tags in so many seconds is purged as a whole."
    )
    cdn_soft_purge: bool = Field(
        True, description="Fastly keeps what was purged for stale-if-error; false: it forgets it."
    )

    @field_validator("cdn_provider", mode="before")
    @classmethod
    def _in_any_case(cls, value: object) -> object:
        return value.strip().lower() or None if isinstance(value, str) else value

    @field_validator("cdn_api_url")
    @classmethod
    def _is_private(cls, value: str | None) -> str | None:
        if value is not None and not (_is_address(value, "https") or (_is_address(value, "http") and _is_near(value))):
            raise ValueError("must be https://host, or http on this machine: the token travels there")
        return None if value is None else value.rstrip("/")

    @field_validator("cdn_varnish_urls")
    @classmethod
    def _are_addresses(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        if not all(_is_address(value, "http") or _is_address(value, "https") for value in values):
            raise ValueError("must be http://host:port, separated by commas")
        return tuple(sorted({value.rstrip("/") for value in values}))

    @field_validator("cdn_api_token")
    @classmethod
    def _fits_a_header(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            text = value.get_secret_value()
            if not text or not all("!" <= letter <= "~" for letter in text):
                raise ValueError("is not the value of an HTTP header")
        return value

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        missing = [name for name in WANTED.get(self.cdn_provider, ()) if not getattr(self, name)]  # type: ignore[arg-type]
        if missing:
            raise ValueError(f"CDN_PROVIDER: {self.cdn_provider} needs {', '.join(missing).upper()}")
        if self.cdn_repeat_after <= self.cdn_interval:
            raise ValueError("CDN_REPEAT_AFTER: must be more than CDN_INTERVAL")
        return self

    def edge(self) -> str:
        """What is purged, as a digest: with another one, everything is purged once. The token is no part of it."""
        parts = (self.cdn_provider, self.cdn_api_url, self.cdn_zone_id, self.cdn_service_id, self.cdn_varnish_urls)
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def _is_address(url: str, scheme: str) -> bool:
    try:
        parts = urlsplit(url)
        bare = not (parts.query or parts.fragment or parts.username or parts.password)
        return parts.scheme == scheme and bool(parts.hostname) and parts.port != 0 and bare
    except ValueError:
        return False


def _is_near(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
