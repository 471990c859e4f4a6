"""What an event must say when Shopify's product is so and so. Pure.

Worked out from the shapes of the answers (read_api/shapes.py) and ARCHITECTURE.md, not from the code that is judged.

Capacities that were observed (the highest stock ever seen) can't be known from the truth; they are held to what must
hold of them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

Json = dict[str, Any]

FEW_LEFT_SHARE, FEW_LEFT_PIECES = Decimal("0.1"), 10  # the settings' defaults
VENUE = ("name", "address", "city", "country")
LEVEL = ("available", "committed", "on_hand")
ONLY_ORGANIZERS = {"capacity", "sold", "data_complete", "synced_at"}
ONLY_ORGANIZERS_OF_TICKETS = {
    "sku", "capacity", "capacity_source", "sold", "visible", "inventory_item_id", "locations",
}  # fmt: skip


@dataclass(frozen=True)
class Observed:
    """A number that depends on what was seen: at least `least`; perhaps None, where nothing had to be seen."""

    least: int = 0
    perhaps_none: bool = False

    def __eq__(self, other: object) -> bool:
        return (other is None and self.perhaps_none) or (isinstance(other, int) and other >= self.least)

    def __hash__(self) -> int:
        return hash(self.least)

    def __repr__(self) -> str:
        return f"{'None or ' if self.perhaps_none else ''}at least {self.least}"


@dataclass(frozen=True)
class OneOf:
    """A word that depends on a capacity that was observed."""

    words: tuple[str | None, ...]

    def __eq__(self, other: object) -> bool:
        return other in self.words or other is self

    def __hash__(self) -> int:
        return hash(self.words)

    def __repr__(self) -> str:
        return " or ".join(map(str, self.words))


UNDECIDED = OneOf(("available", "few_left"))
OBSERVED = OneOf((None, "observed"))


def expected_event(truth: Json, currency: str) -> Json:
    """The event that organizers must read when Shopify's product is `truth` (the control API's shape)."""
    fields = _metafields(truth)
    tickets = [_ticket(variant) for variant in truth["variants"]]
    on_show = [ticket for ticket in tickets if ticket["visible"]]
    prices = [Decimal(ticket["price"]) for ticket in on_show]
    return {
        "id": str(truth["id"]),
        "handle": truth["handle"],
        "title": truth["title"],
        "subtitle": fields.get("event.subtitle"),
        "description_html": truth["body_html"],
        "status": truth["status"],
        "category": fields.get("event.category") or truth["product_type"] or None,
        "tags": sorted(set(truth["tags"])),
        "organizer": fields.get("event.organizer"),
        "images": [{"url": image["url"], "alt": image["alt"] or None} for image in truth["images"]],
        "starts_at": _instant(fields.get("event.starts_at")),
        "ends_at": _instant(fields.get("event.ends_at")),
        "timezone": fields.get("event.timezone"),
        "venue": {name: fields.get(f"event.venue_{name}") for name in VENUE},
        "currency": currency,
        "price_min": _money(min(prices, default=None)),
        "price_max": _money(max(prices, default=None)),
        "availability": _best([ticket["availability"] for ticket in on_show]),
        "available": _sum(ticket["available"] for ticket in tickets),
        "capacity": _capacities(tickets, "capacity"),
        "sold": _capacities(tickets, "sold"),
        "data_complete": True,
        "tickets": tickets,
        "created_at": _instant(truth["created_at"]),
        "updated_at": _instant(truth["updated_at"]),
    }


def _ticket(variant: Json) -> Json:
    fields = _metafields(variant)
    counted = variant["tracked"]
    available = sum(level["available"] for level in variant["levels"]) if counted else None
    set_capacity = fields.get("ticket.capacity")
    capacity: Any = None if set_capacity is None else int(set_capacity)
    sold: Any = None if capacity is None or available is None else max(0, capacity - available)
    if set_capacity is None:
        # An untracked ticket may have been tracked before: the highest stock seen then is still its capacity.
        capacity = Observed(available or 0, perhaps_none=available is None)
        sold = None if available is None else Observed()
    visible = fields.get("ticket.visible") not in ("false", "0")
    availability = _availability(variant, available, capacity)
    return {
        "id": str(variant["id"]),
        "name": variant["title"],
        "type": fields.get("ticket.type"),
        "price": variant["price"],
        "compare_at_price": variant["compare_at_price"],
        "status": "hidden" if not visible else "sold_out" if availability == "sold_out" else "on_sale",
        "availability": availability,
        "available": available,
        "max_per_order": int(fields["ticket.max_per_order"]) if "ticket.max_per_order" in fields else None,
        "position": variant["position"],
        "sku": variant["sku"] or None,
        "capacity": capacity,
        "capacity_source": "metafield" if set_capacity is not None else OBSERVED if available is None else "observed",
        "sold": sold,
        "visible": visible,
        "inventory_item_id": str(variant["inventory_item_id"]),
        "locations": sorted(
            (
                {"location_id": str(level["location_id"]), **{name: level[name] for name in LEVEL}}
                for level in variant["levels"]
            ),
            key=lambda level: int(level["location_id"]),
        ),
    }


def _availability(variant: Json, available: int | None, capacity: Any) -> Any:
    if available is None or variant["inventory_policy"] == "continue":
        return "available"
    if available <= 0:
        return "sold_out"
    if available <= FEW_LEFT_PIECES:
        return "few_left"
    if isinstance(capacity, Observed):
        return UNDECIDED
    return "few_left" if available <= int((capacity or 0) * FEW_LEFT_SHARE) else "available"


def _best(words: list[Any]) -> Any:
    for best in ("available", "few_left"):
        if any(word is not UNDECIDED and word == best for word in words):
            return best if best == "available" or UNDECIDED not in words else UNDECIDED
    return UNDECIDED if UNDECIDED in words else "sold_out"


def _metafields(owner: Json) -> dict[str, str]:
    """By "namespace.key"; blank ones are as good as absent."""
    named = {f"{field['namespace']}.{field['key']}": field["value"].strip() for field in owner["metafields"]}
    return {name: value for name, value in named.items() if value}


def _capacities(tickets: list[Json], name: str) -> Any:
    numbers = [ticket[name] for ticket in tickets]
    observed = [number for number in numbers if isinstance(number, Observed)]
    known = [number for number in numbers if not isinstance(number, Observed)]
    if None in known:
        return None
    least = sum(known) + sum(number.least for number in observed)
    return Observed(least, any(number.perhaps_none for number in observed)) if observed else least


def _sum(numbers: Iterable[int | None]) -> int | None:
    known = list(numbers)
    return None if None in known else sum(number or 0 for number in known)


def _instant(text: str | None) -> str | None:
    if text is None:
        return None
    at = datetime.fromisoformat(text)
    return plain(at if at.tzinfo else at.replace(tzinfo=UTC))  # type: ignore[no-any-return]


def _money(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:.2f}"


def plain(value: Any) -> Any:
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        case Decimal():
            return _money(value)
        case _:
            return value


def for_anyone(expected: Json) -> Json:
    """What is left of the organizers' document for anonymous readers."""
    shown = [ticket for ticket in expected["tickets"] if ticket["visible"]]
    tickets = [
        {name: value for name, value in ticket.items() if name not in ONLY_ORGANIZERS_OF_TICKETS} for ticket in shown
    ]
    kept = {name: value for name, value in expected.items() if name not in ONLY_ORGANIZERS}
    return kept | {"tickets": tickets, "available": _sum(ticket["available"] for ticket in tickets)}
