"""Announcements of where events stand now, for what has to be said once more."""

from collections.abc import Collection
from datetime import datetime

import asyncpg

from shared.contracts import EventProjectedV1
from shared.postgres import Connection, queries
from shared.tags import EVENTS

SQL = queries("syncer", "standing.sql")


async def standing(connection: Connection, events: Collection[int]) -> list[EventProjectedV1]:
    """Of these events, and of the one that changed last: it says how far the lists have come."""
    rows = await connection.fetch(SQL.get_standing, list(events))
    if not rows:
        return []
    events_revision = await connection.fetchval(SQL.get_events_revision)
    newest, *others = [announcement(row) for row in rows]
    return [newest.model_copy(update={"events_revision": events_revision}), *others]


def announcement(row: asyncpg.Record) -> EventProjectedV1:
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
