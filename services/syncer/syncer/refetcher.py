"""Read from Shopify what changes could not say: ties, incomplete payloads, stock of unknown items; and what is doubted.

The table `refetches` is the queue: one row for each resource, written in the transaction of the change that asks, so a
crash loses no question, and a hundred changes of one product are answered by one read. The answer goes out on CHANGES
and comes back like everything else.

There are two lanes, each with a loop and a share of the cost points of its own: `ON_CHANGE`, what changes ask for, and
doubts, what a reconcile asks for. Only what the second repairs is drift, so their rows are apart.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg
import structlog

from shared.bus import Bus
from shared.contracts import Origin
from shared.ending import end
from shared.errors import Permanent, UnderstudyError
from shared.postgres import queries, transaction
from shared.shopify.products import ReadProduct
from syncer import metrics, sightings
from syncer.reconcile.freshness import settles_at
from syncer.shop_reader import ShopReader
from syncer.store import SQL as STORE_SQL
from syncer.versions import after

log = structlog.get_logger()
SQL = queries("syncer", "refetches.sql")

AT_ONCE = 8  # reads under way from one lane of one process; Shopify takes 2-3 s for each
READ_DEADLINE = 55.0  # seconds for one read
LEASE = 6.0  # seconds; what a killed syncer was reading is read again after this
RENEWAL = 2.0  # seconds between renewals of the lease
FIRST_DELAY = 1.0  # seconds after a failed read; doubles
MAX_DELAY = 300.0  # seconds
MAX_PUT_OFFS = 3  # of a doubt about a product that never stops being edited


@dataclass(frozen=True)
class Lane:
    """`grace`: seconds that a webhook may be on its way; what is younger is no evidence that one was missed."""

    name: str
    resources: tuple[str, ...]
    origin: Origin
    grace: float = 0.0


ON_CHANGE = Lane("change", ("product", "inventory_item"), Origin.REFETCH)


def doubts(grace: float) -> Lane:
    """What a reconcile asks for."""
    return Lane("doubt", ("doubt",), Origin.RECONCILE, grace)


@dataclass(frozen=True)
class Refetch:
    """A row of `refetches`. Everything known when it was asked for had been seen by `seen_at`."""

    resource: str  # product | inventory_item | doubt: a product that a reconcile doubts
    id: int
    reason: str
    seen_at: datetime
    asked_at: datetime
    attempts: int
    put_off: int = 0


@dataclass(frozen=True)
class PutOff:
    """It is being edited: look again when what was seen of it is old enough."""

    seconds: float


class Refetcher:
    """Give each lane a reader whose client acts for the lane's share."""

    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        reader: ShopReader,
        bus: Bus,
        shop: str,
        lane: Lane = ON_CHANGE,
    ) -> None:
        self._pool = pool
        self._reader = reader
        self._bus = bus
        self._shop = shop
        self._lane = lane
        # What came of a read, until PostgreSQL knows: an error, a reason to wait, or None: answered.
        self._answered: dict[Refetch, Exception | PutOff | None] = {}

    async def step(self) -> bool:
        """Read what is due. True when there may be more."""
        for refetch in list(self._answered):  # PostgreSQL was away
            await self._settle(refetch)
        resources = list(self._lane.resources)
        async with transaction(self._pool) as connection:
            due = [Refetch(**row) for row in await connection.fetch(SQL.take_due, resources, AT_ONCE, LEASE)]
            pending = await connection.fetchval(SQL.count_refetches, resources)
        metrics.REFETCHES_PENDING.labels(self._lane.name).set(pending)
        async with self._keeping(due):  # until the last of them is answered, whatever became of the others
            ended = await asyncio.gather(*(self._answer(refetch) for refetch in due), return_exceptions=True)
        for error in ended:
            if error is not None:
                raise error
        return len(due) == AT_ONCE

    @asynccontextmanager
    async def _keeping(self, taken: Sequence[Refetch]) -> AsyncIterator[None]:
        """Renew the lease of what is being read. Where that fails, another replica may read it as well: no harm."""
        renewing = asyncio.create_task(self._renew(taken), name="keep refetches") if taken else None
        try:
            yield
        finally:
            await end(renewing)

    async def _renew(self, taken: Sequence[Refetch]) -> None:
        keys = [refetch.resource for refetch in taken], [refetch.id for refetch in taken]
        while True:
            await asyncio.sleep(RENEWAL)
            try:
                async with transaction(self._pool) as connection:
                    await connection.execute(SQL.renew, *keys, LEASE)
            except UnderstudyError as error:
                log.warning("refetch.lease_not_renewed", error=repr(error))

    async def _answer(self, refetch: Refetch) -> None:
        outcome: str = "failed"
        result: Exception | PutOff | None = None
        try:
            async with asyncio.timeout(READ_DEADLINE):
                read = await self._read(refetch)
                outcome, result = ("put off", read) if isinstance(read, PutOff) else (read, None)
        except (UnderstudyError, TimeoutError) as error:
            result = error
        except asyncio.CancelledError:
            await self._give_back(refetch)
            raise
        metrics.REFETCHES.labels(refetch.reason, outcome).inc()
        self._answered[refetch] = result
        await self._settle(refetch)

    async def _settle(self, refetch: Refetch) -> None:
        match self._answered[refetch]:
            case None:
                await self._fulfil(refetch)
            case PutOff(seconds):
                async with transaction(self._pool) as connection:
                    await connection.execute(SQL.put_off, refetch.resource, refetch.id, seconds)
                log.info("refetch.put_off", resource=refetch.resource, id=refetch.id, seconds=round(seconds, 3))
            case error:
                await self._postpone(refetch, error)
        self._answered.pop(refetch, None)

    async def _read(self, refetch: Refetch) -> str | PutOff:
        if refetch.resource == "inventory_item":
            return await self._find_product(refetch)
        read = await self._reader.product(refetch.id)
        seen_at = after(refetch.seen_at, read.began_at)
        if read.node is None:
            gone = sightings.of_absence(refetch.id, self._lane.origin, self._shop, seen_at, read.began_at)
            await self._bus.publish(gone)
            return "gone"
        origin = self._lane.origin
        if (wait := self._unsettled(read)) > 0:
            if refetch.put_off < MAX_PUT_OFFS:
                return PutOff(wait)
            origin = Origin.REFETCH  # it is right, but whether a webhook was missed can't be told from it
        await self._bus.publish(sightings.of_product(read.node, origin, self._shop, seen_at, read.began_at))
        return "read"

    def _unsettled(self, read: ReadProduct) -> float:
        """Seconds until no webhook about what was read may be on its way any more; not above 0: it is settled."""
        if not self._lane.grace or read.node is None:
            return 0.0
        return (settles_at(read.node, self._lane.grace) - read.by_their_clock).total_seconds()

    async def _find_product(self, refetch: Refetch) -> str:
        """An item of an unknown product. By now its product may have come in, and then there is nothing to read."""
        async with transaction(self._pool) as connection:
            event_id = await connection.fetchval(STORE_SQL.find_event_of_item, refetch.id)
        if event_id is not None and refetch.reason == "stranger":
            return "known by now"
        product_id = event_id or await self._reader.product_of_item(refetch.id)
        if product_id is None:
            return "gone"
        async with transaction(self._pool) as connection:
            await connection.execute(STORE_SQL.want, "product", product_id, refetch.reason, refetch.seen_at, 0.0)
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
