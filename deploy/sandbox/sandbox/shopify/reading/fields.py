"""What read fields are made of: attributes, connections, counts, searches. The rest answers NOT_SIMULATED."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
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

WINDOW = ("first", "last", "after", "before")

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
    return at.astimezone(UTC).isoformat()[:19] + "Z"


BY_ID: Order[Any] = Order(lambda item: item.id, lambda item: item.id)

BY_POSITION: Order[Any] = Order(lambda item: item.position, lambda item: item.id)

BY_CREATED: Order[Any] = Order(lambda item: iso(item.created_at), lambda item: item.id)


class Connection:
    """A connection field: all its items, and their order. A query pages through it, a bulk operation takes it whole."""

    __slots__ = ("items", "order")

    def __init__(
        self,
        items: Callable[[Any, Info, dict[str, Any]], Iterable[Any]],
        order: Callable[[Info, dict[str, Any]], Order[Any]],
    ) -> None:
        self.items, self.order = items, order

    def __call__(self, source: Any, info: Info, **args: Any) -> Page[Any]:
        window = {key: args.pop(key, None) for key in WINDOW}
        reverse = args.pop("reverse", False)
        return page(list(self.items(source, info, args)), self.order(info, args), **window, reverse=reverse)

    def whole(self, source: Any, info: Info, args: dict[str, Any]) -> list[Any]:
        """Everything, sorted; first, after, last and before count for nothing (docs/shopify.md 4)."""
        found = list(self.items(source, info, args))
        if len(found) > 1:
            found.sort(key=self.order(info, args).key, reverse=args.get("reverse", False))
        return found


def connection(items: Callable[[Any, Info, dict[str, Any]], Iterable[Any]], order: Order[Any]) -> Connection:
    """A connection in one fixed order."""
    return Connection(items, lambda _info, _args: order)


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


@dataclass(frozen=True, slots=True)
class Absent:
    """A field that Shopify has and the simulation has not."""

    what: str

    def __call__(self, _source: Any, _info: Info, **_: Any) -> Any:
        raise not_simulated(self.what)
