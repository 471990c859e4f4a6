"""What is past or under way: destroyed products as events, asynchronous product operations."""

import re
from typing import Any

from sandbox.shopify import shapes
from sandbox.shopify.context import Info, Operation, request_of
from sandbox.shopify.gids import gid, parse_gid
from sandbox.shopify.paging import Order, Page, page
from sandbox.shopify.reading.fields import Resolver, iso, read, searched
from sandbox.shopify.refusals import invalid_id, not_simulated
from sandbox.shopify.search import Field

EVENT_SEARCH: dict[str, Field[shapes.Destroyed]] = {
    "id": Field("number", lambda e: e.id),
    "action": Field("words", lambda _: ["destroy"]),
    "subject_type": Field("words", lambda _: ["PRODUCT"]),
    "created_at": Field("time", lambda e: e.at),
}

BY_EVENT_ID: Order[shapes.Destroyed] = Order(lambda e: e.id, lambda e: e.id)

BY_EVENT_TIME: Order[shapes.Destroyed] = Order(lambda e: iso(e.at), lambda e: e.id)


def events(_source: Any, info: Info, **args: Any) -> Page[shapes.Destroyed]:
    """Only destroys of products are simulated; a query that asks for them, and nothing wider, is answered."""
    query = args.pop("query", None) or ""
    order = BY_EVENT_TIME if args.pop("sortKey") == "CREATED_AT" else BY_EVENT_ID
    if not re.search(r"\baction:['\"]?destroy\b", query):
        raise not_simulated("events other than action:destroy")
    found = searched(info, request_of(info).shop.destroyed, query, EVENT_SEARCH, lambda e: e.title)
    return page(found, order, **args)


def product_operation(_source: Any, info: Info, id: str) -> Operation | None:  # noqa: A002
    found = parse_gid(id)
    if found is None:
        raise invalid_id(id)
    return request_of(info).backstage.operations.get(found.number)


BASIC_EVENT: dict[str, Resolver] = {
    "id": lambda event, _: gid("BasicEvent", event.id),
    "action": lambda _, __: "destroy",
    "createdAt": read("at"),
    "message": lambda event, _: f"deleted product: {event.title}.",
    "subjectId": lambda event, _: gid("Product", event.product_id),
    "subjectType": lambda _, __: "PRODUCT",
}

OPERATION: dict[str, Resolver] = {
    "id": lambda operation, _: gid(operation.kind, operation.id),
    "product": lambda operation, info: request_of(info).shop.products.get(operation.product_id),
    "status": lambda _, __: "COMPLETE",
    "userErrors": lambda _, __: [],
    "deletedProductId": lambda operation, _: (
        operation.deleted_product_id and gid("Product", operation.deleted_product_id)
    ),
}
