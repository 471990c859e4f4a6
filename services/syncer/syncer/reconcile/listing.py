"""List what Shopify says has changed in a window: ids and times, a few points for 250 of them.

Shopify pages no deeper than 25,000 (docs/shopify.md 2.5), so a window with more than `DEPTH` results is listed by
halves. What is edited while it is listed leaves the window, for the next one.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from shared.errors import Permanent
from shared.shopify import ShopifyClient
from shared.shopify.products import expecting, gid, their_clock
from syncer.graphql_nodes import Node
from syncer.reconcile.windows import Window
from syncer.rules import Rules

PAGE = 250
DEPTH = 20_000  # results of one search
MAX_PAGES = 50  # of locations


class SearchMisread(Permanent):
    """Shopify's search read the question otherwise than it was meant; what it listed is something else."""


class TooMuchAtOnce(Permanent):
    """More changed in one second than Shopify's search can list."""


@dataclass(frozen=True)
class Changed:
    """A product, as the list has it."""

    product_id: int
    at: datetime
    may_be_event: bool


@dataclass(frozen=True)
class Stocked:
    """What one location has of one item."""

    item_id: int
    location_id: int
    at: datetime
    available: int | None
    committed: int | None
    on_hand: int | None


@dataclass(frozen=True)
class Destroyed:
    product_id: int
    at: datetime


T = TypeVar("T", Changed, Stocked, Destroyed)
Page = Node  # a connection: nodes and pageInfo

EMPTY: Page = {"nodes": [], "pageInfo": {"hasNextPage": False, "endCursor": None}}


class Listing:
    """All raise the errors of `shared.shopify.errors`, OddAnswer, SearchMisread and TooMuchAtOnce."""

    def __init__(self, client: ShopifyClient, rules: Rules) -> None:
        self._client = client
        self._rules = rules

    def products(self, window: Window) -> AsyncIterator[list[Changed]]:
        async def page(part: Window, cursor: str | None) -> Page:
            variables = {"query": part.query("updated_at"), "after": cursor}
            answer: Page = (await self._ask("products_changed", variables))["products"]
            return answer

        return _listed("products_changed", window, page, self._changed)

    def destroyed(self, window: Window) -> AsyncIterator[list[Destroyed]]:
        async def page(part: Window, cursor: str | None) -> Page:
            query = f"subject_type:PRODUCT AND action:destroy AND {part.query('created_at')}"
            answer: Page = (await self._ask("products_destroyed", {"query": query, "after": cursor}))["events"]
            return answer

        return _listed("products_destroyed", window, page, _destroyed)

    def levels(self, location_id: int, window: Window) -> AsyncIterator[list[Stocked]]:
        """Nothing of a location that is gone by now."""

        async def page(part: Window, cursor: str | None) -> Page:
            variables = {"location": gid("Location", location_id), "query": part.query("updated_at"), "after": cursor}
            location = (await self._ask("levels_changed", variables))["location"]
            return location["inventoryLevels"] if location else EMPTY

        return _listed("levels_changed", window, page, lambda node: _stocked(node, location_id))

    async def now(self) -> datetime:
        """By Shopify's clock."""
        return their_clock(await self._client.execute("shop"))

    async def ahead(self) -> timedelta:
        """How far Shopify's clock is ahead of ours."""
        answer = await self._client.execute("shop")
        return their_clock(answer) - answer.read_began_at

    async def locations(self) -> list[int]:
        found: list[int] = []
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            with expecting("locations"):
                page = (await self._ask("locations", {"after": cursor}))["locations"]
                found += [int(node["legacyResourceId"]) for node in page["nodes"]]
                if not page["pageInfo"]["hasNextPage"]:
                    return found
                cursor = page["pageInfo"]["endCursor"]
        raise TooMuchAtOnce("the shop has more locations than any plan allows")

    async def _ask(self, document: str, variables: dict[str, Any]) -> Node:
        answer = await self._client.execute(document, variables)
        if answer.warnings:
            raise SearchMisread(f"{document} with {variables.get('query')}: {'; '.join(answer.warnings)}")
        return answer.data

    def _changed(self, node: Node) -> Changed:
        may_be_event = self._rules.names_event(node["productType"], node["tags"])
        return Changed(int(node["legacyResourceId"]), _time(node["updatedAt"]), may_be_event)


async def _listed(
    document: str,
    window: Window,
    page: Callable[[Window, str | None], Awaitable[Page]],
    read: Callable[[Node], T],
) -> AsyncIterator[list[T]]:
    """Page by page; some twice where the window has to be halved."""
    if window.empty:
        return
    cursor: str | None = None
    for _ in range(DEPTH // PAGE):
        with expecting(document):
            answer = await page(window, cursor)
            found = [read(node) for node in answer["nodes"]]
            more, cursor = answer["pageInfo"]["hasNextPage"], answer["pageInfo"]["endCursor"]
        yield found
        if not more:
            return
    for half in window.halves():
        if half == window:
            raise TooMuchAtOnce(f"{document}: more than {DEPTH} at {window.since}")
        async for found in _listed(document, half, page, read):
            yield found


def _stocked(node: Node, location_id: int) -> Stocked:
    """Where it is stocked no more, nothing is available, as in our tables."""
    quantities = {each["name"]: each["quantity"] for each in node["quantities"]} if node["isActive"] else {}
    return Stocked(
        int(node["item"]["legacyResourceId"]),
        location_id,
        _time(node["updatedAt"]),
        quantities.get("available"),
        quantities.get("committed"),
        quantities.get("on_hand"),
    )


def _destroyed(node: Node) -> Destroyed:
    return Destroyed(int(node["subjectId"].rpartition("/")[2]), _time(node["createdAt"]))


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
