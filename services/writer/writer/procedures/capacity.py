"""How much stock has to move where, so that a ticket gets its new capacity and no sale is lost. Pure.

capacity = sold + available, and available is counted by Shopify, by location. So a new capacity is a *difference* in
stock, never a quantity to be set: sales made between our look and our change stay in the count (docs/shopify.md 3).

The capacity until now is the metafield; without one, what the projection knows; without that, what is available now. It
is never less than what is available: then nothing was sold.

Raising needs no comparison. Lowering compares (changeFromQuantity) at every location that it takes from, so that it
can't go below what is sold meanwhile: it takes from our location first, then from where most is left, never below 0.
What it doesn't touch stays above 0 and may go on selling. An oversold ticket (available below 0) may be raised by less
than it is oversold: that is better than before; it may not be lowered.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Level:
    """What one location (a global id) has left to sell; below 0 when it is oversold."""

    location: str
    available: int


@dataclass(frozen=True, slots=True)
class Stock:
    """`item` is a global id; `capacity` the metafield's, None without one."""

    item: str
    levels: tuple[Level, ...]
    capacity: int | None

    @property
    def available(self) -> int:
        return sum(level.available for level in self.levels)


@dataclass(frozen=True, slots=True)
class BelowSold:
    """Refused: so many are sold already."""

    sold: int


@dataclass(frozen=True, slots=True)
class Change:
    """Of one location; `compared` is what it must have had, None: whatever it has."""

    location: str
    delta: int
    compared: int | None


@dataclass(frozen=True, slots=True)
class Moves:
    """What to adjust; nothing at all where the capacity is only to be written down."""

    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class Stocked:
    """No location has it yet: stock it there with so many."""

    location: str
    available: int


def plan(stock: Stock, wanted: int, known: int | None, home: str) -> BelowSold | Moves | Stocked:
    """`wanted` is the new capacity, `known` the projection's old one, `home` the location for new stock."""
    until_now = next((found for found in (stock.capacity, known) if found is not None), stock.available)
    until_now = max(until_now, stock.available, 0)
    delta, sold = wanted - until_now, until_now - stock.available
    if delta < 0 and wanted < sold:
        return BelowSold(sold)
    if not stock.levels:
        return Stocked(home, delta)
    ordered = sorted(stock.levels, key=lambda level: (level.location != home, -level.available, level.location))
    if delta > 0:
        return Moves((Change(ordered[0].location, delta, None),))
    return Moves(tuple(_taken(ordered, -delta)))


def _taken(levels: Iterable[Level], wanted: int) -> Iterable[Change]:
    for level in levels:
        taken = min(wanted, level.available)
        if taken > 0:
            wanted -= taken
            yield Change(level.location, -taken, level.available)


def stock_of(variant: Mapping[str, Any]) -> Stock:
    """From a variant as `ticket_stock` reads it. A capacity that is no whole number is none."""
    item = variant["inventoryItem"]
    nodes = (node for node in item["inventoryLevels"]["nodes"] if node["isActive"])
    levels = tuple(Level(node["location"]["id"], _available(node["quantities"])) for node in nodes)
    return Stock(item["id"], levels, _whole((variant["metafield"] or {}).get("value")))


def _available(quantities: Iterable[Mapping[str, Any]]) -> int:
    return sum(int(one["quantity"]) for one in quantities if one["name"] == "available")


def _whole(text: str | None) -> int | None:
    try:
        return None if text is None else int(text)
    except ValueError:
        return None
