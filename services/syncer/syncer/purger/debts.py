"""When everything must be purged: written down before anything relies on it, and crossed out when it has been done."""

import asyncio
import time

import structlog

from shared import bus_state
from shared.bus import Bus
from shared.topology import PROJECTIONS, PURGER
from syncer import metrics
from syncer.purger.gaps import Stream, missed
from syncer.purger.inbox import Inbox
from syncer.purger.plan import Backlog, Scope
from syncer.purger.record import Record

log = structlog.get_logger()

LOOK = 5.0  # seconds between looks how far we are: what is written down is so old at most


class Debts:
    """Everything here raises PostgresUnavailable, and what asks the stream BusUnavailable."""

    def __init__(self, provider: str, record: Record, bus: Bus, backlog: Backlog[int], inbox: Inbox) -> None:
        self._provider = provider
        self._record = record
        self._bus = bus
        self._backlog = backlog
        self._inbox = inbox
        self._written = False  # whether `purger` says that everything is owed
        self._writing = asyncio.Lock()  # nothing new is crossed out with what was done

    async def begin(self) -> None:
        """What was owed is owed; what was announced while nobody heard it makes everything owed."""
        known, owed = await self._record.look()
        if owed is not None:
            self._written = True
            self._backlog.owe(owed, time.monotonic())
        if found := missed(known, self._record.edge, await self._stream()):
            await self.owe(found.scope, found.reason)

    async def look(self) -> None:
        """Write down how far we are, again and again; notice what the stream has dropped before we could hear it."""
        while True:
            await asyncio.sleep(LOOK)
            known, _ = await self._record.look()
            stream = await self._stream()
            if found := missed(known, self._record.edge, stream):
                await self.owe(found.scope, found.reason)
                continue
            async with bus_state.asking(self._bus.broker) as jetstream:
                info = await jetstream.consumer_info(PURGER.stream.name, PURGER.durable)
            if (purged_to := min(bus_state.settled_up_to(info), stream.last)) > known.purged_to:
                await self._record.advance(purged_to)

    async def owe(self, scope: Scope, reason: str) -> None:
        """Everything that was announced until now must go, and what released messages bore with it."""
        async with self._writing:
            owed = await self._record.owe(scope, reason, await self._stream())
            self._written = True
            released = self._backlog.owe(owed, time.monotonic())
        metrics.CDN_ESCALATIONS.labels(self._provider, reason).inc()
        log.warning("everything.owed", provider=self._provider, scope=owed.name.lower(), reason=reason)
        await self._inbox.release(released)

    async def note(self, reason: str) -> None:
        """An edge is behind. Should we die before it has caught up, everything is owed to all of them."""
        async with self._writing:
            if not self._written:
                await self._record.note(Scope.OURS, reason)
                self._written = True
                log.warning("everything.noted", provider=self._provider, reason=reason)

    async def settle(self) -> None:
        """Cross it out, if everything was purged for the last time. No edge may be behind."""
        async with self._writing:
            if self._written and self._backlog.settled:
                await self._record.settle()
                self._written = False

    async def _stream(self) -> Stream:
        async with bus_state.asking(self._bus.broker) as jetstream:
            info = await jetstream.stream_info(PROJECTIONS.name)
        return Stream(info.created, info.state.first_seq, info.state.last_seq)
