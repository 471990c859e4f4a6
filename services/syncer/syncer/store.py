"""Carry a change into the tables, in one transaction under the event's lock.

The decisions are `versions`, `projections` and `revisions`; here is what is read and written around them. Whoever
changes an event or its stock holds the event's lock until the commit, so what is decided from is what is written over,
and the guards in the SQL only confirm it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg

from shared.postgres import Connection, queries, transaction
from syncer import rows, stock_levels
from syncer.projections import Facts, project
from syncer.revisions import revise
from syncer.rows import Row
from syncer.rules import Rules
from syncer.source import Level, Product, Sighting, SourceVersion, missing
from syncer.turns import Turns
from syncer.versions import judge

SQL = queries("syncer")

TIE_DELAY = 1.0  # seconds: a burst of stock changes within one second asks for one read, not for a hundred
EPOCH = datetime.fromtimestamp(0, UTC)  # of a product that was never seen: any read may disagree
STRANGER_DELAY = 3.0  # seconds: a stock level often comes before the product it belongs to


@dataclass(frozen=True)
class Projected:
    """What became of a change. `changed`: readers must hear of it. `refetch`: why Shopify is asked."""

    event_id: int
    outcome: str  # projected | unchanged | stale | deleted | no_event | stranger
    revision: int = 0
    made_at: datetime = EPOCH  # when the revision was made: with it, the name of what is announced
    changed: bool = False
    events_revision: int | None = None  # the lists have changed, too
    visible: bool = False  # to anonymous readers, before or after
    deleted: bool = False
    refetch: str | None = None


class Store:
    """`currency` is the shop's; None until it was read."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", rules: Rules, currency: str | None = None) -> None:
        self.pool = pool
        self.rules = rules
        self.currency = currency
        self._turns = Turns()

    async def project_product(self, seen: Sighting) -> Projected:
        product_id = seen.product.id
        async with self._turns.of(product_id), transaction(self.pool) as connection:
            now = await rows.lock(connection, product_id)
            row = await rows.get(connection, product_id)
            await rows.claim_items(connection, seen.product)
            stock_moved = await stock_levels.put_read(connection, seen.levels, seen.version.seen_at)
            verdict = judge(row.known if row else None, seen.product, seen.version, seen.is_read)
            is_event = self.rules.is_event(seen.product)
            if verdict.refetch is not None and (is_event or verdict.refetch == "tie"):
                newest = max(seen.version.seen_at, row.known.version.seen_at) if row else seen.version.seen_at
                await want(connection, "product", product_id, verdict.refetch, newest)
            if not is_event:
                return await self._turn_away(connection, row, seen, wins=verdict.product is not None)
            if verdict.product is not None:
                return await self._derive(connection, row, verdict.product, seen.version, now, verdict.refetch)
            if stock_moved and row and row.living:
                return await self._derive(connection, row, row.living, row.known.version, now, verdict.refetch)
            stale = row is not None and seen.version < row.known.version
            return Projected(product_id, "stale" if stale else "unchanged", refetch=verdict.refetch)

    async def project_level(self, item_id: int, level: Level, seen_at: datetime) -> Projected:
        """A webhook saw the stock of one item at one location."""
        event_id = await self._event_of(item_id) or await self._meet_stranger(item_id, level, seen_at)
        if event_id is None:
            return Projected(0, "stranger", refetch="stranger")
        async with self._turns.of(event_id), transaction(self.pool) as connection:
            now = await rows.lock(connection, event_id)
            moved, tied_at = await stock_levels.put_seen(connection, item_id, level, seen_at)
            refetch = None if tied_at is None else "stock tie"
            if tied_at is not None:
                await want(connection, "product", event_id, "stock tie", tied_at, TIE_DELAY)
            row = await rows.get(connection, event_id) if moved else None
            if row is None or row.living is None:
                return Projected(event_id, "no_event" if moved else "unchanged", refetch=refetch)
            return await self._derive(connection, row, row.living, row.known.version, now, refetch)

    async def delete_product(self, product_id: int, version: SourceVersion) -> Projected:
        """A webhook says that it is gone. Ids are never used twice: if that seems older than what we know, ask."""
        async with self._turns.of(product_id), transaction(self.pool) as connection:
            await rows.lock(connection, product_id)
            row = await rows.get(connection, product_id)
            if row is not None and not row.known.deleted and version <= row.known.version:
                reason = "deleted"
                await want(connection, "product", product_id, reason, max(version.seen_at, row.known.version.seen_at))
                return Projected(product_id, "stale", refetch=reason)
            return await _bury(connection, row, product_id, version, "deleted")

    async def lose_product(self, product_id: int, seen_at: datetime) -> Projected:
        """A read of ours did not find it. Its own `updated_at` stands: whatever Shopify says of it later can win."""
        async with self._turns.of(product_id), transaction(self.pool) as connection:
            await rows.lock(connection, product_id)
            row = await rows.get(connection, product_id)
            version = SourceVersion(row.known.version.updated_at if row else EPOCH, seen_at)
            return await _bury(connection, row, product_id, version, "deleted")

    async def want_product(self, product_id: int, reason: str, seen_at: datetime) -> Projected:
        async with transaction(self.pool) as connection:
            await want(connection, "product", product_id, reason, seen_at)
        return Projected(product_id, "unchanged", refetch=reason)

    async def want_item(self, item_id: int, reason: str, seen_at: datetime) -> Projected:
        """An inventory item was edited: read the product it belongs to."""
        event_id = await self._event_of(item_id)
        if event_id is not None:
            return await self.want_product(event_id, reason, seen_at)
        async with transaction(self.pool) as connection:
            await want(connection, "inventory_item", item_id, reason, seen_at, STRANGER_DELAY)
        return Projected(0, "stranger", refetch=reason)

    async def standing(self, event_id: int) -> Projected | None:
        """What readers see of an event now, to be said once more: its change was redelivered."""
        async with transaction(self.pool) as connection:
            row = await connection.fetchrow(SQL.get_standing, event_id)
            events_revision = await connection.fetchval(SQL.get_events_revision)
        if row is None:
            return None
        return Projected(
            event_id,
            "unchanged",
            revision=row["revision"],
            made_at=row["synced_at"],
            changed=True,
            events_revision=events_revision,
            visible=row["shown"],
            deleted=row["deleted"],
        )

    async def _event_of(self, item_id: int) -> int | None:
        async with transaction(self.pool) as connection:
            found: int | None = await connection.fetchval(SQL.find_event_of_item, item_id)
            return found

    async def _meet_stranger(self, item_id: int, level: Level, seen_at: datetime) -> int | None:
        """Keep a level whose product was not seen yet; the event's id when it was, just now."""
        async with transaction(self.pool) as connection:
            event_id: int | None = await connection.fetchval(SQL.meet_item, item_id)
            if event_id is None:
                await stock_levels.put_seen(connection, item_id, level, seen_at)
                await want(connection, "inventory_item", item_id, "stranger", seen_at, STRANGER_DELAY)
            return event_id

    async def _turn_away(self, connection: Connection, row: Row | None, seen: Sighting, *, wins: bool) -> Projected:
        """A product that is no event (any more)."""
        if row is None or not wins or row.known.deleted:
            return Projected(seen.product.id, "no_event")
        return await _bury(connection, row, seen.product.id, seen.version, "no_event")

    async def _derive(
        self,
        connection: Connection,
        row: Row | None,
        source: Product,
        version: SourceVersion,
        now: datetime,
        refetch: str | None,
    ) -> Projected:
        """Project the source with the stock as it is now, and write what differs."""
        items = [variant.inventory_item_id for variant in source.variants if variant.inventory_item_id is not None]
        stock = await stock_levels.of_items(connection, items)
        facts = Facts(stock, await rows.observed_capacities(connection, source.id), self.currency)
        event = project(source, facts, self.rules, complete=missing(source) is None)
        revised = revise(row.standing if row else None, event, now)
        shown = event.status == "active" or (row is not None and row.standing.visible)
        await rows.put(connection, event, revised, version, source, shown=shown)
        return Projected(
            event.id,
            "projected" if revised.changed else "unchanged",
            revision=revised.edition.revision,
            made_at=revised.edition.synced_at,
            changed=revised.changed,
            events_revision=await connection.fetchval(SQL.raise_events) if revised.listed else None,
            visible=shown,
            refetch=refetch,
        )


async def want(
    connection: Connection, resource: str, resource_id: int, reason: str, seen_at: datetime, delay: float = 0.0
) -> None:
    """Ask for a read of Shopify, in the transaction of the change that needs it."""
    await connection.execute(SQL.want, resource, resource_id, reason, seen_at, delay)


async def _bury(
    connection: Connection, row: Row | None, event_id: int, version: SourceVersion, outcome: str
) -> Projected:
    buried = await rows.bury(connection, event_id, version)
    if buried is None:
        return Projected(event_id, "stale", deleted=True)
    revision, made_at = buried
    if row is None:
        return Projected(event_id, outcome, revision, made_at, deleted=True)
    events_revision = await connection.fetchval(SQL.raise_events)
    visible = row.standing.visible
    return Projected(event_id, outcome, revision, made_at, True, events_revision, visible, deleted=True)
