"""The GraphQL documents that are sent to Shopify, by name: `documents/<name>.graphql` with the fragments it spreads.

A file says what it asks Shopify for ("# Requested cost: 191", by the formula of docs/shopify.md 2.4; tests recompute
it).
"""

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

from shared.errors import Permanent

_OPERATION = re.compile(r"^(query|mutation) (\w+)", re.MULTILINE)
_COST = re.compile(r"^# Requested cost: (\d+)$", re.MULTILINE)
_SPREAD = re.compile(r"\.\.\.([A-Z]\w*)")
_NAME = re.compile(r"[a-z_]+")


class UnknownDocument(Permanent):
    """There is no GraphQL document of this name."""


@dataclass(frozen=True, slots=True)
class Document:
    """`cost` is the requested cost in points, as computed when the document was written."""

    name: str
    kind: Literal["query", "mutation"]
    operation: str
    cost: int
    text: str


@cache
def load(name: str) -> Document:
    """The document `name`, whole. Raises `UnknownDocument`."""
    file = resources.files(__package__) / "documents" / f"{name}.graphql"
    if not _NAME.fullmatch(name) or not file.is_file():
        raise UnknownDocument(f"there is no GraphQL document {name!r}")
    text = file.read_text("utf-8")
    operation, cost = _OPERATION.search(text), _COST.search(text)
    if operation is None or cost is None:
        raise UnknownDocument(f"{name}.graphql holds no named operation with its requested cost")
    kind: Literal["query", "mutation"] = "mutation" if operation[1] == "mutation" else "query"
    return Document(name, kind, operation[2], int(cost[1]), "\n".join([text, *_fragments(text)]))


@cache
def names() -> tuple[str, ...]:
    """Every document there is."""
    files = (resources.files(__package__) / "documents").iterdir()
    return tuple(sorted(file.name.removesuffix(".graphql") for file in files if file.name.endswith(".graphql")))


def _fragments(text: str) -> list[str]:
    """The texts of all fragments that `text` spreads, directly or through another."""
    found: dict[str, str] = {}
    waiting = _SPREAD.findall(text)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found[name] = (resources.files(__package__) / "documents" / "fragments" / f"{name}.graphql").read_text("utf-8")
        waiting += _SPREAD.findall(found[name])
    return list(found.values())
