"""What read fields are made of: attributes, connections, counts, searches. The rest answers NOT_SIMULATED."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

from sandbox.shopify.context import Info, request_of
from sandbox.shopify.gids import gid
from sandbox.shopify.paging import Order, Page, page
from sandbox.shopify.refusals import not_simulated
from sandbox.shopify.search import parse_search

Resolver = Callable[..., Any]

COUNT_LIMIT = 10_000

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read(name: str) -> Resolver:
    getter = attrgetter(name)
    return lambda source, _info, **_: getter(source)


def globally(kind: str) -> dict[str, Resolver]:
    """Id and legacyResourceId."""
    return {
        "id": lambda source, _info: gid(kind, source.id),
        "legacyResourceId": lambda source, _info: str(source.id),
    }


def times() -> dict[str, Resolver]:
    return {"createdAt": read("created_at"), "updatedAt": read("updated_at")}


def count_of(number: int, limit: int | None = None) -> dict[str, Any]:
    if limit is not None and number > limit:
        return {"count": limit, "precision": "AT_LEAST"}
    return {"count": number, "precision": "EXACT"}


def iso(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


BY_ID: Order[Any] = Order(lambda item: item.id, lambda item: item.id)

BY_POSITION: Order[Any] = Order(lambda item: item.position, lambda item: item.id)

BY_CREATED: Order[Any] = Order(lambda item: iso(item.created_at), lambda item: item.id)


def connection(items: Callable[[Any, Info, dict[str, Any]], Iterable[Any]], order: Order[Any]) -> Resolver:
    """A connection in one fixed order."""

    def resolve(source: Any, info: Info, **args: Any) -> Page[Any]:
        window = {key: args.pop(key, None) for key in ("first", "last", "after", "before")}
        reverse = args.pop("reverse", False)
        return page(list(items(source, info, args)), order, **window, reverse=reverse)

    return resolve


def searched(info: Info, items: Iterable[Any], query: str | None, fields: Any, default: Any) -> list[Any]:
    """What the query leaves; its warnings go to `extensions.search`."""
    if not query:
        return list(items)
    request = request_of(info)
    found = parse_search(query, fields, default, request.shop.now())
    if found.warnings:
        warnings = [warning.as_json() for warning in found.warnings]
        request.search.append({"path": info.path.as_list(), "query": query, "warnings": warnings})
    return [item for item in items if found.matches(item)]


def later(what: str) -> Resolver:
    def resolve(_source: Any, _info: Info, **_: Any) -> Any:
        raise not_simulated(what)

    return resolve
