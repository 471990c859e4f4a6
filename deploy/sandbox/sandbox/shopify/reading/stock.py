"""Inventory items, their levels, and the locations they are stocked at."""

from typing import Any

from sandbox.shopify import shapes
from sandbox.shopify.context import Info, number_of, request_of
from sandbox.shopify.gids import gid
from sandbox.shopify.reading.fields import (
    BY_ID,
    BY_POSITION,
    Resolver,
    connection,
    count_of,
    globally,
    read,
    searched,
    times,
)
from sandbox.shopify.refusals import bad_request, not_simulated
from sandbox.shopify.search import Field

LEVEL_SEARCH: dict[str, Field[shapes.Level]] = {
    "id": Field("number", lambda level: level.id),
    "inventory_item_id": Field("number", lambda level: level.item.id),
    "created_at": Field("time", lambda level: level.created_at),
    "updated_at": Field("time", lambda level: level.updated_at),
}

QUANTITY_NAMES = frozenset({*shapes.ON_HAND_PARTS, "on_hand", "incoming"})


def _item_number(level: shapes.Level) -> str:
    return str(level.item.id)


def items_everywhere(_source: Any, info: Info, args: dict[str, Any]) -> list[shapes.InventoryItem]:
    fields: dict[str, Field[shapes.InventoryItem]] = {
        "id": Field("number", lambda i: i.id),
        "sku": Field("words", lambda i: [i.sku or ""]),
        "created_at": Field("time", lambda i: i.created_at),
        "updated_at": Field("time", lambda i: i.updated_at),
    }
    return searched(info, request_of(info).shop.items.values(), args.get("query"), fields, lambda i: i.sku or "")


def levels(item: shapes.InventoryItem, info: Info, args: dict[str, Any]) -> list[shapes.Level]:
    found = list(item.levels.values()) if args.get("includeInactive") else item.active_levels
    return searched(info, found, args["query"], LEVEL_SEARCH, _item_number) if args.get("query") else found


def location_levels(location: shapes.Location, info: Info, args: dict[str, Any]) -> list[shapes.Level]:
    everything, inactive = request_of(info).shop.levels.values(), bool(args.get("includeInactive"))
    found = [x for x in everything if x.location is location and (x.active or inactive)]
    return searched(info, found, args.get("query"), LEVEL_SEARCH, _item_number)


def level_at(item: shapes.InventoryItem, _info: Any, locationId: str, includeInactive: bool = False) -> Any:  # noqa: N803
    level = item.levels.get(number_of(locationId, "Location"))
    return level if level and (level.active or includeInactive) else None


def level_of_item(
    location: shapes.Location,
    info: Info,
    inventoryItemId: str,  # noqa: N803 - GraphQL's name
    includeInactive: bool = False,  # noqa: N803 - GraphQL's name
) -> Any:
    item = request_of(info).shop.items.get(number_of(inventoryItemId, "InventoryItem"))
    level = item.levels.get(location.id) if item else None
    return level if level and (level.active or includeInactive) else None


def quantities(level: shapes.Level, _info: Any, names: list[str]) -> list[dict[str, Any]]:
    for name in names:
        if name not in QUANTITY_NAMES:
            raise bad_request(f"The specified quantity name '{name}' is invalid.")
    return [
        {
            "id": gid("InventoryQuantity", level.id, f"inventory_item_id={level.item.id}&name={name}"),
            "name": name,
            "quantity": level.quantity(name),
            "updatedAt": level.updated_at,
        }
        for name in names
    ]


def location(_source: Any, info: Info, id: str | None = None) -> Any:  # noqa: A002 - GraphQL's name
    shop = request_of(info).shop
    return shop.default_location if id is None else shop.locations.get(number_of(id, "Location"))


def locations(_source: Any, info: Info, args: dict[str, Any]) -> list[shapes.Location]:
    if args.get("query"):
        raise not_simulated("query of locations")
    everything = request_of(info).shop.locations.values()
    return [found for found in everything if found.active or args.get("includeInactive")]


INVENTORY_ITEM: dict[str, Resolver] = {
    **globally("InventoryItem"),
    **times(),
    "inventoryLevel": level_at,
    "inventoryLevels": connection(levels, BY_ID),
    "locationsCount": lambda item, _: count_of(len(item.active_levels)),
    "requiresShipping": read("requires_shipping"),
    "sku": read("sku"),
    "tracked": read("tracked"),
    "variant": read("variant"),
    "variants": connection(lambda item, _, __: [item.variant], BY_POSITION),
}

INVENTORY_LEVEL: dict[str, Resolver] = {
    **times(),
    "id": lambda level, _: gid("InventoryLevel", level.id, f"inventory_item_id={level.item.id}"),
    "isActive": read("active"),
    "item": read("item"),
    "location": read("location"),
    "quantities": quantities,
}

INVENTORY_CHANGE: dict[str, Resolver] = {
    "delta": read("delta"),
    "item": read("item"),
    "ledgerDocumentUri": read("ledger_document_uri"),
    "location": read("location"),
    "name": read("name"),
    "quantityAfterChange": lambda _, __: None,  # always null, observed
}

LOCATION: dict[str, Resolver] = {
    **globally("Location"),
    **times(),
    "address": lambda found, _: {"city": found.city, "countryCode": found.country_code},
    "fulfillsOnlineOrders": lambda _, __: True,
    "inventoryLevel": level_of_item,
    "inventoryLevels": connection(location_levels, BY_ID),
    "isActive": read("active"),
    "name": read("name"),
}
