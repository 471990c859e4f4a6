"""Tell readers what they must no longer show: raise the tags in Redis, then announce on PROJECTIONS.

In this order, after the commit: who hears the announcement finds Redis raised and PostgreSQL committed. A crash in
between leaves the change unacknowledged, and its redelivery says all of it once more; the tag's revision absorbs it.
"""

import time
from collections.abc import Iterable

import structlog

from shared.bus import Bus
from shared.contracts import Change, EventProjectedV1
from shared.postgres import Connection, queries, transaction
from shared.tags import EVENTS, RedisUnavailable, Tags, event_tag
from syncer import metrics
from syncer.store import Projected, Store

log = structlog.get_logger()
SQL = queries("syncer")

RECENT = 120.0  # seconds before Redis was lost: what it heard then may have been lost with it
RELAYED_AT_ONCE = 500  # tags


class Announcer:
    """Raises and announces. Redis away holds up nothing: what it did not hear is kept, and raised when it is back."""

    def __init__(self, store: Store, tags: Tags, bus: Bus) -> None:
        self._store = store
        self._tags = tags
        self._bus = bus
        self._lost_at: float | None = time.monotonic()  # until the relay has raised what a predecessor may have left
        self._away = False  # since a call failed, until the relay hears Redis: no change pays its timeout meanwhile

    async def announce(self, projected: Projected, change: Change) -> None:
        """Say to Redis, then to the bus, what `change` has become.

        Raises:
            BusUnavailable: the bus did not take it; the change must be redelivered.
            PostgresUnavailable: Redis is away, and what it missed could not be kept.
        """
        await self._raise(_tags(projected))
        await self._bus.publish(
            EventProjectedV1(
                # One name for one revision: said once more, it is a duplicate, and the bus drops it.
                id=f"event:{projected.event_id}:{projected.revision}:{projected.made_at.isoformat()}",
                source="syncer",
                subject=f"event/{projected.event_id}",
                time=change.time,
                event_id=projected.event_id,
                revision=projected.revision,
                events_revision=projected.events_revision,
                visible=projected.visible,
                deleted=projected.deleted,
                seen_at=change.time,
                origin=change.origin,
                caused_by=change.caused_by,
            )
        )
        metrics.ANNOUNCED.inc()

    async def _raise(self, tags: Iterable[tuple[str, int]]) -> None:
        for tag, revision in tags:
            if not await self._reach(tag, revision):
                async with transaction(self._store.pool) as connection:
                    await connection.execute(SQL.keep_unraised, tag, revision)
                metrics.UNRAISED.inc()

    async def _reach(self, tag: str, revision: int) -> bool:
        """False when Redis did not hear it."""
        if self._away:
            return False
        try:
            await self._tags.purge(tag, revision)
        except RedisUnavailable as error:
            self._lose()
            log.warning("redis.lost", tag=tag, revision=revision, error=str(error))
            return False
        return True

    async def step(self) -> bool:
        """Relay to Redis what it missed, and after a lost connection all that changed of late. True: there is more."""
        try:
            return await self._relay()
        except RedisUnavailable:
            self._lose()
            raise

    async def _relay(self) -> bool:
        await self._tags.ping()
        self._away = False
        lost_at = self._lost_at
        async with transaction(self._store.pool) as connection:
            kept = [(row["tag"], row["revision"]) for row in await connection.fetch(SQL.get_unraised, RELAYED_AT_ONCE)]
            recent = [] if lost_at is None else await self._changed_since(connection, lost_at - RECENT)
        for tag, revision in recent + kept:
            await self._tags.purge(tag, revision)
        if kept:
            async with transaction(self._store.pool) as connection:
                await connection.executemany(SQL.drop_unraised, kept)
        if recent or kept:
            log.info("tags.relayed", recent=len(recent), kept=len(kept))
        if self._lost_at == lost_at:  # and was not lost again meanwhile
            self._lost_at = None
        return len(kept) == RELAYED_AT_ONCE

    def _lose(self) -> None:
        """Remember when Redis was lost, until all is raised that it may not know when it is back."""
        self._away = True
        if self._lost_at is None:
            self._lost_at = time.monotonic()

    async def _changed_since(self, connection: Connection, at: float) -> list[tuple[str, int]]:
        """Every tag that was raised since then, by the monotonic clock."""
        rows = await connection.fetch(SQL.get_changed_since, time.monotonic() - at)
        events_revision = await connection.fetchval(SQL.get_events_revision)
        return [(event_tag(row["id"]), row["revision"]) for row in rows] + [(EVENTS, events_revision)]


def _tags(projected: Projected) -> list[tuple[str, int]]:
    tags = [(event_tag(projected.event_id), projected.revision)]
    if projected.events_revision is not None:
        tags.append((EVENTS, projected.events_revision))
    return tags
