"""Events and tickets as they are stored: read, write, bury."""

import re
from dataclasses import astuple, dataclass
from datetime import datetime
from html import unescape
from typing import Any

from shared.errors import Transient
from shared.postgres import Connection, queries
from syncer.documents import Documents, Edition
from syncer.projections import Event
from syncer.revisions import Revised, Standing
from syncer.source import Product, SourceVersion
from syncer.versions import Known

SQL = queries("syncer")

DOCUMENTS = tuple(Documents.__dataclass_fields__)
MAX_SEARCHED = 100_000  # characters of a description; a tsvector holds 1 MB


class LostGuard(Transient):
    """The row moved under the event's lock; nothing was written."""


@dataclass(frozen=True)
class Row:
    """An event as it is stored."""

    known: Known
    standing: Standing

    @property
    def living(self) -> Product | None:
        """The product that can be projected again."""
        return None if self.known.deleted else self.known.product


async def lock(connection: Connection, event_id: int) -> datetime:
    """Hold the event until the transaction ends; returns the database's time."""
    row = await connection.fetchrow(SQL.lock_event, event_id)
    now: datetime = row["now"]  # type: ignore[index]  # a SELECT without FROM has one row
    return now


async def get(connection: Connection, event_id: int) -> Row | None:
    row = await connection.fetchrow(SQL.get_event, event_id)
    if row is None:
        return None
    deleted = row["deleted_at"] is not None
    product = None if row["data"] == "null" else Product.model_validate_json(row["data"])
    edition = Edition(row["revision"], row["synced_at"], row["listed_revision"], row["listed_at"])
    documents = Documents(*(row[name] for name in DOCUMENTS))
    visible = row["status"] == "active" and not deleted
    return Row(
        Known(product, SourceVersion(*row["source_version"]), deleted),
        Standing(edition, documents, row["description_html"], visible, deleted),
    )


async def observed_capacities(connection: Connection, event_id: int) -> dict[int, int]:
    """The highest stock ever seen, by ticket."""
    rows = await connection.fetch(SQL.get_observed_capacities, event_id)
    return {row["id"]: row["observed_capacity"] for row in rows}


async def claim_items(connection: Connection, product: Product) -> None:
    items = sorted({variant.inventory_item_id for variant in product.variants if variant.inventory_item_id is not None})
    await connection.execute(SQL.claim_items, items, product.id)


async def put(
    connection: Connection,
    event: Event,
    revised: Revised,
    version: SourceVersion,
    source: Product,
    *,
    shown: bool,
) -> None:
    """Write an event and its tickets; only the source where readers would see no difference.

    `shown`: to anonymous readers, before or after.

    Raises:
        LostGuard: the guards in the SQL refused it.
    """
    if revised.changed:
        stored = await connection.fetchval(SQL.put_event, *_event_values(event, revised, version, source), shown)
    else:
        values = (event.id, source.model_dump_json(), event.data_complete, list(version), revised.edition.synced_at)
        stored = await connection.fetchval(SQL.put_source, *values)
    if stored != revised.edition.revision:
        raise LostGuard(f"event {event.id}: revision {revised.edition.revision} was refused")
    await connection.executemany(SQL.put_ticket, _ticket_values(event, source))
    await connection.execute(SQL.delete_tickets_but, event.id, [ticket.id for ticket in event.tickets])


async def bury(connection: Connection, event_id: int, version: SourceVersion) -> tuple[int, datetime] | None:
    """Leave a tombstone; its revision and when that was made, or None where a newer one, or a newer event, stands."""
    row = await connection.fetchrow(SQL.bury_event, event_id, list(version))
    if row is None:
        return None
    await connection.execute(SQL.delete_tickets_but, event_id, [])
    return row["revision"], row["synced_at"]


def _event_values(event: Event, revised: Revised, version: SourceVersion, source: Product) -> list[Any]:
    """In the order of `put_event`."""
    edition = revised.edition
    images = "[" + ",".join(image.model_dump_json() for image in event.images) + "]"
    return [
        event.id, event.handle, event.title, event.subtitle, event.description_html, event.status, event.category,
        list(event.tags), event.organizer, images, event.starts_at, event.ends_at, event.timezone, event.venue_name,
        event.venue_address, event.venue_city, event.venue_country, event.currency, event.price_min, event.price_max,
        event.capacity, event.sold, event.available, event.availability, event.created_at, event.updated_at,
        edition.listed_at, edition.listed_revision, list(version), edition.revision, edition.synced_at,
        source.model_dump_json(), event.data_complete, plain(event.description_html), *astuple(revised.documents),
    ]  # fmt: skip


def _ticket_values(event: Event, source: Product) -> list[tuple[Any, ...]]:
    """In the order of `put_ticket`."""
    variants = {variant.id: variant.model_dump_json() for variant in source.variants}
    return [
        (
            ticket.id, event.id, ticket.name, ticket.type, ticket.sku, ticket.price, ticket.compare_at_price,
            ticket.capacity, ticket.capacity_source, ticket.observed_capacity, ticket.sold, ticket.available,
            ticket.max_per_order, ticket.visible, ticket.status, ticket.position, ticket.inventory_item_id,
            variants[ticket.id],
        )
        for ticket in event.tickets
    ]  # fmt: skip


# Linear, whatever is written: html.parser takes minutes for 100,000 characters of "<a ", and raises at "<![word[".
TAG = re.compile(r"<[/!?a-zA-Z][^<>]*>")
LONG_NUMBER = re.compile(r"&#[xX]?[0-9a-fA-F]{8,}")  # is no character, and may be too long to be read as a number


def plain(html: str) -> str:
    """The words of a description, for the search index."""
    return unescape(LONG_NUMBER.sub(" ", TAG.sub(" ", html[:MAX_SEARCHED]))).replace("\x00", "")
