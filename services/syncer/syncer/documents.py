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


def render(event: Event, edition: Edition) -> Documents:
    """All documents of one revision of an event."""
    shown = [ticket for ticket in event.tickets if ticket.visible]
    tickets = [_ticket(ticket) for ticket in shown]
    manage_tickets = [_manage_ticket(ticket) for ticket in event.tickets]
    head, item = _head(event), _item(event, edition)
    tail = {"created_at": _time(event.created_at), "updated_at": _time(event.updated_at), "revision": edition.revision}
    managed: dict[str, Any] = {
        "capacity": event.capacity,
        "sold": event.sold,
        "data_complete": event.data_complete,
        "synced_at": _time(edition.synced_at),
    }
    described = head | {"description_html": event.description_html} | _venue_and_price(event)
    stock = {"availability": event.availability}
    return Documents(
        document=_json(described | stock | {"available": event.available_to_buyers, "tickets": tickets} | tail),
        tickets_document=_json({"event_id": str(event.id), "tickets": tickets, "revision": edition.revision}),
        item=_json(item),
        manage_document=_json(
            described | stock | {"available": event.available} | managed | {"tickets": manage_tickets} | tail
        ),
        manage_tickets_document=_json(
            {"event_id": str(event.id), "tickets": manage_tickets, "revision": edition.revision}
        ),
        # Without `data_complete`: every sale unsets it for a moment, and would purge every list twice.
        manage_item=_json(item | {"capacity": event.capacity}),
    )


def _head(event: Event) -> dict[str, Any]:
    return {"id": str(event.id), "handle": event.handle, "title": event.title, "subtitle": event.subtitle}


def _item(event: Event, edition: Edition) -> dict[str, Any]:
    dates = {"created_at": _time(event.created_at), "updated_at": _time(edition.listed_at)}
    stock = {"availability": event.availability}
    return _head(event) | _venue_and_price(event) | stock | dates | {"revision": edition.listed_revision}


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


def _json(value: dict[str, Any]) -> str:
    return orjson.dumps(value).decode()
