"""What the environment says about taking commands."""

import re

from pydantic import Field, field_validator

from shared.settings import Settings

# As browsers write one (RFC 6454 section 6.2).
ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")


class WriterApiSettings(Settings):
    """Bounds of what one process takes on; the rest is refused at once, and says when to come again."""

    writer_client_rate: float = Field(
        20.0, gt=0, description="Commands that one client may send each second, in the long run; beyond that, 429."
    )
    writer_client_burst: int = Field(200, ge=1, description="Commands that it may send at once after a pause.")
    writer_client_open: int = Field(10_000, ge=1, description="Open jobs of one client; beyond that, 429.")
    writer_max_open: int = Field(100_000, ge=1, description="Open jobs of all clients; beyond that, 503.")
    writer_max_body: int = Field(1_048_576, ge=1024, description="Bytes of one command.")
    writer_body_room: int = Field(67_108_864, ge=1024, description="Bytes of all commands that are coming in at once.")
    writer_body_deadline: float = Field(10.0, gt=0, le=60, description="Seconds in which a command has to come in.")
    writer_max_waiters: int = Field(
        2_000, ge=0, description="Requests that may wait for a job (Prefer: wait); the others are answered at once."
    )
    cors_origin: str | None = Field(
        "*",
        description="Access-Control-Allow-Origin of every answer: * or scheme://host[:port]; unset: pages of other "
        "origins can't send commands.",
    )

    @field_validator("cors_origin", mode="before")
    @classmethod
    def _unset(cls, value: str | None) -> str | None:
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
