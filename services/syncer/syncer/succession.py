"""Say once more what a syncer that died may have committed and left unsaid: at our start, and when a replica is gone.

Its messages come again only when their `ack_wait` is over. Until then a process that holds the old document in its own
memory would go on with it, while others, which had to load it, show the new one (promise P5). So every replica holds a
lock for as long as it lives; PostgreSQL lets go of it the moment its holder is killed, and the others see that.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import asyncpg
import structlog

from shared.bus import Bus
from shared.contracts import EventProjectedV1
from shared.postgres import ACQUIRE_TIMEOUT, Connection, answering, queries, transaction
from shared.tags import EVENTS, event_tag
from syncer import metrics
from syncer.announcer import Announcer
from syncer.standing import standing, with_lists

log = structlog.get_logger()
SQL = queries("syncer", "succession.sql")

LATELY = 60.0  # seconds; what was left unsaid before that has been redelivered since, or will be at once
MOST = 5000  # events, the newest; a syncer has 2,048 messages in hand at most
LOOK = 0.25  # seconds between looks at who is there; bounds what a dead replica's last changes wait
AFTERMATH = 3.0  # seconds; a commit that was on its way when its syncer died may come after we noticed


class Succession:
    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", announcer: Announcer, bus: Bus) -> None:
        self._pool = pool
        self._announcer = announcer
        self._bus = bus
        self._said: set[str] = set()  # since the last death, so that a look says only what came later

    async def step(self) -> bool:
        """Be seen by the others, say what lies behind us, then watch over them: until something breaks.

        Raises:
            BusUnavailable, PostgresUnavailable: begin again; what was said already is a duplicate then.
        """
        self._said.clear()
        async with self._present() as connection:
            peers, before, until = await _peers(connection), await _now(connection), time.monotonic() + AFTERMATH
            while True:
                if time.monotonic() < until:
                    await self._say_again(before)
                else:
                    self._said.clear()
                await asyncio.sleep(LOOK)
                there = await _peers(connection)
                if gone := peers - there:
                    log.info("replica.gone", replicas=len(gone))
                    before, until = await _now(connection), time.monotonic() + AFTERMATH
                peers = there

    @asynccontextmanager
    async def _present(self) -> AsyncIterator[Connection]:
        """A connection of our own, and on it the lock that others see."""
        async with answering():
            connection = await self._pool.acquire(timeout=ACQUIRE_TIMEOUT)
            try:
                await connection.execute(SQL.be_present)
                yield connection
            finally:
                await self._pool.release(connection, timeout=ACQUIRE_TIMEOUT)  # and with it the lock

    async def _say_again(self, before: datetime) -> None:
        """Say what was committed lately by transactions that began before then, unless it was said a moment ago."""
        unsaid = [each for each in await self._lately(before) if each.id not in self._said]
        if not unsaid:
            return
        tags = {event_tag(each.event_id): each.revision for each in unsaid}
        tags.update((EVENTS, each.events_revision) for each in unsaid if each.events_revision is not None)
        await self._announcer.raise_tags(list(tags.items()))
        await self._bus.publish_all(unsaid)
        self._said.update(each.id for each in unsaid)
        metrics.SAID_AGAIN.inc(len(unsaid))
        log.info("succession.said", events=len(unsaid))

    async def _lately(self, before: datetime) -> list[EventProjectedV1]:
        """Where the events stand that changed lately. Which of them changed the lists is not known: one says it."""
        async with transaction(self._pool) as connection:
            events = [row["id"] for row in await connection.fetch(SQL.get_lately, before, LATELY, MOST)]
            said = await standing(connection, events) if events else []
        return [_with_lists(each) for each in said]


def _with_lists(said: EventProjectedV1) -> EventProjectedV1:
    """Where it says how far the lists have come, it is none that was said before."""
    if said.events_revision is None:
        return said
    return said.model_copy(update={"id": with_lists(said.id, said.events_revision)})


async def _peers(connection: Connection) -> frozenset[int]:
    """Who else is there."""
    return frozenset(row["pid"] for row in await connection.fetch(SQL.get_present))


async def _now(connection: Connection) -> datetime:
    now: datetime = await connection.fetchval(SQL.get_time)
    return now
