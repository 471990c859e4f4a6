"""Anything by its global id."""

from collections.abc import Callable
from typing import Any

from sandbox.shopify.context import Info, Request, number_of, request_of
from sandbox.shopify.gids import parse_gid
from sandbox.shopify.reading.fields import Resolver
from sandbox.shopify.refusals import invalid_id, not_simulated


def look_up(kind: str, shelf: Callable[[Request], dict[int, Any]]) -> Resolver:
    def resolve(_source: Any, info: Info, id: str) -> Any:  # noqa: A002 - GraphQL's name
        return shelf(request_of(info)).get(number_of(id, kind))

    return resolve


SHELVES: dict[str, Callable[[Request], dict[int, Any]]] = {
    "Product": lambda request: request.shop.products,
    "ProductVariant": lambda request: request.shop.variants,
    "InventoryItem": lambda request: request.shop.items,
    "InventoryLevel": lambda request: request.shop.levels,
    "Location": lambda request: request.shop.locations,
    "Publication": lambda request: request.shop.publications,
    "MetafieldDefinition": lambda request: request.shop.definitions,
    "BulkOperation": lambda request: request.backstage.bulk.all,
    "WebhookSubscription": lambda request: request.backstage.subscriptions.all,
}


def node(_source: Any, info: Info, id: str) -> Any:  # noqa: A002 - GraphQL's name
    found = parse_gid(id)
    if found is None:
        raise invalid_id(id)
    if found.kind not in SHELVES:
        raise not_simulated(f"node of {found.kind}")
    return SHELVES[found.kind](request_of(info)).get(found.number)


def nodes(_source: Any, info: Info, ids: list[str]) -> list[Any]:
    return [node(None, info, id=one) for one in ids]
