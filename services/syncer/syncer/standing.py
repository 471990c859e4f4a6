"""Where events and their lists stand now, for what has to be said once more."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

import asyncpg

from shared.contracts import EventProjectedV1
from shared.postgres import Connection, queries
from shared.tags import EVENTS

SQL = queries("syncer", "standing.sql")


class Shown(Protocol):
    """What is said of an event, and whether to anonymous readers, too."""

    @property
    def visible(self) -> bool: ...


S = TypeVar("S", bound=Shown)


def bearer(said: Sequence[S]) -> S:
    """Which of them says how far the lists have come: one that anonymous readers hear of, where there is one."""
    return next((each for each in said if each.visible), said[0])


async def get(connection: Connection, events: Collection[int]) -> list[asyncpg.Record]:
    """Those of these events that there are, the newest first."""
    rows: list[asyncpg.Record] = await connection.fetch(SQL.get_standing, list(events))
    return rows


async def lists_at(connection: Connection) -> int:
    """The revision of the lists."""
    revision: int = await connection.fetchval(SQL.get_events_revision)
    return revision


async def standing(connection: Connection, events: Collection[int]) -> list[EventProjectedV1]:
    """Announcements of these events. One says how far the lists have come: another's, where none of these is shown."""
    rows = await get(connection, events)
    if not any(row["shown"] for row in rows):
        rows = await get(connection, {*events, await connection.fetchval(SQL.get_newest)} - {None})
    if not rows:
        return []
    said = [_announcement(row) for row in rows]
    bears, events_revision = bearer(said), await lists_at(connection)
    return [each.model_copy(update={"events_revision": events_revision}) if each is bears else each for each in said]


def _announcement(row: asyncpg.Record) -> EventProjectedV1:
    """Named like the first announcement of this revision, which makes it a duplicate if that was made."""
    return EventProjectedV1(
        id=name_of(row["id"], row["revision"], row["synced_at"]),
        source="syncer",
        subject=f"event/{row['id']}",
        time=row["changed_at"],
        event_id=row["id"],
        revision=row["revision"],
        visible=row["shown"],
        deleted=row["deleted"],
        seen_at=row["changed_at"],
        origin=None,  # not known; a webhook's would count as a sample of change-to-visible, which began earlier
    )


def name_of(event_id: int, revision: int, made_at: datetime) -> str:
    """One name for one revision: said once more, it is a duplicate, and the bus drops it."""
    return f"event:{event_id}:{revision}:{made_at.isoformat()}"


def with_lists(name: str, events_revision: int) -> str:
    """The name under which a revision of the lists is said with what was said before, lest it be dropped with it."""
    return f"{name}:{EVENTS}:{events_revision}"
