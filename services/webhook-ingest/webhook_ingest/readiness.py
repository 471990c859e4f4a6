"""What webhook-ingest can't work without: a place on the bus, on disk before it is acknowledged."""

from collections.abc import Mapping

from faststream.nats import NatsBroker

from shared.bus import stream_problem
from shared.health import Check
from shared.topology import CHANGES
from webhook_ingest.durability import Durability
from webhook_ingest.settings import IngestSettings

HEADERS = 64 * 1024  # bytes left for the headers of a message


def checks(settings: IngestSettings, broker: NatsBroker) -> Mapping[str, Check]:
    async def bus() -> str | None:
        problem = await stream_problem(broker, CHANGES)
        if problem is not None:
            return problem
        room = broker.connection.max_payload
        if room < settings.webhook_max_bytes + HEADERS:
            return f"NATS takes messages of {room} bytes, webhooks have up to {settings.webhook_max_bytes}"
        return None

    return {"bus": bus, "durability": Durability(settings.nats_monitor_url).problem}
