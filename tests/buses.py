"""A bus that is connected, on a NATS that has its streams; and what a stream holds."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from faststream.exceptions import IncorrectState
from waiting import eventually

from shared.bus import Bus, make_broker, running
from shared.contracts import Contract, parse
from shared.provision import provision
from shared.settings import NatsSettings
from shared.topology import Stream


@asynccontextmanager
async def opened_bus(nats_url: str, *emptied: Stream) -> AsyncIterator[Bus]:
    settings = NatsSettings(nats_url=nats_url)
    await provision(settings)
    broker = make_broker(settings, "test")
    async with running(broker):
        bus = Bus(broker)
        await connected(bus)
        for stream in emptied:
            await broker.connection.jetstream().purge_stream(stream.name)
        yield bus


async def connected(bus: Bus) -> None:
    def is_connected() -> bool:
        try:
            return bool(bus.broker.connection.is_connected)
        except IncorrectState:
            return False

    await eventually(is_connected, saying="connected to NATS")


async def stored(bus: Bus, stream: Stream) -> list[Contract]:
    """Everything that it holds, in order."""
    jetstream = bus.broker.connection.jetstream()
    state = (await jetstream.stream_info(stream.name)).state
    found = [await jetstream.get_msg(stream.name, each) for each in range(max(1, state.first_seq), state.last_seq + 1)]
    return [parse(each.headers, each.data or b"") for each in found]
