"""What the environment says about taking commands."""

from pydantic import Field

from shared.cors_settings import CorsSettings


class WriterApiSettings(CorsSettings):
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
