"""A product and its stock, as an event and its tickets. Pure.

Stock is derived, never counted: available is the sum over locations, capacity the metafield or else the highest stock
ever seen, sold the difference, never below 0.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal

from syncer.rules import Rules
from syncer.source import Image, Metafields, Product, Variant, shown

MAX_TEXT = 255  # characters of a field; Shopify takes more, but no index does, and no page shows it
INTEGER = range(-(2**31), 2**31)  # what the columns hold

Availability = Literal["available", "few_left", "sold_out"]


@dataclass(frozen=True)
class Stock:
    """One location's part of a ticket's stock."""

    location_id: int
    available: int | None
    committed: int | None
    on_hand: int | None


@dataclass(frozen=True)
class Ticket:
    id: int
    name: str
    type: str | None
    sku: str | None
    price: Decimal
    compare_at_price: Decimal | None
    capacity: int | None
    capacity_source: Literal["metafield", "observed"] | None
    observed_capacity: int | None
    sold: int | None
    available: int | None  # None: not tracked, it never sells out
    max_per_order: int | None
    visible: bool
    status: Literal["on_sale", "sold_out", "hidden"]
    availability: Availability
    position: int
    inventory_item_id: int | None
    locations: tuple[Stock, ...]


@dataclass(frozen=True)
class Event:
    """`capacity` and `sold` count all tickets; price range and availability those that buyers can see."""

    id: int
    handle: str
    title: str
    subtitle: str | None
    description_html: str
    status: Literal["active", "draft", "archived", "unlisted"]
    category: str | None
    tags: tuple[str, ...]
    organizer: str | None
    images: tuple[Image, ...]
    starts_at: datetime | None
    ends_at: datetime | None
    timezone: str | None
    venue_name: str | None
    venue_address: str | None
    venue_city: str | None
    venue_country: str | None
    currency: str | None
    price_min: Decimal | None
    price_max: Decimal | None
    capacity: int | None
    sold: int | None
    available: int | None
    available_to_buyers: int | None
    availability: Availability
    tickets: tuple[Ticket, ...]
    created_at: datetime | None
    updated_at: datetime
    data_complete: bool


@dataclass(frozen=True)
class Facts:
    """What a product doesn't say: its stock by inventory item, the highest stock seen by ticket, the currency.

    `stock` has no item of which no level was seen, and nothing of one that is stocked nowhere.
    """

    stock: Mapping[int, tuple[Stock, ...]]
    observed: Mapping[int, int]
    currency: str | None


def project(product: Product, facts: Facts, rules: Rules, complete: bool) -> Event:
    """The event that readers shall see."""
    product = shown(product)
    fields = _Fields(product.metafields or {}, rules.event_metafields)
    tickets = tuple(_ticket(variant, facts, rules) for variant in product.variants)
    on_show = [ticket for ticket in tickets if ticket.visible]
    prices = [ticket.price for ticket in on_show]
    return Event(
        id=product.id,
        handle=product.handle,
        title=product.title,
        subtitle=fields.text("subtitle"),
        description_html=product.description_html,
        status=product.status,
        category=fields.text("category") or product.product_type or None,
        tags=product.tags,
        organizer=fields.text("organizer"),
        images=product.images,
        starts_at=fields.instant("starts_at"),
        ends_at=fields.instant("ends_at"),
        timezone=fields.text("timezone"),
        venue_name=fields.text("venue_name"),
        venue_address=fields.text("venue_address"),
        venue_city=fields.text("venue_city"),
        venue_country=fields.text("venue_country"),
        currency=facts.currency,
        price_min=min(prices, default=None),
        price_max=max(prices, default=None),
        capacity=_sum(ticket.capacity for ticket in tickets),
        sold=_sum(ticket.sold for ticket in tickets),
        available=_sum(ticket.available for ticket in tickets),
        available_to_buyers=_sum(ticket.available and max(0, ticket.available) for ticket in on_show),
        availability=_best(ticket.availability for ticket in on_show),
        tickets=tickets,
        created_at=product.created_at,
        updated_at=product.updated_at,
        data_complete=complete,
    )


def _ticket(variant: Variant, facts: Facts, rules: Rules) -> Ticket:
    fields = _Fields(variant.metafields or {}, rules.ticket_metafields)
    locations = facts.stock.get(variant.inventory_item_id or 0)
    available = stock_of(variant, locations)
    observed = max((n for n in (facts.observed.get(variant.id), available) if n is not None), default=None)
    set_capacity = fields.whole_number("capacity")
    capacity = observed if set_capacity is None else set_capacity
    visible = fields.text("visible") not in ("false", "0")
    availability = _availability(variant, available, capacity, rules)
    return Ticket(
        id=variant.id,
        name=variant.title,
        type=fields.text("type"),
        sku=variant.sku,
        price=variant.price,
        compare_at_price=variant.compare_at_price,
        capacity=capacity,
        capacity_source=None if capacity is None else "observed" if set_capacity is None else "metafield",
        observed_capacity=observed,
        sold=None if capacity is None or available is None else min(max(0, capacity - available), INTEGER[-1]),
        available=available,
        max_per_order=fields.whole_number("max_per_order"),
        visible=visible,
        status="hidden" if not visible else "sold_out" if availability == "sold_out" else "on_sale",
        availability=availability,
        position=variant.position,
        inventory_item_id=variant.inventory_item_id,
        locations=locations or (),
    )


def stock_of(variant: Variant, locations: tuple[Stock, ...] | None) -> int | None:
    """The sum over locations; before any level was seen, the total that Shopify said."""
    if variant.tracked is False:
        return None
    if locations is None:
        return variant.inventory_quantity
    return min(max(INTEGER[0], sum(stock.available or 0 for stock in locations)), INTEGER[-1])


def _availability(variant: Variant, available: int | None, capacity: int | None, rules: Rules) -> Availability:
    if available is None or variant.oversells:
        return "available"
    if available <= 0:
        return "sold_out"
    few = max(rules.few_left_pieces, int((capacity or 0) * rules.few_left_share))
    return "few_left" if available <= few else "available"


def _best(words: Iterable[Availability]) -> Availability:
    """The event's word is the best of its tickets'."""
    found = set(words)
    return "available" if "available" in found else "few_left" if "few_left" in found else "sold_out"


def _sum(numbers: Iterable[int | None]) -> int | None:
    """None as soon as one is unknown: a partial sum would be a wrong one."""
    known = list(numbers)
    total = sum(number or 0 for number in known)
    return None if None in known or total not in INTEGER else total


@dataclass(frozen=True)
class _Fields:
    """Metafields by our own names. What doesn't read as its type is unknown, as if it were absent."""

    metafields: Metafields
    names: Mapping[str, str]

    def text(self, name: str) -> str | None:
        said = self.metafields.get(self.names.get(name, ""))
        return (said.strip()[:MAX_TEXT].strip() or None) if said else None

    def whole_number(self, name: str) -> int | None:
        text = self.text(name)
        if text is None or not text.removeprefix("-").isdecimal():
            return None
        number = int(text) if len(text) <= len(str(INTEGER.stop)) + 1 else -1
        return number if 0 <= number < INTEGER.stop else None

    def instant(self, name: str) -> datetime | None:
        """Shopify's `date_time` metafields are ISO 8601; without an offset they are UTC."""
        if (said := self.text(name)) is None:
            return None
        try:
            at = datetime.fromisoformat(said)
            return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            return None
