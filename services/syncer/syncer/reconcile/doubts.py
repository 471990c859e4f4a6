"""Compare what Shopify lists with our tables, and write down which products must be read: the doubts.

One statement for each page. A doubt is a row of `refetches`; the refetcher's lane of doubts reads it, and what it reads
decides: nothing is repaired, and nothing deleted, on the word of a list.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import asyncpg

from shared.postgres import queries, transaction
from syncer.export.export import TRIES
from syncer.reconcile.listing import Changed, Destroyed, Stocked

SQL = queries("syncer", "reconcile/reconcile.sql")

SOON = 5.0  # seconds


class Doubts:
    """All methods return how many products are doubted."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool

    async def listed(self, page: Sequence[Changed]) -> int:
        latest: dict[int, Changed] = {}
        for changed in page:  # one that was edited while it was listed may come twice
            if changed.product_id not in latest or latest[changed.product_id].at < changed.at:
                latest[changed.product_id] = changed
        ids, times, may_be_events = (
            list(latest),
            [c.at for c in latest.values()],
            [c.may_be_event for c in latest.values()],
        )
        return await self._doubt(SQL.doubt_listed, ids, times, may_be_events)

    async def stocked(self, location_id: int, page: Sequence[Stocked]) -> int:
        """Items of products that we never saw are left to the list of products."""
        columns = [
            [level.item_id for level in page],
            [level.at for level in page],
            [level.available for level in page],
            [level.committed for level in page],
            [level.on_hand for level in page],
        ]
        return await self._doubt(SQL.doubt_stocked, location_id, *columns)

    async def destroyed(self, page: Sequence[Destroyed]) -> int:
        return await self._doubt(SQL.doubt_living, [gone.product_id for gone in page])

    async def living(self, product_ids: Sequence[int]) -> int:
        """Those that live in our tables."""
        return await self._doubt(SQL.doubt_living, list(product_ids))

    async def incomplete(self, for_seconds: float) -> int:
        """Events that have been incomplete for so long, while nobody is about to read them."""
        return await self._doubt(SQL.doubt_incomplete, for_seconds)

    async def named(self, product_ids: Sequence[int]) -> int:
        return await self._doubt(SQL.doubt_named, list(dict.fromkeys(product_ids)))

    async def waited_for(self) -> int:
        """But those whose reads failed again and again. What Shopify refused is tried again soon."""
        async with transaction(self._pool) as connection:
            await connection.execute(SQL.hasten, TRIES, SOON)
            found: int = await connection.fetchval(SQL.count_doubts, TRIES)
            return found

    async def drop(self) -> None:
        async with transaction(self._pool) as connection:
            await connection.execute(SQL.drop_doubts)

    async def say_since(self, gone: Mapping[int, datetime], started_at: datetime) -> None:
        """When what a run found to be deleted went."""
        if gone:
            async with transaction(self._pool) as connection:
                await connection.execute(SQL.say_since, list(gone), list(gone.values()), started_at)

    async def _doubt(self, statement: str, *values: object) -> int:
        async with transaction(self._pool) as connection:
            return len(await connection.fetch(statement, *values))
