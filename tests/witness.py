"""What readers and listeners were told while a test did its worst: revisions, in the order in which they came."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise

import httpx2
from nats.aio.msg import Msg
from nats.js.api import ConsumerConfig, DeliverPolicy
from whole_system import Running

from shared.contracts import EventProjectedV1, parse
from shared.topology import PROJECTIONS

LOOK_EVERY = 0.01  # seconds between two reads of one reader
OK = frozenset({200})


@dataclass
class Witness:
    """By event. `statuses`: every status that any reader got."""

    read: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    announced: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    statuses: set[int] = field(default_factory=set)

    def never_went_back(self, event_ids: Iterable[int]) -> None:
        """AssertionError for a reader who was shown an older revision than before, or nothing at all."""
        for event_id in event_ids:
            seen = self.read[event_id]
            assert seen, f"nobody read {event_id}"
            assert all(later >= earlier for earlier, later in pairwise(seen)), f"a reader of {event_id} saw {seen}"


@asynccontextmanager
async def readers(
    running: Running, event_ids: Collection[int], allowed: Collection[int] = OK
) -> AsyncIterator[Witness]:
    """A reader of each event, who polls until the end of the block and may only be answered with `allowed`."""
    witness, stop = Witness(), asyncio.Event()

    async def read(event_id: int) -> None:
        while not stop.is_set():
            answer = await running.event(event_id)
            witness.statuses.add(answer.status_code)
            assert answer.status_code in allowed, f"a reader of {event_id} got {answer.status_code}: {answer.text}"
            if answer.status_code == httpx2.codes.OK:
                witness.read[event_id].append(int(answer.headers["X-Revision"]))
            await asyncio.sleep(LOOK_EVERY)

    polling = [asyncio.create_task(read(event_id)) for event_id in event_ids]
    try:
        yield witness
    finally:
        stop.set()
        await asyncio.gather(*polling)


@asynccontextmanager
async def listener(running: Running, witness: Witness) -> AsyncIterator[None]:
    """Hears what is announced on PROJECTIONS from now on."""

    async def hear(message: Msg) -> None:
        event = parse(message.headers, message.data)
        assert isinstance(event, EventProjectedV1)
        witness.announced[event.event_id].append(event.revision)

    async with running.jetstream() as jetstream:
        await jetstream.subscribe(
            PROJECTIONS.subjects[0],
            stream=PROJECTIONS.name,
            cb=hear,
            ordered_consumer=True,
            config=ConsumerConfig(deliver_policy=DeliverPolicy.NEW),
        )
        yield
