"""A subscription's filter: search syntax over the body to be sent, case-sensitive (docs/shopify.md 1.5). Pure."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from sandbox.shopify.search import TOKEN, Field, parse_search

Json = dict[str, Any]
NEVER = datetime.min.replace(tzinfo=UTC)


class _AnyField(Mapping[str, Field[Json]]):
    """Every name is a field; one that the body does not have matches nothing."""

    def __getitem__(self, name: str) -> Field[Json]:
        path = name.split(".")
        return Field("exact", lambda body: list(leaves(body, path)))

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def passes(filter_: str | None, body: Json) -> bool:
    """Whether a delivery is made at all."""
    return not filter_ or parse_search(filter_, _AnyField(), lambda _: "", NEVER).matches(body)


def fields_of(filter_: str) -> list[str | None]:
    """The fields that its terms name; None for a term without one."""
    return [token["name"] for token in TOKEN.finditer(filter_) if token["term"]]


def leaves(value: Any, path: list[str]) -> Iterator[str]:
    """The values at a dotted name, as text; of every element where there is a list."""
    if isinstance(value, list):
        for element in value:
            yield from leaves(element, path)
    elif isinstance(value, dict):
        if path and path[0] in value:
            yield from leaves(value[path[0]], path[1:])
    elif not path and value is not None:
        yield str(value).lower() if isinstance(value, bool) else str(value)
