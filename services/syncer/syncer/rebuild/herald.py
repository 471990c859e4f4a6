"""Announce what a switch has changed: raise the tags, then say it on PROJECTIONS. As the announcer does for a change.

What is to be said stands in `unraised` and `unannounced`, written by the switch itself.
"""

import asyncpg
import structlog

from shared.bus import Bus
from shared.contracts import EventProjectedV1, Origin
from shared.postgres import queries, transaction
from shared.tags import RedisUnavailable
from syncer import metrics
from syncer.announcer import Announcer
from syncer.standing import name_of

log = structlog.get_logger()
SQL = queries("syncer", "rebuild/rebuild.sql")

AT_ONCE = 500  # announcements


class Herald:
    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", announcer: Announcer, bus: Bus) -> None:
        self._pool = pool
        self._announcer = announcer
        self._bus = bus

    async def step(self) -> bool:
        """Announce some. True: there is more.

        Raises:
            BusUnavailable, PostgresUnavailable: some may have been announced; they are announced again.
        """
        async with transaction(self._pool) as connection:
            waiting = await connection.fetch(SQL.get_unannounced, AT_ONCE)
        if not waiting:
            return False
        await self._raise()
        await self._bus.publish_all([_announcement(row) for row in waiting])
        metrics.ANNOUNCED.inc(len(waiting))
        async with transaction(self._pool) as connection:
            await connection.executemany(SQL.drop_unannounced, [(row["event_id"], row["revision"]) for row in waiting])
        log.info("rebuild.announced", events=len(waiting))
        return True

    async def _raise(self) -> None:
        """All tags first: who hears an announcement finds Redis raised. While Redis is away, they are kept."""
        try:
            while await self._announcer.step():
                pass
        except RedisUnavailable as error:
            log.warning("redis.lost", error=str(error))


def _announcement(row: asyncpg.Record) -> EventProjectedV1:
    return EventProjectedV1(
        id=name_of(row["event_id"], row["revision"], row["made_at"]),
        source="syncer",
        subject=f"event/{row['event_id']}",
        time=row["seen_at"],
        event_id=row["event_id"],
        revision=row["revision"],
        events_revision=row["events_revision"],
        visible=row["visible"],
        deleted=row["deleted"],
        seen_at=row["seen_at"],
        origin=Origin.BACKFILL,
    )
