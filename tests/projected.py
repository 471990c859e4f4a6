"""Put events into the projections by SQL, as the syncer would, and say so in Redis and on the bus."""

import dataclasses
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from shared.auth import mint
from shared.contracts import EventProjectedV1, Origin
from shared.tags import EVENTS, Tags, event_tag

READER, READER_ENTRY = mint("reader", ["events:read"])
WRITER, WRITER_ENTRY = mint("writer", ["events:write"])
STATIC_KEYS = f"{READER_ENTRY},{WRITER_ENTRY}"
ORGANIZER = {"Authorization": f"Bearer {READER}"}
NOT_ALLOWED = {"Authorization": f"Bearer {WRITER}"}

CREATED = datetime(2026, 10, 1, 8, tzinfo=UTC)
VENUE = {"name": "Blue Hall", "address": None, "city": "Berlin", "country": "DE"}


@dataclass(frozen=True)
class Event:
    id: int
    title: str = "Jazz Night"
    handle: str | None = None
    status: str = "active"
    category: str | None = "music"
    tags: tuple[str, ...] = ("jazz",)
    city: str | None = "Berlin"
    starts_at: datetime | None = datetime(2026, 12, 1, 19, tzinfo=UTC)
    listed_at: datetime = CREATED
    availability: str = "available"
    deleted: bool = False
    secret: str = "only-for-organizers"
    complete: bool = True

    @property
    def slug(self) -> str:
        return self.handle or f"event-{self.id}"

    def item(self, revision: int) -> dict[str, Any]:
        return {
            "id": str(self.id), "handle": self.slug, "title": self.title, "subtitle": None, "status": self.status,
            "category": self.category, "tags": list(self.tags), "organizer": None, "images": [],
            "starts_at": time(self.starts_at), "ends_at": None, "timezone": None, "venue": VENUE | {"city": self.city},
            "currency": "EUR", "price_min": "25.00", "price_max": "60.00", "availability": self.availability,
            "created_at": time(CREATED), "updated_at": time(self.listed_at), "revision": revision,
        }  # fmt: skip

    def ticket(self) -> dict[str, Any]:
        return {
            "id": str(self.id * 10), "name": "Standing", "type": None, "price": "25.00", "compare_at_price": None,
            "status": "on_sale", "availability": self.availability, "available": 100, "max_per_order": 10,
            "position": 1,
        }  # fmt: skip

    def manage_ticket(self) -> dict[str, Any]:
        return self.ticket() | {
            "sku": self.secret, "capacity": 200, "capacity_source": "metafield", "sold": 100, "visible": True,
            "inventory_item_id": str(self.id * 100), "locations": [],
        }  # fmt: skip

    def documents(self, revision: int) -> dict[str, str]:
        item = self.item(revision)
        event = item | {"description_html": "<p>…</p>", "available": 377}
        managed = {"capacity": 500, "data_complete": self.complete}
        of = {"event_id": str(self.id), "revision": revision}
        built = {
            "document": event | {"tickets": [self.ticket()]},
            "tickets_document": of | {"tickets": [self.ticket()]},
            "item": item,
            "manage_document": event
            | managed
            | {"tickets": [self.manage_ticket()], "sold": 123, "synced_at": time(CREATED)},
            "manage_tickets_document": of | {"tickets": [self.manage_ticket()]},
            "manage_item": item | {"capacity": managed["capacity"]},
        }
        return {name: json.dumps(value, ensure_ascii=False) for name, value in built.items()}


def time(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


class Shop:
    """`save` writes and raises the collection's revision; `tell` raises what Redis holds."""

    def __init__(self, connection: "asyncpg.Connection[Any]", tags: Tags) -> None:
        self.connection = connection
        self.tags = tags

    async def save(self, *events: Event) -> int:
        """The revision of the last one."""
        revision = 0
        for event in events:
            revision = await save(self.connection, event)
        return revision

    async def change(self, event: Event, **changes: Any) -> Event:
        """Save a changed event, and raise its tags: what the syncer does on a webhook."""
        changed = dataclasses.replace(event, **changes)
        await self.save(changed)
        await self.tell(changed)
        return changed

    async def tell(self, event: Event) -> None:
        await self.tags.purge(event_tag(event.id), await self.revision(event.id))
        await self.tags.purge(EVENTS, await self.collection())

    async def revision(self, event_id: int) -> int:
        return int(await self.connection.fetchval("SELECT revision FROM events WHERE id = $1", event_id))

    async def collection(self) -> int:
        return int(await self.connection.fetchval("SELECT revision FROM collections WHERE name = 'events'"))

    async def announcement(self, event: Event, age: timedelta = timedelta()) -> EventProjectedV1:
        now = datetime.now(UTC)
        revision = await self.revision(event.id)
        return EventProjectedV1(
            id=f"{event.id}-{revision}-{now.timestamp()}", source="syncer", subject=f"event/{event.id}", time=now,
            event_id=event.id, revision=revision, visible=True, seen_at=now - age, origin=Origin.WEBHOOK,
        )  # fmt: skip


async def save(connection: "asyncpg.Connection[Any]", event: Event) -> int:
    """The event's new revision."""
    before = await connection.fetchval("SELECT revision FROM events WHERE id = $1", event.id)
    revision = int(before or 0) + 1
    columns: dict[str, Any] = {
        "id": event.id, "handle": event.slug, "title": event.title, "description_html": "<p>…</p>",
        "status": event.status, "category": event.category, "tags": list(event.tags), "images": "[]",
        "starts_at": event.starts_at, "venue_city": event.city, "availability": event.availability,
        "updated_at": event.listed_at, "listed_at": event.listed_at, "source_version": [CREATED, CREATED],
        "revision": revision, "listed_revision": revision, "changed_at": datetime.now(UTC),
        "deleted_at": CREATED if event.deleted else None,
        "synced_at": CREATED, "data": "{}", "data_complete": event.complete, "shown": True, **event.documents(revision),
    }  # fmt: skip
    names = ", ".join(columns)
    values = ", ".join(f"${number}" for number in range(1, len(columns) + 1))
    updates = ", ".join(f"{name} = excluded.{name}" for name in columns)
    async with connection.transaction():
        await connection.execute(
            f"INSERT INTO events ({names}, search) "  # noqa: S608 (column names of this file)
            f"VALUES ({values}, to_tsvector('simple', $3 || ' ' || coalesce($6, ''))) "
            f"ON CONFLICT (id) DO UPDATE SET {updates}, search = excluded.search",
            *columns.values(),
        )
        await connection.execute("UPDATE collections SET revision = revision + 1 WHERE name = 'events'")
    return revision
