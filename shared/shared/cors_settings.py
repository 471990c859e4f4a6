"""What the environment says about pages of other origins."""

import re

from pydantic import Field, field_validator

from shared.settings import Settings

# How browsers write one (RFC 6454 section 6.2), whatever the scheme; they compare it letter by letter.
ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")


class CorsSettings(Settings):
    cors_origin: str | None = Field(
        "*",
        description="Access-Control-Allow-Origin of every answer: * or scheme://host[:port]; unset: pages of other "
        "origins can't use it.",
    )

    @field_validator("cors_origin", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: str | None) -> str | None:
        return value or None

    @field_validator("cors_origin")
    @classmethod
    def _is_an_origin(cls, value: str | None) -> str | None:
        if value is None or value == "*":
            return value
        lowered = value.lower()
        if ORIGIN.fullmatch(lowered) is None:
            raise ValueError("must be * or one origin, scheme://host or scheme://host:port, with nothing behind it")
        return lowered
