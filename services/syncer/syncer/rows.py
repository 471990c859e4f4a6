"""Events and tickets as they are stored: read and written in sets, each statement for a whole batch."""

import re
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import unescape
from typing import Any

import orjson

from shared.errors import Transient
from shared.postgres import Connection, queries
from syncer.documents import Documents, Edition
from syncer.projections import Event, Ticket
from syncer.revisions import Revised, Standing
from syncer.source import Product, SourceVersion, Variant
from syncer.versions import Known

SQL = queries("syncer")

DOCUMENTS = tuple(Documents.__dataclass_fields__)
TICKET_COLUMNS = (
    "id", "event_id", "name", "type", "sku", "price", "compare_at_price", "capacity", "capacity_source",
    "observed_capacity", "sold", "available", "max_per_order", "visible", "status", "position", "inventory_item_id",
)  # fmt: skip
MAX_PARSED = 8 << 20  # characters of products kept parsed: some 2,000 of them, in about 50 MB
MAX_SEARCHED = 100_000  # characters of a description; a tsvector holds 1 MB


class LostGuard(Transient):
    """The row moved under the event's lock; nothing was written."""


@dataclass(frozen=True)
class Row:
    """An event as it is stored; its tickets as tuples of `TICKET_COLUMNS`, by id."""

    known: Known
    standing: Standing
    tickets: Mapping[int, tuple[Any, ...]]

    @property
    def observed(self) -> dict[int, int]:
        """The highest stock ever seen, by ticket."""
        place = TICKET_COLUMNS.index("observed_capacity")
        return {ticket_id: ticket[place] for ticket_id, ticket in self.tickets.items() if ticket[place] is not None}

    @property
    def items(self) -> set[int]:
        return {ticket[-1] for ticket in self.tickets.values() if ticket[-1] is not None}


@dataclass(frozen=True)
class Put:
    """An event to be written: what it has become, what it was made of, and the row that it takes the place of.

    `shown`: to anonymous readers, before or after.
    """

    event: Event
    revised: Revised
    version: SourceVersion
    source: Product
    row: Row | None
    shown: bool

    @property
    def kept_source(self) -> bool:
        """Whether the product is the one that is stored: then only stock has moved."""
        return self.row is not None and not self.row.known.deleted and self.source is self.row.known.product

    @property
    def is_sale(self) -> bool:
        """Whether stock alone differs, and in nothing that lists show, filter or sort by."""
        return self.kept_source and not self.revised.listed


class Parsed:
    """Products as they were read before, while their text is the same: an event on sale is parsed once."""

    def __init__(self, limit: int = MAX_PARSED) -> None:
        self._products: OrderedDict[int, tuple[str, Product]] = OrderedDict()
        self._limit = limit
        self._size = 0

    def product(self, event_id: int, text: str) -> Product:
        known = self._products.pop(event_id, None)
        if known is not None:
            self._size -= len(known[0])
        product = known[1] if known is not None and known[0] == text else Product.model_validate_json(text)
        self._products[event_id] = (text, product)
        self._size += len(text)
        while self._size > self._limit:
            self._size -= len(self._products.popitem(last=False)[1][0])
        return product


async def get(connection: Connection, event_ids: Collection[int], parsed: Parsed) -> dict[int, Row]:
    """Of those that have a row."""
    if not event_ids:
        return {}
    found = await connection.fetch(SQL.get_events, event_ids)
    tickets: dict[int, dict[int, tuple[Any, ...]]] = {row["id"]: {} for row in found}
    for ticket in await connection.fetch(SQL.get_tickets, event_ids):
        tickets[ticket["event_id"]][ticket["id"]] = tuple(ticket)
    return {row["id"]: _row(row, tickets[row["id"]], parsed) for row in found}


def _row(row: Any, tickets: Mapping[int, tuple[Any, ...]], parsed: Parsed) -> Row:
    deleted = row["deleted_at"] is not None
    product = None if row["data"] == "null" else parsed.product(row["id"], row["data"])
    edition = Edition(row["revision"], row["synced_at"], row["listed_revision"], row["listed_at"])
    documents = Documents(*(row[name] for name in DOCUMENTS))
    visible = row["status"] == "active" and not deleted
    return Row(
        Known(product, SourceVersion(*row["source_version"]), deleted),
        Standing(edition, documents, row["description_html"], visible, deleted),
        tickets,
    )


async def put(connection: Connection, puts: Sequence[Put]) -> None:
    """Write events and their tickets; of each only what differs.

    Raises:
        LostGuard: the guards in the SQL refused one.
    """
    changed = [each for each in puts if each.revised.changed]
    await _guarded(connection, SQL.put_events, [_event(each) for each in changed if not each.is_sale])
    await _guarded(connection, SQL.put_stock, [_stock(each) for each in changed if each.is_sale])
    await _guarded(connection, SQL.put_sources, [_source(each) for each in puts if not each.revised.changed])
    gone = [(ticket_id, each.event.id) for each in puts for ticket_id in _gone(each)]
    if gone:
        await connection.execute(SQL.delete_tickets, *zip(*gone, strict=True))
    # A ticket has one event; whatever a payload says, one statement can't write it twice.
    if tickets := {ticket["id"]: ticket for each in puts for ticket in _tickets(each)}:
        await connection.execute(SQL.put_tickets, orjson.dumps(list(tickets.values())).decode())


async def bury(connection: Connection, versions: Mapping[int, SourceVersion]) -> dict[int, tuple[int, datetime]]:
    """Leave a tombstone of each event: its revision, and when that was made.

    Raises:
        LostGuard: a newer tombstone, or a newer event, stands.
    """
    if not versions:
        return {}
    rows = await connection.fetch(
        SQL.bury_events,
        list(versions),
        [version.updated_at for version in versions.values()],
        [version.seen_at for version in versions.values()],
    )
    if len(rows) != len(versions):
        raise LostGuard(f"{len(versions) - len(rows)} tombstones were refused")
    await connection.execute(SQL.delete_tickets_of, list(versions))
    return {row["id"]: (row["revision"], row["synced_at"]) for row in rows}


async def _guarded(connection: Connection, statement: str, records: list[dict[str, Any]]) -> None:
    """Each record names the columns of one row; the statement answers with the id of each row that it wrote."""
    if not records:
        return
    written = await connection.fetch(statement, orjson.dumps(records).decode())
    if len(written) != len(records):
        refused = {record["id"] for record in records} - {row["id"] for row in written}
        raise LostGuard(f"refused: {sorted(refused)}")


def _event(put: Put) -> dict[str, Any]:
    """The record of `put_events`."""
    event, edition, documents = put.event, put.revised.edition, put.revised.documents
    return {
        "handle": event.handle,
        "title": event.title,
        "subtitle": event.subtitle,
        "description_html": event.description_html,
        "searched": plain(event.description_html),
        "status": event.status,
        "category": event.category,
        "tags": event.tags,
        "organizer": event.organizer,
        "images": [{"url": image.url, "alt": image.alt} for image in event.images],
        "starts_at": event.starts_at,
        "ends_at": event.ends_at,
        "timezone": event.timezone,
        "venue_name": event.venue_name,
        "venue_address": event.venue_address,
        "venue_city": event.venue_city,
        "venue_country": event.venue_country,
        "currency": event.currency,
        "price_min": _number(event.price_min),
        "price_max": _number(event.price_max),
        "capacity": event.capacity,
        "availability": event.availability,
        "created_at": event.created_at,
        "updated_at": event.updated_at,
        "listed_at": edition.listed_at,
        "listed_revision": edition.listed_revision,
        "data": _json(put.source),
        "data_complete": event.data_complete,
        "item": documents.item,
        "manage_item": documents.manage_item,
        **_stock(put),
    }


def _stock(put: Put) -> dict[str, Any]:
    """The record of `put_stock`: what a sale changes."""
    event, edition, documents = put.event, put.revised.edition, put.revised.documents
    return {
        "id": event.id,
        "sold": event.sold,
        "available": event.available,
        "source_version": list(put.version),
        "revision": edition.revision,
        "synced_at": edition.synced_at,
        "shown": put.shown,
        "document": documents.document,
        "tickets_document": documents.tickets_document,
        "manage_document": documents.manage_document,
        "manage_tickets_document": documents.manage_tickets_document,
    }


def _source(put: Put) -> dict[str, Any]:
    """The record of `put_sources`: nothing that readers see has changed."""
    known = put.row.known.product if put.row else None
    return {
        "id": put.event.id,
        "data": None if put.source == known else _json(put.source),
        "data_complete": put.event.data_complete,
        "source_version": list(put.version),
        "synced_at": put.revised.edition.synced_at,
    }


def _gone(put: Put) -> Iterable[int]:
    if put.row is None or put.kept_source:
        return ()
    return put.row.tickets.keys() - {ticket.id for ticket in put.event.tickets}


def _tickets(put: Put) -> Iterable[dict[str, Any]]:
    """The records of `put_tickets`, of those that differ from what is stored."""
    stored = put.row.tickets if put.row else {}
    product = put.row.known.product if put.row else None
    known = {} if put.kept_source or product is None else {variant.id: variant for variant in product.variants}
    for ticket, variant in zip(put.event.tickets, put.source.variants, strict=True):
        values = _values(ticket, put.event.id)
        if stored.get(ticket.id) == values and (put.kept_source or known.get(variant.id) == variant):
            continue
        record = dict(zip(TICKET_COLUMNS, values, strict=True))
        record["price"], record["compare_at_price"] = _number(ticket.price), _number(ticket.compare_at_price)
        yield {**record, "data": _json(variant)}


def _values(ticket: Ticket, event_id: int) -> tuple[Any, ...]:
    """In the order of `TICKET_COLUMNS`."""
    return (
        ticket.id, event_id, ticket.name, ticket.type, ticket.sku, ticket.price, ticket.compare_at_price,
        ticket.capacity, ticket.capacity_source, ticket.observed_capacity, ticket.sold, ticket.available,
        ticket.max_per_order, ticket.visible, ticket.status, ticket.position, ticket.inventory_item_id,
    )  # fmt: skip


def _json(source: Product | Variant) -> orjson.Fragment:
    return orjson.Fragment(source.model_dump_json())


def _number(amount: object) -> str | None:
    """A NUMERIC; JSON's own numbers are read as binary fractions on the way."""
    return None if amount is None else str(amount)


# Linear, whatever is written: html.parser takes minutes for 100,000 characters of "<a ", and raises at "<![word[".
TAG = re.compile(r"<[/!?a-zA-Z][^<>]*>")
LONG_NUMBER = re.compile(r"&#[xX]?[0-9a-fA-F]{8,}")  # is no character, and may be too long to be read as a number


def plain(html: str) -> str:
    """The words of a description, for the search index."""
    return unescape(LONG_NUMBER.sub(" ", TAG.sub(" ", html[:MAX_SEARCHED]))).replace("\x00", "")
