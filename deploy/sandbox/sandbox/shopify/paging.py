"""Cursor connections: keyset pages over sorted lists, with Shopify's opaque cursors. Pure.

A cursor is base64 of `{"last_id", "last_value"}`: an item whose sort value changes while someone pages moves with it,
so it may be seen twice and is never lost (docs/shopify.md 2.6).
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import orjson

from sandbox.shopify.refusals import bad_request, runtime_error

Item = TypeVar("Item")

MAX_PAGE = 250
MAX_DEPTH = 25_000  # objects that one may page through (docs/shopify.md 2.5); the words of the refusal are our own


@dataclass(frozen=True, slots=True)
class Order(Generic[Item]):
    """How a list is sorted: `value` (text, number or None), then `id`."""

    value: Callable[[Item], Any]
    id: Callable[[Item], int]

    def key(self, item: Item) -> tuple[Any, int]:
        return self.value(item), self.id(item)


@dataclass(frozen=True, slots=True)
class Edge(Generic[Item]):
    cursor: str
    node: Item


@dataclass(frozen=True, slots=True)
class PageInfo:
    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """What a connection field resolves to."""

    nodes: list[Item]
    edges: list[Edge[Item]]
    page_info: PageInfo


def encode_cursor(key: tuple[Any, int]) -> str:
    return base64.b64encode(orjson.dumps({"last_id": key[1], "last_value": key[0]})).decode()


def decode_cursor(cursor: str) -> tuple[Any, int]:
    """The sort key behind a cursor.

    Raises:
        GraphQLError: it is not one of ours.

    """
    try:
        found = orjson.loads(base64.b64decode(cursor, validate=True))
        return found["last_value"], int(found["last_id"])
    except (binascii.Error, orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise runtime_error(f"Invalid cursor: '{cursor}'.", "INVALID_FIELD_ARGUMENTS") from error


def page(
    items: Sequence[Item],
    order: Order[Item],
    *,
    first: int | None = None,
    last: int | None = None,
    after: str | None = None,
    before: str | None = None,
    reverse: bool = False,
) -> Page[Item]:
    """The page of `items` (unsorted) that the arguments ask for.

    Raises:
        GraphQLError: both or none of first and last, more than 250, a broken cursor.

    """
    size = _size(first, last)
    keyed = sorted(((order.key(item), item) for item in items), key=lambda pair: pair[0], reverse=reverse)
    start, stop = 0, len(keyed)
    if after is not None:
        start = _index_after(keyed, _as_key(after), reverse=reverse)
    if before is not None:
        stop = _index_before(keyed, _as_key(before), reverse=reverse)
    window = keyed[start:stop]
    chosen = window[:size] if first is not None else window[max(0, len(window) - size) :]
    offset = start if first is not None else stop - len(chosen)
    if (offset if first is not None else len(keyed) - stop) + len(chosen) > MAX_DEPTH:
        raise runtime_error(f"Pagination beyond {MAX_DEPTH} objects is not supported.", "INVALID_FIELD_ARGUMENTS")
    edges = [Edge(encode_cursor(key), item) for key, item in chosen]
    return Page(
        nodes=[item for _, item in chosen],
        edges=edges,
        page_info=PageInfo(
            has_next_page=offset + len(chosen) < len(keyed),
            has_previous_page=offset > 0 and bool(chosen),
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=edges[-1].cursor if edges else None,
        ),
    )


def _size(first: int | None, last: int | None) -> int:
    if first is None and last is None:
        raise bad_request("you must provide one of first or last")
    if first is not None and last is not None:
        raise bad_request("providing both first and last is not supported")
    size = first if first is not None else last
    if size is None or not 0 <= size <= MAX_PAGE:
        name = "first" if first is not None else "last"
        raise runtime_error(f"{name} must be between 0 and {MAX_PAGE}", "INVALID_FIELD_ARGUMENTS")
    return size


def _as_key(cursor: str) -> tuple[Any, int]:
    return decode_cursor(cursor)


def _index_after(keyed: list[tuple[tuple[Any, int], Item]], key: tuple[Any, int], *, reverse: bool) -> int:
    """How many come up to and including the key."""
    return sum(1 for found, _ in keyed if (found >= key if reverse else found <= key))


def _index_before(keyed: list[tuple[tuple[Any, int], Item]], key: tuple[Any, int], *, reverse: bool) -> int:
    """How many come strictly before the key."""
    return sum(1 for found, _ in keyed if (found > key if reverse else found < key))
