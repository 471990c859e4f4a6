"""What differs between the event that we had and the one that Shopify has, field by field, and the likely cause. Pure.

Left out: what follows from other fields (sums and ranges over tickets, availability, observed capacities: one lost sale
would be told six times) and what is no content (revision, `updated_at`, `data_complete`). A quantity that no webhook
says (committed, on hand) is not wrong while it is unknown.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel

from syncer.projections import Event, Stock, Ticket
from syncer.source import SourceVersion

Cause = Literal["missed", "late", "truncated", "tie"]

EVENT_FIELDS = (
    "handle", "title", "subtitle", "description_html", "status", "category", "tags", "organizer", "images", "starts_at",
    "ends_at", "timezone", "venue_name", "venue_address", "venue_city", "venue_country",
)  # fmt: skip
TICKET_FIELDS = (
    "name", "type", "sku", "price", "compare_at_price", "max_per_order", "visible", "position", "inventory_item_id",
)  # fmt: skip
STOCK_FIELDS = ("available", "locations")


@dataclass(frozen=True)
class Repair:
    """What a reconcile's read made of an event. `before` None: we had no such event; `after` None: it is gone.

    `known` and `seen`: the source versions of the two. `complete`: nothing was missing of `before`. `stock`: of the
    levels that moved, by inventory item, the versions before (None: none was known) and now.
    """

    event_id: int
    before: Event | None
    after: Event | None
    known: SourceVersion | None
    seen: SourceVersion
    complete: bool = True
    stock: Mapping[int, tuple[SourceVersion | None, SourceVersion]] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """`field` as users see it; of a whole event or ticket that one side lacks, "event" or "tickets" with its name.

    `ours` and `theirs` are JSON values: money a string, time RFC 3339, None what one side lacks.
    """

    ticket_id: int | None
    field: str
    ours: Any
    theirs: Any
    item_id: int | None = None  # the inventory item, where this is stock


@dataclass(frozen=True)
class Judged:
    """Why a difference was there. `since`: from when on ours was wrong, where that is known.

    A webhook about what happened after `ours_at` and up to `theirs_at` would have told it.
    """

    cause: Cause
    since: datetime | None
    ours_at: datetime | None
    theirs_at: datetime
    is_stock: bool = False


def differences(before: Event | None, after: Event | None) -> list[Difference]:
    """Of an event that only one side has, that alone."""
    if before is None or after is None:
        same = before is after
        return [] if same else [Difference(None, "event", _name(before), _name(after))]
    found = [
        Difference(None, name.replace("venue_", "venue."), _plain(getattr(before, name)), _plain(getattr(after, name)))
        for name in EVENT_FIELDS
        if getattr(before, name) != getattr(after, name)
    ]
    ours, theirs = ({ticket.id: ticket for ticket in event.tickets} for event in (before, after))
    for ticket_id in dict.fromkeys((*ours, *theirs)):
        found += _of_ticket(ours.get(ticket_id), theirs.get(ticket_id))
    return found


def judge(repair: Repair, difference: Difference) -> Judged:
    """Why ours was wrong there."""
    levels = repair.stock.get(difference.item_id) if difference.item_id is not None else None
    if levels is not None and not _is_of_the_item(difference, *levels):
        known, seen = levels
        newer = known is None or seen.updated_at > known.updated_at
        cause: Cause = "missed" if newer else "tie"
        ours_at = None if known is None else known.updated_at
        return Judged(cause, seen.updated_at if newer else ours_at, ours_at, seen.updated_at, is_stock=True)
    known, seen = repair.known, repair.seen
    ours_at = None if known is None else known.updated_at
    if repair.after is None:  # Shopify does not say when it went; its deletes have no `updated_at`
        return Judged("missed", None, ours_at, seen.seen_at)
    if known is None or repair.before is None:
        return Judged("missed", repair.after.created_at or seen.updated_at, ours_at, seen.updated_at)
    newer = seen.updated_at > known.updated_at
    if not repair.complete and (difference.ticket_id is not None or not newer):
        return Judged("truncated", known.updated_at, ours_at, seen.updated_at)
    return Judged("missed" if newer else "tie", seen.updated_at if newer else ours_at, ours_at, seen.updated_at)


def _is_of_the_item(difference: Difference, known: SourceVersion | None, seen: SourceVersion) -> bool:
    """Whether stock is tracked at all is told by the item, and with it the product: no level has changed."""
    return None in (difference.ours, difference.theirs) and known is not None and known.updated_at == seen.updated_at


def _of_ticket(ours: Ticket | None, theirs: Ticket | None) -> Iterator[Difference]:
    if ours is None or theirs is None:
        there = ours or theirs
        if there is not None:
            yield Difference(there.id, "tickets", ours and ours.name, theirs and theirs.name)
        return
    for name in TICKET_FIELDS:
        if getattr(ours, name) != getattr(theirs, name):
            yield Difference(ours.id, name, _plain(getattr(ours, name)), _plain(getattr(theirs, name)))
    yield from _of_stock(ours, theirs)


def _of_stock(ours: Ticket, theirs: Ticket) -> Iterator[Difference]:
    item = theirs.inventory_item_id
    capacity_is_set = "metafield" in (ours.capacity_source, theirs.capacity_source)
    if capacity_is_set and ours.capacity != theirs.capacity:
        yield Difference(ours.id, "capacity", ours.capacity, theirs.capacity)
    if ours.available != theirs.available:
        yield Difference(ours.id, "available", ours.available, theirs.available, item)
    elif not _agree(ours.locations, theirs.locations):
        yield Difference(ours.id, "locations", _stocks(ours.locations), _stocks(theirs.locations), item)
    elif ours.availability != theirs.availability and ours.capacity == theirs.capacity:
        yield Difference(ours.id, "availability", ours.availability, theirs.availability)  # oversells


def _agree(ours: tuple[Stock, ...], theirs: tuple[Stock, ...]) -> bool:
    known = {stock.location_id: stock for stock in ours}
    if known.keys() != {stock.location_id for stock in theirs}:
        return False
    return all(_says_the_same(known[stock.location_id], stock) for stock in theirs)


def _says_the_same(ours: Stock, theirs: Stock) -> bool:
    pairs = ((ours.committed, theirs.committed), (ours.on_hand, theirs.on_hand))
    return ours.available == theirs.available and all(a == b or a is None or b is None for a, b in pairs)


def _stocks(stocks: tuple[Stock, ...]) -> list[dict[str, Any]]:
    return [
        {
            "location_id": str(stock.location_id),
            "available": stock.available,
            "committed": stock.committed,
            "on_hand": stock.on_hand,
        }
        for stock in stocks
    ]


def _name(event: Event | None) -> str | None:
    return None if event is None else event.title


def _plain(value: Any) -> Any:
    """As JSON has it."""
    match value:
        case BaseModel():
            return value.model_dump(mode="json")
        case Decimal():
            return str(value)
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        case tuple():
            return [_plain(part) for part in value]
        case _:
            return value
