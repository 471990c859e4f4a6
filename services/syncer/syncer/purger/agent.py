"""The purger: takes announcements to the CDN. One replica at a time works, so that the provider's quota is kept.

The lock is an advisory one of PostgreSQL, on a connection of its own: who dies loses it at once, and another goes on.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import structlog

from shared.bus import Bus
from shared.ending import end
from shared.postgres import ACQUIRE_TIMEOUT, Connection, answering
from syncer.purger import providers
from syncer.purger.record import Record
from syncer.purger.settings import CdnSettings
from syncer.purger.shift import Shift

log = structlog.get_logger()

LOCK = (0x70757267, 0)  # "purg"
WATCH = 1.0  # seconds between looks whether the lock's connection is still there


class Purger:
    """`step` is for a loop: it takes the lock if nobody has it, and works until something breaks."""

    def __init__(self, settings: CdnSettings, pool: "asyncpg.Pool[asyncpg.Record]", bus: Bus) -> None:
        self._settings = settings
        self._pool = pool
        self._bus = bus

    async def step(self) -> bool:
        """False: another replica purges. Raises PostgresUnavailable, BusUnavailable: begin again."""
        async with self._holding() as holder:
            if holder is None:
                return False
            log.info("purger.began", provider=self._settings.cdn_provider)
            async with providers.opened(self._settings) as fleet:
                record = Record(self._pool, self._settings.edge())
                shift = Shift(self._settings, fleet, providers.quota(self._settings), record, self._bus)
                await _while_held(shift, holder)
        return True

    @asynccontextmanager
    async def _holding(self) -> AsyncIterator[Connection | None]:
        """The connection that has the lock; None: another has it."""
        async with answering():
            connection = await self._pool.acquire(timeout=ACQUIRE_TIMEOUT)
            try:
                held = await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", *LOCK)
                yield connection if held else None
            finally:
                await self._pool.release(connection, timeout=ACQUIRE_TIMEOUT)  # and with it the lock


async def _while_held(shift: Shift, holder: Connection) -> None:
    """Work; stop at once when the lock is lost with its connection: another may be at it already."""
    working = asyncio.create_task(shift.work(), name="purge")
    watching = asyncio.create_task(_watch(holder), name="watch the purger's lock")
    try:
        done, _ = await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await end(watching)
        await end(working, patience=5.0)


async def _watch(holder: Connection) -> None:
    while True:
        async with answering():
            await holder.execute("SELECT 1")
        await asyncio.sleep(WATCH)
