"""Carry every change since the rebuild began into the shadow, by a durable of its own. It announces nothing."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import nats.js.errors
import structlog
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import ConsumerInfo, DeliverPolicy

from shared import bus_state
from shared.bus import Bus
from shared.consuming import Consuming
from shared.contracts import Change, UnknownContract, parse
from shared.errors import Permanent, Transient
from shared.topology import CHANGES, Consumer
from syncer.rebuild.errors import ShadowLost
from syncer.store import Store

log = structlog.get_logger()

CONSUMER = Consumer(CHANGES, "syncer-rebuild", "changes.>", batch=256, ack_wait=20.0, max_ack_pending=20_000)
FORGOTTEN_AFTER = (
    24 * 3600.0
)  # seconds until the server drops a consumer that nobody reads: a rebuild that never went on
TIMEOUT = 3.0  # seconds for one answer


class Follower:
    """`store` writes the shadow, and nobody else does without holding `gate`."""

    def __init__(self, bus: Bus, store: Store, gate: asyncio.Lock) -> None:
        self._bus = bus
        self._store = store
        self._gate = gate

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Consumes for as long as the block."""
        consuming = Consuming(self._bus, CONSUMER, self.handle, at_once=1)
        consuming.start()
        try:
            yield
        finally:
            await consuming.stop()

    async def handle(self, messages: Sequence[Msg]) -> list[Exception | None]:
        """What is wrong with a change for good, the live projector has buried: it is none of ours."""
        read = [_read(message) for message in messages]
        changes = [change for change in read if change is not None]
        try:
            errors = await self.project(changes)
        except Permanent as error:
            if len(messages) > 1:
                raise  # it comes again in halves
            log.warning("rebuild.change_refused", subject=messages[0].subject, error=str(error))
            return [None]
        became = iter(errors)
        return [None if change is None else next(became) for change in read]

    async def project(self, changes: Sequence[Change]) -> list[Exception | None]:
        """Into the shadow: for each change None, or why it has to come again."""
        if not changes:
            return []
        async with self._gate:
            projected = await self._store.project(changes)
        return [each.error if isinstance(each.error, Transient) else None for each in projected]


def _read(message: Msg) -> Change | None:
    try:
        contract = parse(message.headers, message.data)
    except UnknownContract:
        return None
    return contract if isinstance(contract, Change) else None


class Post:
    """The consumer as NATS has it."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def create(self) -> None:
        """From now on nothing is missed. Raises BusUnavailable."""
        await self.delete()
        config = CONSUMER.config().evolve(deliver_policy=DeliverPolicy.NEW, inactive_threshold=FORGOTTEN_AFTER)
        async with self._asking() as jetstream:
            await jetstream.add_consumer(CHANGES.name, config, timeout=TIMEOUT)

    async def delete(self) -> None:
        """Raises BusUnavailable."""
        async with self._asking() as jetstream:
            try:
                await jetstream.delete_consumer(CHANGES.name, CONSUMER.durable)
            except nats.js.errors.NotFoundError:
                return

    async def last(self) -> int:
        """The sequence number of the newest change. Raises BusUnavailable."""
        async with self._asking() as jetstream:
            return (await jetstream.stream_info(CHANGES.name)).state.last_seq

    async def behind(self, target: int | None = None) -> int:
        """How many changes are not in the shadow; of those up to the number `target`, at most.

        Raises:
            ShadowLost: some never will be: the consumer is gone, or the stream has dropped what it had not delivered.
            BusUnavailable
        """
        info, first = await self._look()
        floor = bus_state.settled_up_to(info)
        if bus_state.behind(info) and floor and floor + 1 < first:
            raise ShadowLost("CHANGES has dropped changes that were not in the new tables yet")
        return bus_state.behind(info, target)

    async def _look(self) -> tuple[ConsumerInfo, int]:
        async with self._asking() as jetstream:
            try:
                info = await jetstream.consumer_info(CHANGES.name, CONSUMER.durable)
            except nats.js.errors.NotFoundError as error:
                raise ShadowLost(f"the consumer {CONSUMER.durable} is gone") from error
            return info, (await jetstream.stream_info(CHANGES.name)).state.first_seq

    def _asking(self) -> AbstractAsyncContextManager[JetStreamContext]:
        return bus_state.asking(self._bus.broker, TIMEOUT)
