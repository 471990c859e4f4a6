"""Read everything once: page through all products and say what was seen on CHANGES. Live changes win by version.

It resumes after a crash where its last page ended. One process of all replicas does it at a time.
"""

import asyncpg
import structlog

from shared.bus import Bus
from shared.contracts import Origin
from shared.errors import UnderstudyError
from shared.postgres import queries, transaction
from syncer import metrics, sightings
from syncer.shop_reader import ShopReader

log = structlog.get_logger()
SQL = queries("syncer")

LOCK = 0x6261636B66696C6C  # "backfill": who holds it in this database reads


class Backfill:
    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", reader: ShopReader, bus: Bus, shop: str) -> None:
        self._pool = pool
        self._reader = reader
        self._bus = bus
        self._shop = shop

    async def step(self) -> bool:
        """Run one backfill to its end when none was finished yet. False: there is nothing (more) to do here.

        Raises:
            the errors of `shared.shopify.errors`, BusUnavailable, PostgresUnavailable: go on later, from the last page.
        """
        async with self._pool.acquire(timeout=5) as connection:
            if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):
                return False
            try:
                await self._run()
            finally:
                await connection.execute("SELECT pg_advisory_unlock($1)", LOCK)
        return False

    async def _run(self) -> None:
        async with transaction(self._pool) as connection:
            last = await connection.fetchrow(SQL.last_backfill)
        if last is not None and last["finished_at"] is not None:
            return
        backfill_id, cursor = (last["id"], last["cursor"]) if last is not None else (await self._begin(), None)
        log.info("backfill.began", backfill=backfill_id, resumed=last is not None)
        try:
            await self._read_on(backfill_id, cursor)
        except UnderstudyError as error:
            async with transaction(self._pool) as connection:
                await connection.execute(SQL.fail_backfill, backfill_id, repr(error)[:500])
            raise
        log.info("backfill.finished", backfill=backfill_id)

    async def _begin(self) -> int:
        expected = await self._reader.count_products()
        async with transaction(self._pool) as connection:
            backfill_id: int = await connection.fetchval(SQL.begin_backfill, expected)
            return backfill_id

    async def _read_on(self, backfill_id: int, cursor: str | None) -> None:
        while True:
            page = await self._reader.page(cursor)
            for node in page.nodes:
                at = page.began_at
                await self._bus.publish(sightings.of_product(node, Origin.BACKFILL, self._shop, at, at))
            read = len(page.nodes) + len(page.overflowing)
            async with transaction(self._pool) as connection:
                for product_id in page.overflowing:
                    await connection.execute(SQL.want, "product", product_id, "backfill", page.began_at, 0.0)
                await connection.execute(SQL.advance_backfill, backfill_id, page.next_cursor, read)
            metrics.BACKFILLED.inc(read)
            log.info("backfill.page", backfill=backfill_id, products=read, overflowing=len(page.overflowing))
            if page.next_cursor is None:
                return
            cursor = page.next_cursor
