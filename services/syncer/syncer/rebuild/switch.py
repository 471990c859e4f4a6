"""Put the new tables in the place of the old ones, in one transaction that readers do not notice.

The live projector is stopped first, by a lock that readers never take; then the last changes go in, and only then the
tables are locked, for the few milliseconds in which their names change hands. A lock that waits would make every reader
queue behind it: so it waits a moment only, lets the readers through, and tries again.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from shared.postgres import Connection, queries, transaction
from shared.tags import EVENTS, event_tag
from syncer.rebuild.aligner import Aligner, unaligned
from syncer.rebuild.alignment import Decision
from syncer.rebuild.errors import SwitchRefused
from syncer.rebuild.follower import Post
from syncer.rebuild.shadow import PROJECTIONS, RETIRED, SCHEMA, be_patient
from syncer.rebuild.version import Making

SQL = queries("syncer", "rebuild/rebuild.sql")

FEW = 200  # events that are aligned while changes wait; more are aligned before
PROJECTOR_PATIENCE = 2.0  # seconds until the transactions under way have ended
SETTLE_WITHIN = 2.0  # seconds for the last changes to come into the new tables, while the live projector waits
LOOK = 0.01  # seconds between two looks
READER_PATIENCE = 0.15  # seconds that readers wait at most behind a lock that is not granted
ATTEMPTS = 10  # to lock the tables, before changes go on for a while
PAUSE = 0.1  # seconds in which readers go on between two attempts
SHOWN = 20  # ids of each kind in a report


@dataclass(frozen=True)
class Switched:
    """`paused`: seconds in which no change was projected. `locked`: seconds in which readers waited."""

    paused: float
    locked: float
    report: dict[str, Any]


class Switch:
    """`gate`: who holds it writes the shadow alone."""

    def __init__(
        self, pool: "asyncpg.Pool[asyncpg.Record]", aligner: Aligner, post: Post, gate: asyncio.Lock, making: Making
    ) -> None:
        self._pool = pool
        self._aligner = aligner
        self._post = post
        self._gate = gate
        self._making = making

    async def step(self, run_id: int) -> Switched:
        """Switch.

        Raises:
            SwitchRefused: not now; nothing has changed.
            ShadowLost, BusUnavailable, PostgresUnavailable, PostgresBusy: the same.
        """
        async with transaction(self._pool) as connection:
            await be_patient(connection)
            await connection.execute(f"SET LOCAL lock_timeout = '{PROJECTOR_PATIENCE * 1000:.0f}ms'")
            await connection.execute(SQL.hold_projecting)
            began = time.perf_counter()
            await self._last_changes_in()
            async with self._gate:
                await self._align_the_last(connection)
                report = await _summary(connection)
                await self._tell(connection)
                await connection.execute(SQL.put_making, self._making.version, self._making.rules, run_id)
                if not await connection.fetchval(SQL.set_report, run_id, report):
                    raise SwitchRefused("the new tables belong to another run")
                locked = await _lock(connection)
                await _swap(connection)
        ended = time.perf_counter()
        return Switched(ended - began, ended - locked, report)

    async def _last_changes_in(self) -> None:
        """The live projector stands still: all that it has projected must be in the new tables, too."""
        target, deadline = await self._post.last(), time.monotonic() + SETTLE_WITHIN
        while behind := await self._post.behind(target):
            if time.monotonic() > deadline:
                raise SwitchRefused(f"{behind} changes did not come in")
            await asyncio.sleep(LOOK)

    async def _align_the_last(self, connection: Connection) -> None:
        event_ids = await unaligned(connection)
        if len(event_ids) > FEW:
            raise SwitchRefused(f"{len(event_ids)} events have changed at the last moment")
        if event_ids:
            await self._aligner.align(connection, event_ids, patient=False)

    async def _tell(self, connection: Connection) -> None:
        """Whatever differs for readers is raised and announced after the commit, whoever dies in between."""
        changed = await connection.fetch(SQL.get_changed)
        if not changed:
            return
        ids, revisions = [row["id"] for row in changed], [row["revision"] for row in changed]
        await connection.execute(SQL.date_changes, ids, timeout=60)
        tags = [(event_tag(event_id), revision) for event_id, revision in zip(ids, revisions, strict=True)]
        events_revision = None
        if any(row["listed"] for row in changed):
            events_revision = await connection.fetchval(SQL.raise_events)
            tags.append((EVENTS, events_revision))
        await connection.execute(SQL.keep_unraised, *map(list, zip(*tags, strict=True)))
        announced = [
            (row["id"], row["revision"], row["made_at"], events_revision if row["listed"] else None, row["shown"],
             row["deleted"])
            for row in changed
        ]  # fmt: skip
        await connection.execute(SQL.keep_unannounced, *map(list, zip(*announced, strict=True)))


async def _summary(connection: Connection) -> dict[str, Any]:
    """The report of the rebuild, but what was measured."""
    counted: Counter[str] = Counter(
        {row["decision"]: row["count"] for row in await connection.fetch(SQL.count_decisions)}
    )
    missing = await connection.fetch(SQL.get_missing, SHOWN)
    return {
        "events": counted.total(),
        "equal": counted[Decision.ADOPT] + counted[Decision.COPY],
        "changed": counted[Decision.REVISE] + counted[Decision.BURY] + counted[Decision.NEW],
        "missing": [row["event_id"] for row in missing],
        "extra": await _some(connection, Decision.NEW),
        "kept": await _some(connection, Decision.KEEP),
        "buried": await _some(connection, Decision.BURY),
        "switched_at": await connection.fetchval("SELECT now()::text"),
    }


async def _some(connection: Connection, decision: Decision) -> Sequence[int]:
    return [row["event_id"] for row in await connection.fetch(SQL.get_some, decision, SHOWN)]


async def _lock(connection: Connection) -> float:
    """Until the transaction ends, nobody reads or writes the tables; since when, by the monotonic clock.

    Raises:
        SwitchRefused: somebody read them all the time.
    """
    tables = ", ".join(f"{schema}.{table}" for schema in ("public", SCHEMA) for table in PROJECTIONS)
    await connection.execute(f"CREATE SCHEMA {RETIRED}")
    for _ in range(ATTEMPTS):
        began = time.perf_counter()
        try:
            async with connection.transaction():  # a savepoint: what was locked already is free again
                await connection.execute(f"SET LOCAL statement_timeout = '{READER_PATIENCE * 1000:.0f}ms'")
                await connection.execute(f"LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE")
        except (asyncpg.QueryCanceledError, asyncpg.DeadlockDetectedError):
            await asyncio.sleep(PAUSE)
        else:
            await be_patient(connection)
            return began
    raise SwitchRefused("somebody reads the tables all the time")


async def _swap(connection: Connection) -> None:
    """One round trip: readers wait."""
    away = [f"ALTER TABLE public.{table} SET SCHEMA {RETIRED}" for table in PROJECTIONS]
    here = [f"ALTER TABLE {SCHEMA}.{table} SET SCHEMA public" for table in PROJECTIONS]
    await connection.execute("; ".join(away + here))
