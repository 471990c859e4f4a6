"""Quantities by item and location: set, adjust, sell, activate, deactivate; in an `Action`. Callers check.

on_hand is the sum of its parts (docs/shopify.md 3): to set it moves `available`; selling moves available to committed.
"""

from dataclasses import dataclass

from sandbox.shopify.shapes import InventoryItem, Level, Location
from sandbox.shopify.shop import Action, Shop


@dataclass(frozen=True, slots=True)
class QuantityChange:
    """One row of an inventory adjustment group."""

    name: str
    delta: int
    item: InventoryItem
    location: Location
    ledger_document_uri: str | None = None


def activate(action: Action, item: InventoryItem, location: Location, available: int = 0) -> Level:
    """Stock the item at the location, or wake the level that was there."""
    level = item.levels.get(location.id)
    if level and level.active:
        return level
    action.shop.before_stock_changes(item.variant.product)
    if level:
        level.active, level.updated_at = True, action.now
        level.quantities["available"] = available
    else:
        number = action.shop.numbers.next("InventoryLevel")
        level = Level(number, item, location, {"available": available}, action.now, action.now)
        item.levels[location.id] = level
        action.shop.levels[level.id] = level
    action.tell("INVENTORY_LEVELS_CONNECT", level.id, level)
    action.did(f"inventory item {item.id} stocked at {location.id} with {available}")
    _bump(action, item)
    return level


def deactivate(action: Action, level: Level) -> None:
    action.shop.before_stock_changes(level.item.variant.product)
    level.active, level.updated_at = False, action.now
    level.quantities = {}
    action.tell("INVENTORY_LEVELS_DISCONNECT", level.id, level)
    action.did(f"inventory item {level.item.id} no longer stocked at {level.location.id}")
    _bump(action, level.item)


def levels_at(shop: Shop, location: Location) -> list[Level]:
    """The active ones."""
    return [level for level in shop.levels.values() if level.location is location and level.active]


def open_location(action: Action, location: Location) -> None:
    """Active again; nothing is stocked there until someone does."""
    if not location.active:
        location.active, location.updated_at = True, action.now
        action.did(f"location {location.id} activated")


def close_location(action: Action, location: Location, target: Location | None = None) -> None:
    """Inactive: nothing is stocked there any more; what there was moves to `target`, or is gone."""
    for level in levels_at(action.shop, location):
        available = level.quantity("available")
        deactivate(action, level)
        if target is not None:
            adjust(action, activate(action, level.item, target), "available", available)
    location.active, location.updated_at = False, action.now
    action.did(f"location {location.id} deactivated")


def set_quantity(action: Action, level: Level, name: str, quantity: int) -> list[QuantityChange]:
    """`name` is available or on_hand; both move together, hence two rows."""
    return adjust(action, level, "available", quantity - level.quantity(name))


def adjust(
    action: Action, level: Level, name: str, delta: int, ledger_document_uri: str | None = None
) -> list[QuantityChange]:
    """Add `delta`; the rows that Shopify would list. A delta of 0 changes nothing and lists nothing."""
    if delta == 0:
        return []
    action.shop.before_stock_changes(level.item.variant.product)
    if name == "available":
        level.item.variant.old_quantity = level.item.variant.quantity
    level.quantities[name] = level.quantities.get(name, 0) + delta
    level.updated_at = action.now
    if name == "available":
        action.tell("INVENTORY_LEVELS_UPDATE", level.id, level)
    action.did(f"{name} of inventory item {level.item.id} at {level.location.id}: {delta:+d}")
    _bump(action, level.item)
    row = QuantityChange(name, delta, level.item, level.location, ledger_document_uri)
    if name == "incoming":
        return [row]
    return [row, QuantityChange("on_hand", delta, level.item, level.location, ledger_document_uri)]


def sell(action: Action, level: Level, quantity: int) -> None:
    """Move stock from available to committed; an untracked item sells without."""
    if not level.item.tracked:
        return
    action.shop.before_stock_changes(level.item.variant.product)
    level.item.variant.old_quantity = level.item.variant.quantity
    level.quantities["available"] = level.quantity("available") - quantity
    level.quantities["committed"] = level.quantity("committed") + quantity
    level.updated_at = action.now
    action.tell("INVENTORY_LEVELS_UPDATE", level.id, level)
    action.did(f"sold {quantity} of inventory item {level.item.id} at {level.location.id}")
    _bump(action, level.item)


def _bump(action: Action, item: InventoryItem) -> None:
    if not action.shop.rules.inventory_bumps_product:
        return
    item.variant.updated_at = action.now
    action.touch(item.variant.product)
