"""Tell readers what they must no longer show: raise the tags in Redis, then announce on PROJECTIONS.

In this order, after the commit: who hears the announcement finds Redis raised and PostgreSQL committed. A crash in
between leaves the change unacknowledged, and its redelivery says all of it once more; the tag's revision absorbs it.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from shared.bus import Bus
from shared.contracts import Change, EventProjectedV1
from shared.postgres import Connection, queries, transaction
from shared.tags import EVENTS, FOUND, NO_DOCUMENTS, Document, RedisUnavailable, Tags, event_tag
from shared.tags.names import tagged_event
from syncer import metrics
from syncer.standing import lists_at, name_of, standing, with_lists
from syncer.store import Projected, Store

log = structlog.get_logger()
SQL = queries("syncer")

RECENT = 120.0  # seconds before Redis was lost: what it heard then may have been lost with it
RELAYED_AT_ONCE = 500  # tags
# Seconds that an announcement waits for a Redis that hangs; its own timeouts add up to 1.0 s. Meanwhile what is
# committed is seen by whoever has to load it, and the older version must not be shown elsewhere for a second more (P5).
RAISED_WITHIN = 0.4
BROUGHT_AT_MOST = 100  # events of a batch whose documents go to Redis with their purges


@dataclass(frozen=True)
class Said:
    """A change that altered what readers see, and what became of its event. `again`: it may have been said before."""

    projected: Projected
    change: Change
    again: bool = False


class Announcer:
    """Raises and announces. Redis away holds up nothing: what it did not hear is kept, and raised when it is back."""

    def __init__(self, store: Store, tags: Tags, bus: Bus) -> None:
        self._store = store
        self._tags = tags
        self._bus = bus
        self._lost_at: float | None = time.monotonic()  # until the relay has raised what a predecessor may have left
        self._away = False  # since a call failed, until the relay hears Redis: no change pays its timeout meanwhile

    async def announce(self, said: Sequence[Said]) -> None:
        """Say to Redis, then to the bus, what changes have become: once for each event, however many altered it.

        Raises:
            BusUnavailable: the bus did not take all of it; the changes must be redelivered.
            PostgresUnavailable: Redis is away, and what it missed could not be kept.
        """
        await self.raise_tags(_tags(said), _documents(said))
        announcements = [
            announcement for of_event in _by_event(said).values() for announcement in _announcements(of_event)
        ]
        await self._bus.publish_all(announcements)
        metrics.ANNOUNCED.inc(len(announcements))

    async def raise_tags(
        self, tags: Sequence[tuple[str, int]], documents: Mapping[str, Document] = NO_DOCUMENTS
    ) -> None:
        """In Redis; while it is away, what it misses is kept for the relay.

        `documents`, by tag, go there with the purge: nobody has to load what everybody asks for.

        Raises:
            PostgresUnavailable: it could not be kept.
        """
        if await self._reach(tags, documents):
            return
        async with transaction(self._store.pool) as connection:
            await connection.execute(SQL.keep_unraised, *zip(*tags, strict=True))
        metrics.UNRAISED.inc(len(tags))

    async def _reach(self, tags: Sequence[tuple[str, int]], documents: Mapping[str, Document]) -> bool:
        """False when Redis did not hear all of it."""
        if self._away:
            return False
        try:
            async with asyncio.timeout(RAISED_WITHIN):
                await self._tags.purge_all(tags, documents)
        except (RedisUnavailable, TimeoutError) as error:
            self._lose()
            log.warning("redis.lost", tags=len(tags), error=repr(error))
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
        await self._tags.purge_all(recent + kept)
        await self._announce_anew(recent + kept)
        if kept:
            async with transaction(self._store.pool) as connection:
                await connection.executemany(SQL.drop_unraised, kept)
        if recent or kept:
            log.info("tags.relayed", recent=len(recent), kept=len(kept))
        if self._lost_at == lost_at:  # and was not lost again meanwhile
            self._lost_at = None
        return len(kept) == RELAYED_AT_ONCE

    async def _announce_anew(self, raised: Sequence[tuple[str, int]]) -> None:
        """Who took an old document from Redis meanwhile, and had not heard of the new one, keeps it in memory."""
        if not raised:
            return
        events = {event for tag, _ in raised if (event := tagged_event(tag)) is not None}
        async with transaction(self._store.pool) as connection:
            announcements = await standing(connection, events)
        now = time.time_ns()  # another name, or the bus would drop it as said before
        await self._bus.publish_all([each.model_copy(update={"id": f"{each.id}:anew:{now}"}) for each in announcements])

    def _lose(self) -> None:
        """Remember when Redis was lost, until all is raised that it may not know when it is back."""
        self._away = True
        if self._lost_at is None:
            self._lost_at = time.monotonic()

    async def _changed_since(self, connection: Connection, at: float) -> list[tuple[str, int]]:
        """Every tag that was raised since then, by the monotonic clock."""
        rows = await connection.fetch(SQL.get_changed_since, time.monotonic() - at)
        return [(event_tag(row["id"]), row["revision"]) for row in rows] + [(EVENTS, await lists_at(connection))]


def _tags(said: Sequence[Said]) -> list[tuple[str, int]]:
    """Each tag once, at its highest revision."""
    tags: dict[str, int] = {}
    for each in said:
        tags[event_tag(each.projected.event_id)] = each.projected.revision
        if each.projected.events_revision is not None:
            tags[EVENTS] = max(each.projected.events_revision, tags.get(EVENTS, 0))
    return list(tags.items())


def _documents(said: Sequence[Said]) -> Mapping[str, Document]:
    """What anyone may read of these events; Redis takes what was asked for of late. In a flood that is little of it."""
    newest = {each.projected.event_id: each.projected for each in said}
    if len(newest) > BROUGHT_AT_MOST:
        return NO_DOCUMENTS
    return {
        event_tag(event_id): Document(now.revision, FOUND, now.document.encode())
        for event_id, now in newest.items()
        if now.document is not None
    }


def _by_event(said: Sequence[Said]) -> dict[int, list[Said]]:
    events: dict[int, list[Said]] = {}
    for each in said:
        events.setdefault(each.projected.event_id, []).append(each)
    return events


def _announcements(said: Sequence[Said]) -> list[EventProjectedV1]:
    """What is said of one event that these changes have altered: once, or once for each job that is among the causes.

    It was seen when the earliest of them was, so that change-to-visible does not flatter. Origin and cause are those of
    the last change, or of the last of each job.
    """
    caused = {each.change.caused_by: each for each in said if each.change.caused_by is not None}
    seen_at = min(each.change.time for each in said)
    return [_announcement(each, seen_at) for each in caused.values() or [said[-1]]]


def _announcement(said: Said, seen_at: datetime) -> EventProjectedV1:
    projected, change = said.projected, said.change
    name = name_of(projected.event_id, projected.revision, projected.made_at)
    if said.again and projected.events_revision is not None:
        name = with_lists(name, projected.events_revision)
    return EventProjectedV1(
        id=name if change.caused_by is None else f"{name}:{change.caused_by}",
        source="syncer",
        subject=f"event/{projected.event_id}",
        time=seen_at,
        event_id=projected.event_id,
        revision=projected.revision,
        events_revision=projected.events_revision,
        visible=projected.visible,
        deleted=projected.deleted,
        seen_at=seen_at,
        origin=change.origin,
        caused_by=change.caused_by,
    )
