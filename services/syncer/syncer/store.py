"""Carry changes into the tables: a batch in one transaction, under the locks of its events.

The decisions are `fold`, `versions`, `projections` and `revisions`; here is what is read and written around them, a few
statements for the whole batch. Whoever changes an event or its stock holds the event's lock until the commit, so what
is decided from is what is written over, and the guards in the SQL only confirm it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from shared.contracts import Change
from shared.errors import Occupied
from shared.postgres import Connection, queries, transaction
from syncer import drift, effects, rows, standing, stock_levels
from syncer.fold import Case, Dossier, Fold, Heed, Ledger, fold
from syncer.heard import Absence, Deletion, Heard, ItemEdit, LevelSeen, hear
from syncer.revisions import revise
from syncer.rows import Put, Row
from syncer.rules import Rules
from syncer.source import Answered, Sighting
from syncer.turns import Turns
from syncer.versions import EPOCH

SQL = queries("syncer")


class EventOccupied(Occupied):
    """Another process projects this event right now, or has just begun to."""


@dataclass(frozen=True)
class Projected:
    """What became of a change. `changed`: it altered what readers see. `refetch`: why Shopify is asked.

    All changes of one event in a batch end in one revision. `error`: why this change, and no other of its batch, is
    not settled; it must be retried or buried.
    """

    event_id: int
    outcome: str  # projected | unchanged | stale | deleted | no_event | stranger | refused | noticed | occupied
    revision: int = 0
    made_at: datetime = EPOCH  # when the revision was made: with it, the name of what is announced
    changed: bool = False
    events_revision: int | None = None  # the lists have changed, too
    visible: bool = False  # to anonymous readers, before or after
    deleted: bool = False
    document: str | None = None  # what anyone may read of it now; None: nothing
    refetch: str | None = None
    error: Exception | None = None


@dataclass(frozen=True)
class Written:
    """An event after a batch."""

    revision: int
    made_at: datetime
    changed: bool  # for its readers
    listed: bool
    visible: bool
    deleted: bool
    document: str | None = None


class Store:
    """`currency` is the shop's; None until it was read."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", rules: Rules, currency: str | None = None) -> None:
        self.pool = pool
        self.rules = rules
        self.currency = currency
        self._turns = Turns()
        self._parsed = rows.Parsed()

    async def project(self, changes: Sequence[Change]) -> list[Projected]:
        """Carry changes into the tables, in one transaction; what became of each, in order.

        Raises:
            PostgresUnavailable, PostgresBusy, LostGuard, DataRefused: nothing was written, of none of them.
        """
        return await self._project([hear(change, self.rules) for change in changes])

    async def standing(self, event_ids: Collection[int]) -> dict[int, Projected]:
        """What readers see of events now, to be said once more: their changes were redelivered."""
        async with transaction(self.pool) as connection:
            found = await standing.get(connection, event_ids)
            events_revision = await standing.lists_at(connection)
        return {
            row["id"]: Projected(
                row["id"],
                "unchanged",
                revision=row["revision"],
                made_at=row["synced_at"],
                changed=True,
                events_revision=events_revision,
                visible=row["shown"],
                deleted=row["deleted"],
            )
            for row in found
        }

    async def _project(self, heard: Sequence[Heard]) -> list[Projected]:
        claims = _claims(heard)
        async with AsyncExitStack() as turn, transaction(self.pool) as connection:
            await connection.execute(SQL.share_projecting)
            owners = await stock_levels.owners(connection, claims.keys() | _items(heard))
            event_ids = _events(heard, owners)
            await turn.enter_async_context(self._turns.of(event_ids))  # until the commit, which comes first
            now, free = await _lock(connection, event_ids)
            ours = {item: event for item, event in claims.items() if event in free}
            # A product may have come in meanwhile: then its event is not among those that we hold, and the level waits.
            owners |= await _meet(connection, heard, owners, ours)
            here = [not (_events([each], owners) - free) for each in heard]
            batch = [each for each, is_here in zip(heard, here, strict=True) if is_here]
            settled = iter(await self._settle(connection, batch, owners, free, now))
        return [next(settled) if is_here else OCCUPIED for is_here in here]

    async def _settle(
        self,
        connection: Connection,
        heard: Sequence[Heard],
        owners: Mapping[int, int],
        event_ids: Collection[int],
        now: datetime,
    ) -> list[Projected]:
        """Load, decide, write; all that it needs is locked."""
        stored = await rows.get(connection, event_ids, self._parsed)
        items = _claims(heard).keys() | _items(heard) | {item for row in stored.values() for item in row.items}
        dossiers = {event_id: Dossier(row.known, row.observed) for event_id, row in stored.items()}
        ledger = Ledger(dossiers, owners, await stock_levels.get(connection, items))
        folded, heeds = fold(ledger, heard, self.rules, self.currency)
        await stock_levels.put(connection, ((*key, folded.level(*key)) for key in folded.moved))
        written = await _write(connection, folded, stored, now)
        await _want(connection, folded)
        await _tell_drift(connection, folded)
        await _tell_effects(connection, heard, heeds, written, stored)
        listed = any(each.listed for each in written.values())
        events_revision = await connection.fetchval(SQL.raise_events) if listed else None
        return [_projected(*each, written, events_revision) for each in zip(heard, heeds, strict=True)]


OCCUPIED = Projected(0, "occupied", error=EventOccupied())


def _claims(heard: Iterable[Heard]) -> dict[int, int]:
    """The event of each item of the products."""
    return {
        variant.inventory_item_id: each.what.product.id
        for each in heard
        if isinstance(each.what, Sighting)
        for variant in each.what.product.variants
        if variant.inventory_item_id is not None
    }


def _items(heard: Iterable[Heard]) -> set[int]:
    """Items that were seen without their product."""
    return {each.what.item_id for each in heard if isinstance(each.what, LevelSeen | ItemEdit)}


def _events(heard: Iterable[Heard], owners: Mapping[int, int]) -> set[int]:
    """The events whose rows the changes may alter."""
    event_ids = set()
    for each in heard:
        match each.what:
            case Sighting() as seen:
                event_ids.add(seen.product.id)
            case Answered() | Deletion() | Absence() as about:
                event_ids.add(about.product_id)
            case LevelSeen() as seen if seen.item_id in owners:
                event_ids.add(owners[seen.item_id])
    return event_ids


async def _lock(connection: Connection, event_ids: Collection[int]) -> tuple[datetime, set[int]]:
    """The database's time, and those events that nobody else holds: ours until the transaction ends."""
    if not event_ids:
        return EPOCH, set()
    found = await connection.fetch(SQL.lock_events, sorted(event_ids))
    return found[0]["now"], {row["id"] for row in found if row["locked"]}


async def _meet(
    connection: Connection, heard: Iterable[Heard], owners: Mapping[int, int], claims: Mapping[int, int]
) -> dict[int, int]:
    """Items of which only one side was seen, product or stock; returns the events that they belong to now."""
    strangers = {each.what.item_id for each in heard if isinstance(each.what, LevelSeen)} - owners.keys()
    unmet: dict[int, int | None] = dict.fromkeys(strangers)
    unmet |= {item: event for item, event in claims.items() if owners.get(item) != event}
    return await stock_levels.meet(connection, unmet)


async def _write(connection: Connection, folded: Fold, stored: Mapping[int, Row], now: datetime) -> dict[int, Written]:
    """The events that a batch has altered, by id."""
    graves = {case.event_id: case.buried for case in folded.cases.values() if case.buried}
    puts = [put for case in folded.cases.values() if (put := _put(case, folded, stored.get(case.event_id), now))]
    buried = await rows.bury(connection, graves)
    await rows.put(connection, puts)
    written = {}
    for event_id, (revision, made_at) in buried.items():
        before = stored.get(event_id)
        seen = before is not None and not before.standing.deleted
        visible = before is not None and before.standing.visible
        written[event_id] = Written(revision, made_at, seen, seen, visible, deleted=True)
    for put in puts:
        edition, revised = put.revised.edition, put.revised
        document = revised.documents.document if put.event.status == "active" else None
        written[put.event.id] = Written(
            edition.revision, edition.synced_at, revised.changed, revised.listed, put.shown, deleted=False,
            document=document,
        )  # fmt: skip
    return written


def _put(case: Case, folded: Fold, row: Row | None, now: datetime) -> Put | None:
    if not case.derived or case.known is None or case.living is None:
        return None
    event = folded.event(case)
    if event is None:
        return None
    revised = revise(row.standing if row else None, event, now)
    shown = event.status == "active" or (row is not None and row.standing.visible)
    return Put(event, revised, case.known.version, case.living, row, shown)


async def _want(connection: Connection, folded: Fold) -> None:
    wishes = [(*key, wish.reason, wish.seen_at, wish.delay) for key, wish in folded.wishes.items()]
    if wishes:
        await connection.execute(SQL.want_all, *zip(*wishes, strict=True))


async def _tell_drift(connection: Connection, folded: Fold) -> None:
    if folded.repairs:
        await drift.record(connection, folded.repairs)
    if folded.came_to_nothing:
        arrivals = [drift.Arrival(each.event_id, each.at, each.is_stock) for each in folded.came_to_nothing]
        await drift.arrived_late(connection, arrivals)


async def _tell_effects(
    connection: Connection,
    heard: Sequence[Heard],
    heeds: Sequence[Heed],
    written: Mapping[int, Written],
    stored: Mapping[int, Row],
) -> None:
    """Where the effects of jobs stand now, whether or not they made a revision: something newer may stand there."""
    found = []
    for each, heed in zip(heard, heeds, strict=True):
        if each.job is None:
            continue
        event, row = written.get(heed.event_id), stored.get(heed.event_id)
        if event is not None:
            found.append(effects.Effect(each.job, heed.event_id, event.revision, event.changed))
        elif row is not None:
            found.append(effects.Effect(each.job, heed.event_id, row.standing.edition.revision, made=False))
    await effects.put(connection, found)


def _projected(heard: Heard, heed: Heed, written: Mapping[int, Written], events_revision: int | None) -> Projected:
    """A job's change is said with the revision of its batch, even where another change of the batch has made it."""
    event = written.get(heed.event_id)
    if event is None or not (heed.altered or heard.job):
        return Projected(heed.event_id, heed.outcome, refetch=heed.refetch, error=heard.refused)
    return Projected(
        heed.event_id,
        heed.outcome if heed.outcome != "derived" else "projected" if event.changed else "unchanged",
        revision=event.revision,
        made_at=event.made_at,
        changed=event.changed,
        events_revision=events_revision if event.listed else None,
        visible=event.visible,
        deleted=event.deleted,
        document=event.document,
        refetch=heed.refetch,
        error=heard.refused,
    )


async def want(
    connection: Connection, resource: str, resource_id: int, reason: str, seen_at: datetime, delay: float = 0.0
) -> None:
    """Ask for a read of Shopify, in the transaction of the change that needs it."""
    await connection.execute(SQL.want, resource, resource_id, reason, seen_at, delay)
