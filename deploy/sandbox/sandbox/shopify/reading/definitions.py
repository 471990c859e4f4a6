"""Definitions of metafields: what the merchant's pages show, and what validates values."""

from typing import Any

from sandbox.shopify.context import Info, request_of
from sandbox.shopify.paging import Order
from sandbox.shopify.reading.fields import BY_ID, Connection, Resolver, globally, read
from sandbox.shopify.refusals import not_simulated
from sandbox.shopify.shapes import Definition

ORDERS: dict[str, Order[Definition]] = {"ID": BY_ID, "NAME": Order(lambda d: d.name.lower(), lambda d: d.id)}


def found_definitions(_source: Any, info: Info, args: dict[str, Any]) -> list[Definition]:
    for name in ("query", "constraintStatus"):
        if args.get(name):
            raise not_simulated(f"{name} of metafieldDefinitions")
    if args["sortKey"] not in ORDERS:
        raise not_simulated(f"sortKey {args['sortKey']} of metafieldDefinitions")
    found = [d for d in request_of(info).shop.definitions.values() if d.owner_type == args["ownerType"]]
    for name in ("namespace", "key"):
        if args.get(name) is not None:
            found = [d for d in found if getattr(d, name) == args[name]]
    return [] if args.get("pinnedStatus") == "PINNED" else found


DEFINITIONS = Connection(found_definitions, lambda _info, args: ORDERS[args["sortKey"]])

DEFINITION: dict[str, Resolver] = {
    "id": globally("MetafieldDefinition")["id"],
    "description": read("description"),
    "key": read("key"),
    "name": read("name"),
    "namespace": read("namespace"),
    "ownerType": read("owner_type"),
    "pinnedPosition": lambda _, __: None,  # none is ever pinned here
    "type": lambda definition, _: {"name": definition.type, "category": category(definition.type)},
}


def category(type_: str) -> str:
    """As Shopify groups types."""
    groups = {"date": "DATE_TIME", "number": "NUMBER", "boolean": "TRUE_FALSE", "single": "TEXT", "multi": "TEXT"}
    return groups.get(type_.removeprefix("list.").partition("_")[0], "OTHER")
