"""Bulk operations at Shopify: start, find, wait for, cancel, count."""

import asyncio
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog

from shared.shopify import ShopifyClient
from shared.shopify.errors import UserErrors
from shared.shopify.products import expecting
from syncer.export.errors import ExportExpired, ExportFailed, ExportRefused, ExportStalled, TooManyExports
from syncer.export.query import PREFIX
from syncer.export.ranges import Range
from syncer.graphql_nodes import Node

log = structlog.get_logger()

BUSY = frozenset({"OPERATION_IN_PROGRESS", "LIMIT_REACHED"})
UNDER_WAY = frozenset({"CREATED", "RUNNING", "CANCELING"})
HOPELESS = frozenset({"ACCESS_DENIED"})  # of the error codes: another try would end the same way


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds."""

    first_poll: float = 0.2
    longest_poll: float = 10.0  # a webhook says when an operation ends, but not for certain
    stalled_after: float = 3600.0  # without anything new in an operation
    start_within: float = 1800.0  # while other operations of this app leave no room
    ask_again: float = 5.0  # whether there is room; or a count that seems too low: Shopify's index lags
    mend_after: float = 2.0  # before an operation is started once more
    silence: float = 30.0  # of the server of results


@dataclass(frozen=True, slots=True)
class Operation:
    """Counts are Shopify's. `url` is None while it runs, and when nothing was found."""

    gid: str
    status: str
    error: str | None
    created_at: datetime
    objects: int
    roots: int
    size: int | None  # bytes
    url: str | None


@dataclass(frozen=True, slots=True)
class Ends:
    """The lowest and the highest id of a product, and how many there are; all 0 when there is none."""

    low: int
    high: int
    total: int


class Operations:
    """Of one shop, through one share of its points."""

    def __init__(self, client: ShopifyClient, pace: Pace, woken: "Wake") -> None:
        self._client = client
        self._pace = pace
        self._woken = woken

    async def start(self, query: str) -> str:
        """The gid of a new operation.

        Raises:
            TooManyExports: others run; nothing was started.
            ExportRefused: Shopify does not accept the query.
            the errors of `shared.shopify.errors`: it may have been started (`find`).
        """
        try:
            answer = await self._client.execute("bulk_operation_run", {"query": query})
        except UserErrors as error:
            if any(each.code in BUSY for each in error.errors):
                raise TooManyExports(str(error)) from error
            raise ExportRefused(str(error)) from error
        with expecting("bulk_operation_run"):
            return str(answer.data["bulkOperationRunQuery"]["bulkOperation"]["id"])

    async def find(self, name: str) -> str | None:
        """The gid of the operation whose query has this name."""
        return next((node["id"] for node in await self._newest() if _is_called(node, name)), None)

    async def cancel(self, names: Collection[str]) -> int:
        """Cancel what still runs under one of these names."""
        lost = [
            node
            for node in await self._newest()
            if node["status"] in UNDER_WAY and any(_is_called(node, name) for name in names)
        ]
        for node in lost:
            try:
                await self._client.execute("bulk_operation_cancel", {"id": node["id"]})
            except UserErrors as error:  # it has ended meanwhile
                log.info("export.not_cancelled", operation=node["id"], reason=str(error))
            else:
                log.info("export.cancelled", operation=node["id"])
        return len(lost)

    async def look(self, operation: str) -> Operation:
        """How far it has come.

        Raises:
            ExportExpired: Shopify knows it no more.
        """
        answer = await self._client.execute("bulk_operation", {"id": operation})
        with expecting("bulk_operation"):
            node = answer.data["bulkOperation"]
            if node is None:
                raise ExportExpired(f"Shopify knows no operation {operation}")
            return _operation(node)

    async def finished(self, operation: str, seen: "Counter") -> Operation:
        """Wait until it is completed. `seen` hears how many products it has found so far.

        Raises:
            ExportFailed, ExportExpired, ExportRefused, ExportStalled
        """
        pause, moved_at, last = self._pace.first_poll, time.monotonic(), None
        while True:
            waiting = self._woken.waiting()
            found = await self.look(operation)
            seen(found.roots)
            if found.status not in UNDER_WAY:
                return _completed(found)
            if last != (found.status, found.objects):
                last, moved_at = (found.status, found.objects), time.monotonic()
            if time.monotonic() - moved_at > self._pace.stalled_after:
                await self._client.execute("bulk_operation_cancel", {"id": operation})
                raise ExportStalled(f"{operation} is {found.status} with {found.objects} objects, and gets no further")
            await waiting(pause)
            pause = min(pause * 1.5, self._pace.longest_poll)

    async def ends(self) -> Ends:
        answer = await self._client.execute("bulk_ends")
        with expecting("bulk_ends"):
            first, last = (answer.data[name]["nodes"] for name in ("first", "last"))
            total = int(answer.data["productsCount"]["count"])
            if not first or not last:
                return Ends(0, 0, 0)
            return Ends(int(first[0]["legacyResourceId"]), int(last[0]["legacyResourceId"]), total)

    async def count(self, products: Range, more: str = "") -> int | None:
        """How many products of this range there are, by Shopify's count; None when it only knows a lower bound.

        `more`: a further term of the search.
        """
        terms = " AND ".join(term for term in (products.terms(), more) if term)
        answer = await self._client.execute("bulk_count", {"query": terms or None})
        with expecting("bulk_count"):
            count = answer.data["productsCount"]
            return int(count["count"]) if count and count["precision"] == "EXACT" else None

    async def _newest(self) -> list[Node]:
        answer = await self._client.execute("bulk_operations")
        with expecting("bulk_operations"):
            nodes: list[Node] = answer.data["bulkOperations"]["nodes"]
            return nodes


class Counter(Protocol):
    def __call__(self, found: int, /) -> None: ...


class Wake:
    """Ends the pauses of all who wait: something may have happened."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def __call__(self) -> None:
        self._event.set()
        self._event = asyncio.Event()

    def waiting(self) -> "Waiting":
        """Take it before you look: a call between the look and the pause is not missed."""
        return Waiting(self._event)


class Waiting:
    def __init__(self, event: asyncio.Event) -> None:
        self._event = event

    async def __call__(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._event.wait(), seconds)
        except TimeoutError:
            return


def _is_called(node: Node, name: str) -> bool:
    return f"{PREFIX}{name}" in node["query"]


def _operation(node: Node) -> Operation:
    size = node["fileSize"]
    return Operation(
        gid=node["id"],
        status=node["status"],
        error=node["errorCode"],
        created_at=datetime.fromisoformat(node["createdAt"]),
        objects=int(node["objectCount"]),
        roots=int(node["rootObjectCount"]),
        size=None if size is None else int(size),
        url=node["url"],
    )


def _completed(operation: Operation) -> Operation:
    match operation.status:
        case "COMPLETED":
            return operation
        case "EXPIRED":
            raise ExportExpired(f"{operation.gid} expired")
        case "FAILED" if operation.error in HOPELESS:
            raise ExportRefused(f"{operation.gid} failed: {operation.error}")
        case "FAILED" | "CANCELED":  # what it had found by then may be there; it says nothing about the rest
            words = f"{operation.gid} is {operation.status}: {operation.error}, after {operation.objects} objects"
            raise ExportFailed(words)
    raise ExportRefused(f"{operation.gid} has the unknown state {operation.status}")
