"""Give every new row the revision under which readers may see it, so that the switch only swaps names.

A pass looks at what was not decided yet, or about rows that are others now (by their `xmin`). It takes no lock that a
reader or the live projector could meet; whoever writes the shadow waits at the gate, for one portion at a time.
"""

import asyncio
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import astuple
from typing import Any

import asyncpg
import structlog

from shared.postgres import Connection, queries, transaction
from syncer.documents import Documents, Edition
from syncer.projections import Facts, Stock, project
from syncer.rebuild.alignment import Decision, Pair, Side, decide, lacks
from syncer.rebuild.shadow import be_patient, insert_copies
from syncer.revisions import Revised, Standing, revise
from syncer.rules import Rules
from syncer.source import Product, SourceVersion, missing

log = structlog.get_logger()
SQL = queries("syncer", "rebuild/rebuild.sql")

PORTION = 200  # events: tens of milliseconds, in which changes wait for their turn

Rows = Sequence[asyncpg.Record]


class Aligner:
    """`pool`: of connections to the live tables; statements name the schema."""

    def __init__(
        self, pool: "asyncpg.Pool[asyncpg.Record]", rules: Rules, currency: str | None, gate: asyncio.Lock
    ) -> None:
        self._pool = pool
        self._rules = rules
        self._currency = currency
        self._gate = gate

    async def unread(self) -> list[int]:
        """Events that readers see, and nobody has read."""
        async with transaction(self._pool) as connection:
            await be_patient(connection)
            return [row["id"] for row in await connection.fetch(SQL.get_unread)]

    async def living(self) -> int:
        async with transaction(self._pool) as connection:
            count: int = await connection.fetchval(SQL.count_living)
            return count

    async def step(self, *, patient: bool = True) -> Counter[Decision]:
        """One pass over all that is not aligned: what was decided how often. Not patient: nothing stays open."""
        async with transaction(self._pool) as connection:
            await be_patient(connection)
            event_ids = await unaligned(connection)
        decided: Counter[Decision] = Counter()
        for start in range(0, len(event_ids), PORTION):
            async with self._gate, transaction(self._pool) as connection:
                await be_patient(connection)
                decided += await self.align(connection, event_ids[start : start + PORTION], patient=patient)
        return decided

    async def align(self, connection: Connection, event_ids: Sequence[int], *, patient: bool) -> Counter[Decision]:
        """Decide about these, and write it down. Nobody else may be writing the shadow."""
        pairs, live_rows = await self._pairs(connection, event_ids)
        decided = {pair.event_id: decide(pair, patient=patient) for pair in pairs}
        by_decision: dict[Decision, list[int]] = {decision: [] for decision in Decision}
        for event_id, decision in decided.items():
            by_decision[decision].append(event_id)
        listed = await self._carry_out(connection, by_decision)
        await self._ask(connection, pairs, decided)
        settled = [event_id for event_id, decision in decided.items() if not decision.open]
        columns = (
            settled,
            [decided[event_id] for event_id in settled],
            [event_id in listed for event_id in settled],
            [live_rows[event_id] for event_id in settled],
        )
        await connection.execute(SQL.put_aligned, *columns)
        return Counter(decided.values())

    async def _pairs(
        self, connection: Connection, event_ids: Sequence[int]
    ) -> tuple[list[Pair], dict[int, str | None]]:
        rows = await connection.fetch(SQL.get_pairs, event_ids)
        unlike = [row["id"] for row in rows if row["live_revision"] and row["shadow_revision"] and not row["same"]]
        outdated = await _ids(connection, SQL.get_outdated, unlike)
        forgotten = await _ids(connection, SQL.get_forgotten, unlike)
        pairs = [
            Pair(
                row["id"], _side(row, "live"), None if row["unread"] else _side(row, "shadow"), row["same"],
                row["id"] in outdated, row["id"] in forgotten, row["asked_at"],
            )
            for row in rows
        ]  # fmt: skip
        return pairs, {row["id"]: row["live_row"] for row in rows}

    async def _carry_out(self, connection: Connection, events: dict[Decision, list[int]]) -> set[int]:
        """Returns those that lists show differently."""
        if adopted := events[Decision.ADOPT]:
            await connection.execute(SQL.adopt, adopted)
            await connection.execute(SQL.adopt_capacities, adopted)
        if copied := [*events[Decision.COPY], *events[Decision.KEEP], *events[Decision.BURY]]:
            await _copy(connection, copied)
        if buried := events[Decision.BURY]:
            await connection.execute(SQL.bury, buried)
            await connection.execute(SQL.drop_tickets, buried)
        listed = await self._revise(connection, events[Decision.REVISE])
        return listed | set(buried) | set(events[Decision.NEW])

    async def _ask(self, connection: Connection, pairs: Sequence[Pair], decided: dict[int, Decision]) -> None:
        """Shopify; where it did not answer in time, its answer comes in later, as a change."""
        asked = [pair for pair in pairs if decided[pair.event_id] is Decision.ASK]
        if asked:
            ids = [pair.event_id for pair in asked]
            await connection.execute(SQL.ask, ids, [lacks(pair) for pair in asked])
        unasked = [pair.event_id for pair in pairs if decided[pair.event_id] is Decision.KEEP and not pair.asked_at]
        if wanted := [*(pair.event_id for pair in asked), *unasked]:
            await connection.execute(SQL.want, wanted)

    async def _revise(self, connection: Connection, event_ids: Collection[int]) -> set[int]:
        """What readers see differs: the next revision after theirs."""
        if not event_ids:
            return set()
        now = await connection.fetchval("SELECT now()")
        standings = {row["id"]: _standing(row) for row in await connection.fetch(SQL.get_standings, event_ids)}
        facts = await self._facts(connection, event_ids)
        listed, written = set(), []
        for row in await connection.fetch(SQL.get_shadow_sources, event_ids):
            product = Product.model_validate_json(row["data"])
            event = project(product, facts, self._rules, complete=missing(product) is None)
            standing = standings[row["id"]]
            revised = revise(standing, event, now)
            written.append(_record(row["id"], revised, event.status == "active" or standing.visible))
            if revised.listed:
                listed.add(row["id"])
        await connection.executemany(SQL.put_revision, written)
        return listed

    async def _facts(self, connection: Connection, event_ids: Collection[int]) -> Facts:
        stock: dict[int, tuple[Stock, ...]] = {}
        for row in await connection.fetch(SQL.get_shadow_levels, event_ids):
            levels = stock.setdefault(row["inventory_item_id"], ())
            if row["available"] is not None:
                level = Stock(row["location_id"], row["available"], row["committed"], row["on_hand"])
                stock[row["inventory_item_id"]] = (*levels, level)
        capacities = await connection.fetch(SQL.get_shadow_capacities, event_ids)
        return Facts(stock, {row["id"]: row["observed_capacity"] for row in capacities}, self._currency)


async def unaligned(connection: Connection) -> list[int]:
    return [row["id"] for row in await connection.fetch(SQL.get_unaligned)]


async def _ids(connection: Connection, statement: str, event_ids: Sequence[int]) -> set[int]:
    if not event_ids:
        return set()
    return {row["event_id"] for row in await connection.fetch(statement, event_ids)}


async def _copy(connection: Connection, event_ids: Sequence[int]) -> None:
    """The live rows as they stand, with all that belongs to them."""
    await connection.execute(SQL.clear_tickets, event_ids)
    await insert_copies(connection, "events", "id = ANY ($1::bigint[])", event_ids)
    await insert_copies(connection, "tickets", "event_id = ANY ($1::bigint[])", event_ids)
    await connection.execute(SQL.copy_items, event_ids)
    await connection.execute(SQL.copy_levels, event_ids)


def _side(row: Any, side: str) -> Side | None:
    if row[f"{side}_revision"] is None:
        return None
    version = SourceVersion(*row[f"{side}_version"])
    return Side(row[f"{side}_revision"], row[f"{side}_deleted"], version, row[f"{side}_complete"])


def _standing(row: Any) -> Standing:
    edition = Edition(row["revision"], row["synced_at"], row["listed_revision"], row["listed_at"])
    documents = Documents(*(row[name] for name in Documents.__dataclass_fields__))
    deleted = row["deleted_at"] is not None
    return Standing(edition, documents, row["description_html"], row["status"] == "active" and not deleted, deleted)


def _record(event_id: int, revised: Revised, shown: bool) -> tuple[Any, ...]:
    """In the order of `put_revision`."""
    edition = revised.edition
    listing = (edition.listed_revision, edition.listed_at)
    return event_id, edition.revision, edition.synced_at, *listing, shown, *astuple(revised.documents)
