"""Read from Shopify what changes could not say: ties, incomplete payloads, stock of unknown items.

The table `refetches` is the queue: one row for each resource, written in the transaction of the change that asks, so a
crash loses no question, and a hundred changes of one product are answered by one read. The answer goes out on CHANGES
and comes back like everything else.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg
import structlog

from shared.bus import Bus
from shared.contracts import Origin
from shared.errors import Permanent, UnderstudyError
from shared.postgres import queries, transaction
from syncer import metrics, sightings
from syncer.shop_reader import ShopReader
from syncer.versions import after

log = structlog.get_logger()
SQL = queries("syncer")

AT_ONCE = 8  # reads under way from one process; Shopify takes 2-3 s for each
READ_DEADLINE = 60.0  # seconds; until then no other replica reads the same resource
FIRST_DELAY = 1.0  # seconds after a failed read; doubles
MAX_DELAY = 300.0  # seconds


@dataclass(frozen=True)
class Refetch:
    """A row of `refetches`. Everything known when it was asked for had been seen by `seen_at`."""

    resource: str  # product | inventory_item
    id: int
    reason: str
    seen_at: datetime
    asked_at: datetime
    attempts: int


class Refetcher:
    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", reader: ShopReader, bus: Bus, shop: str) -> None:
        self._pool = pool
        self._reader = reader
        self._bus = bus
        self._shop = shop
        self._answered: dict[Refetch, Exception | None] = {}  # with the error, if any; until PostgreSQL knows

    async def step(self) -> bool:
        """Read what is due. True when there may be more."""
        for refetch in list(self._answered):  # PostgreSQL was away: else they would stay taken for `READ_DEADLINE`
            await self._settle(refetch)
        async with transaction(self._pool) as connection:
            due = [Refetch(**row) for row in await connection.fetch(SQL.take_due, AT_ONCE, READ_DEADLINE)]
            metrics.REFETCHES_PENDING.set(await connection.fetchval(SQL.count_refetches))
        await asyncio.gather(*(self._answer(refetch) for refetch in due))
        return len(due) == AT_ONCE

    async def _answer(self, refetch: Refetch) -> None:
        outcome, failure = "failed", None
        try:
            async with asyncio.timeout(READ_DEADLINE - 5):
                outcome = await self._read(refetch)
        except (UnderstudyError, TimeoutError) as error:
            failure = error
        except asyncio.CancelledError:
            await self._give_back(refetch)
            raise
        metrics.REFETCHES.labels(refetch.reason, outcome).inc()
        self._answered[refetch] = failure
        await self._settle(refetch)

    async def _settle(self, refetch: Refetch) -> None:
        failure = self._answered[refetch]
        if failure is None:
            await self._fulfil(refetch)
        else:
            await self._postpone(refetch, failure)
        self._answered.pop(refetch, None)

    async def _read(self, refetch: Refetch) -> str:
        if refetch.resource == "inventory_item":
            return await self._find_product(refetch)
        read = await self._reader.product(refetch.id)
        seen_at = after(refetch.seen_at, read.began_at)
        if read.node is None:
            gone = sightings.of_absence(refetch.id, Origin.REFETCH, self._shop, seen_at, read.began_at)
            await self._bus.publish(gone)
            return "gone"
        await self._bus.publish(sightings.of_product(read.node, Origin.REFETCH, self._shop, seen_at, read.began_at))
        return "read"

    async def _find_product(self, refetch: Refetch) -> str:
        """An item of an unknown product. By now its product may have come in, and then there is nothing to read."""
        async with transaction(self._pool) as connection:
            event_id = await connection.fetchval(SQL.find_event_of_item, refetch.id)
        if event_id is not None and refetch.reason == "stranger":
            return "known by now"
        product_id = event_id or await self._reader.product_of_item(refetch.id)
        if product_id is None:
            return "gone"
        async with transaction(self._pool) as connection:
            await connection.execute(SQL.want, "product", product_id, refetch.reason, refetch.seen_at, 0.0)
        return "found"

    async def _fulfil(self, refetch: Refetch) -> None:
        async with transaction(self._pool) as connection:
            key = (refetch.resource, refetch.id)
            if not await connection.fetchval(SQL.fulfil, *key, refetch.asked_at):
                await connection.execute(SQL.release, *key)
        log.info("refetch.answered", resource=refetch.resource, id=refetch.id, reason=refetch.reason)

    async def _give_back(self, refetch: Refetch) -> None:
        """We stop: let whoever comes next read it at once."""
        async with transaction(self._pool) as connection:
            await connection.execute(SQL.release, refetch.resource, refetch.id)

    async def _postpone(self, refetch: Refetch, error: Exception) -> None:
        """Shopify away, or no: ask later. What it refuses for good is asked rarely, and its error stays in the row."""
        delay = (
            MAX_DELAY if isinstance(error, Permanent) else min(MAX_DELAY, FIRST_DELAY * 2 ** min(refetch.attempts, 9))
        )
        async with transaction(self._pool) as connection:
            await connection.execute(SQL.postpone, refetch.resource, refetch.id, delay, repr(error)[:500])
        log.warning(
            "refetch.postponed", resource=refetch.resource, id=refetch.id, reason=refetch.reason,
            delay=str(timedelta(seconds=delay)), error=repr(error),
        )  # fmt: skip
