"""An event's documents, as readers get them: rendered once, at projection time. Pure.

Shapes: read_api/shapes.py. Ids are strings of digits, money is a string, time is RFC 3339 in UTC, null where unknown.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson

from syncer.projections import Event, Ticket

CENT = Decimal("0.01")


@dataclass(frozen=True)
class Edition:
    """What of a document is ours and not Shopify's.

    The `listed` pair belongs to the last change that lists show, so that a sale leaves every list as it is.
    """

    revision: int
    synced_at: datetime
    listed_revision: int
    listed_at: datetime


@dataclass(frozen=True)
class Documents:
    """JSON text, ready to be sent. The names are the columns of `events`."""

    document: str
    tickets_document: str
    item: str
    manage_document: str
    manage_tickets_document: str
    manage_item: str


@dataclass(frozen=True)
class Draft:
    """The documents of an event without an edition: its JSON, cut where an edition's values stand.

    Rendering is most of what projecting costs. An edition only fills the gaps, so to compare an event with what stands
    and to write its next revision takes one rendering, not two.
    """

    document: str  # revision }
    tickets_document: str  # revision }
    item: str  # listed_at "revision": listed_revision
    capacity: str  # which organizers see in a list
    managed: str  # synced_at managed_tickets revision }
    managed_tickets: str
    manage_tickets_document: str  # revision }

    def edition(self, edition: Edition) -> Documents:
        """All documents of one revision."""
        end = f"{edition.revision}}}"
        item = f'{self.item}{_quoted(edition.listed_at)},"revision":{edition.listed_revision}'
        return Documents(
            document=self.document + end,
            tickets_document=self.tickets_document + end,
            item=item + "}",
            manage_document=f"{self.managed}{_quoted(edition.synced_at)}{self.managed_tickets}{end}",
            manage_tickets_document=self.manage_tickets_document + end,
            # Without `data_complete`: every sale unsets it for a moment, and would purge every list twice.
            manage_item=item + self.capacity,
        )


def render(event: Event, edition: Edition) -> Documents:
    """All documents of one revision of an event."""
    return draft(event).edition(edition)


def draft(event: Event) -> Draft:
    """All that an edition's documents have in common."""
    head, shared = _head(event), _venue_and_price(event)
    manage_tickets = [_manage_ticket(ticket) for ticket in event.tickets]
    tickets = _json([_ticket(ticket) for ticket in event.tickets if ticket.visible])
    managed_tickets = _json(manage_tickets)
    times = f'"created_at":{_quoted(event.created_at)},"updated_at":'
    tail = f'{times}{_quoted(event.updated_at)},"revision":'
    word = {"availability": event.availability}
    described = _open(head | {"description_html": event.description_html} | shared | word)
    stock = {"available": event.available, "capacity": event.capacity, "sold": event.sold}
    of_event = f'{{"event_id":"{event.id}","tickets":'
    return Draft(
        document=f'{described}"available":{_json(event.available_to_buyers)},"tickets":{tickets},{tail}',
        tickets_document=f'{of_event}{tickets},"revision":',
        item=_open(head | shared | word) + times,
        capacity=f',"capacity":{_json(event.capacity)}}}',
        managed=described + _open(stock | {"data_complete": event.data_complete})[1:] + '"synced_at":',
        managed_tickets=f',"tickets":{managed_tickets},{tail}',
        manage_tickets_document=f'{of_event}{managed_tickets},"revision":',
    )


def _head(event: Event) -> dict[str, Any]:
    return {"id": str(event.id), "handle": event.handle, "title": event.title, "subtitle": event.subtitle}


def _venue_and_price(event: Event) -> dict[str, Any]:
    return {
        "status": event.status,
        "category": event.category,
        "tags": event.tags,
        "organizer": event.organizer,
        "images": [{"url": image.url, "alt": image.alt} for image in event.images],
        "starts_at": _time(event.starts_at),
        "ends_at": _time(event.ends_at),
        "timezone": event.timezone,
        "venue": {
            "name": event.venue_name,
            "address": event.venue_address,
            "city": event.venue_city,
            "country": event.venue_country,
        },
        "currency": event.currency,
        "price_min": _money(event.price_min),
        "price_max": _money(event.price_max),
    }


def _ticket(ticket: Ticket) -> dict[str, Any]:
    return {
        "id": str(ticket.id),
        "name": ticket.name,
        "type": ticket.type,
        "price": _money(ticket.price),
        "compare_at_price": _money(ticket.compare_at_price),
        "status": ticket.status,
        "availability": ticket.availability,
        "available": None if ticket.available is None else max(0, ticket.available),
        "max_per_order": ticket.max_per_order,
        "position": ticket.position,
    }


def _manage_ticket(ticket: Ticket) -> dict[str, Any]:
    return _ticket(ticket) | {
        "available": ticket.available,  # below 0 where more was sold than there was: organizers have to know
        "sku": ticket.sku,
        "capacity": ticket.capacity,
        "capacity_source": ticket.capacity_source,
        "sold": ticket.sold,
        "visible": ticket.visible,
        "inventory_item_id": None if ticket.inventory_item_id is None else str(ticket.inventory_item_id),
        "locations": [
            {
                "location_id": str(stock.location_id),
                "available": stock.available,
                "committed": stock.committed,
                "on_hand": stock.on_hand,
            }
            for stock in ticket.locations
        ],
    }


def _money(amount: Decimal | None) -> str | None:
    """Two decimals, three only for what needs them (the Kuwaiti dinar)."""
    if amount is None:
        return None
    return f"{amount:.2f}" if amount == amount.quantize(CENT) else f"{amount:.3f}"


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _quoted(at: datetime | None) -> str:
    return "null" if at is None else f'"{_time(at)}"'


def _open(value: dict[str, Any]) -> str:
    """An object to which more is to be added: without its end, with a comma."""
    return orjson.dumps(value)[:-1].decode() + ","


def _json(value: object) -> str:
    return orjson.dumps(value).decode()
