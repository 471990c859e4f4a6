"""What the environment says about live streams."""

from pydantic import Field

from shared.settings import Settings


class LiveSettings(Settings):
    sse_max_streams: int = Field(20_000, ge=1, description="Live streams of one process; beyond that, 503.")
    sse_max_streams_per_client: int = Field(
        0, ge=0, description="Live streams of one address; 0: any number. Behind a proxy, all have the proxy's address."
    )
    sse_heartbeat: float = Field(15.0, ge=1.0, le=300.0, description="Seconds between signs of life on a live stream.")
    sse_patience: float = Field(
        5.0, ge=0.1, le=60.0, description="Seconds that a client may fall behind; then it is dropped."
    )
    sse_replay: int = Field(
        4_096, ge=0, description="Announcements kept for clients that come back; beyond that, `reset`."
    )
