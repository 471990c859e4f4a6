"""Carry out what was asked for in the table `runs`: a backfill, a reconcile, a doctor's visit, a rebuild.

Operators and schedules ask by INSERT. One process at a time has a run, by an advisory lock on a connection of its own:
who dies loses it at once, and whoever looks next goes on from the run's cursor.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import asyncpg
import structlog

from shared.ending import end
from shared.errors import Permanent, Unavailable, UnderstudyError
from shared.postgres import Connection, answering, queries, transaction
from syncer import metrics

log = structlog.get_logger()
SQL = queries("syncer", "runs.sql")

LOCKS = 0x72756E73  # "runs": the first half of the lock of each run
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds after an attempt that failed; doubles
MAX_ATTEMPTS = 10  # without getting any further; what is only away is waited for
LOOK_AGAIN = 1.0  # seconds between looks whether the run was cancelled
KEPT = 30  # days that ended runs are kept
PUTTING_AWAY = 10.0  # seconds that a work may take to clean up behind itself when it is stopped
MAX_ERROR = 1000  # characters

KEEP: Final = object()  # leave the cursor as it is


class RunCancelled(Permanent):
    """Somebody cancelled the run."""


@dataclass(frozen=True)
class Run:
    """One row of `runs`, as it was when this attempt began."""

    id: int
    kind: str
    scope: str
    options: dict[str, Any]
    cursor: dict[str, Any] | None
    asked_by: str  # start | schedule | operator | doctor
    asked_at: datetime
    started_at: datetime
    attempts: int  # since it last got further; 1 is the first


Work = Callable[[Run], Awaitable[Mapping[str, object]]]  # returns the report


class Runs:
    """What is said in the table."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self.pool = pool

    async def ask(
        self,
        kind: str,
        scope: str = "",
        *,
        asked_by: str,
        options: Mapping[str, object] | None = None,
        connection: Connection | None = None,
    ) -> int:
        """The id of the run; of the one that is open already, if there is one."""
        async with self._within(connection) as inside:
            run_id: int = await inside.fetchval(SQL.ask, kind, scope, asked_by, dict(options or {}))
            return run_id

    async def last(self, kind: str, scope: str = "") -> asyncpg.Record | None:
        """The newest run that succeeded, with `now`, the database's time."""
        async with transaction(self.pool) as connection:
            return await connection.fetchrow(SQL.last, kind, scope)

    async def progress(
        self,
        run: Run,
        stage: str,
        done: int = 0,
        expected: int | None = None,
        *,
        cursor: object = KEEP,
        connection: Connection | None = None,
    ) -> None:
        """Say how far it has come. A new `cursor` is where a successor goes on.

        Raises:
            RunCancelled: somebody cancelled it; stop here.
        """
        values = (run.id, stage, done, expected, cursor is not KEEP, None if cursor is KEEP else cursor)
        async with self._within(connection) as inside:
            if not await inside.fetchval(SQL.progress, *values):
                raise RunCancelled

    def _within(self, connection: Connection | None) -> Any:
        return transaction(self.pool) if connection is None else nullcontext(connection)


class Runner:
    """Carries out the runs of one kind, one after the other."""

    def __init__(self, kind: str, pool: "asyncpg.Pool[asyncpg.Record]", work: Work) -> None:
        self._kind = kind
        self._pool = pool
        self._work = work

    async def step(self) -> bool:
        """Carry out what is due. True: there may be more."""
        async with transaction(self._pool) as connection:
            due = [row["id"] for row in await connection.fetch(SQL.due, self._kind)]
        for run_id in due:
            async with self._holding(run_id) as holder:
                if holder is not None:
                    await self._carry_out(run_id, holder)
        return False

    @asynccontextmanager
    async def _holding(self, run_id: int) -> AsyncIterator[Connection | None]:
        """The connection whose lock the run is; None: another process has it."""
        lock = (LOCKS, run_id % 2**31)
        async with answering(), self._pool.acquire(timeout=5) as connection:
            held = await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", *lock)
            try:
                yield connection if held else None
            finally:
                if held and not connection.is_closed():
                    await connection.execute("SELECT pg_advisory_unlock($1, $2)", *lock)

    async def _carry_out(self, run_id: int, holder: Connection) -> None:
        row = await holder.fetchrow(SQL.begin, run_id)
        if row is None:
            return  # it ended, or was cancelled, since we looked
        run = Run(**row)
        resumed = run.cursor is not None
        log.info("run.began", run=run.id, kind=run.kind, scope=run.scope, attempt=run.attempts, resumed=resumed)
        try:
            report = await self._while_ours(run, holder)
        except RunCancelled:
            log.info("run.cancelled", run=run.id, kind=run.kind, scope=run.scope)
        except UnderstudyError as error:
            await self._give_up_or_put_off(run, error)
        else:
            await self._succeed(run, report)

    async def _while_ours(self, run: Run, holder: Connection) -> Mapping[str, object]:
        """Do the work; end it soon after somebody has cancelled the run, or our lock is lost with its connection."""
        working = asyncio.create_task(_work(self._work, run), name=f"run {run.id}")
        watching = asyncio.create_task(_ended(run, holder), name=f"watch run {run.id}")
        try:
            await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return working.result()
            watching.result()
            raise RunCancelled
        finally:
            await end(watching)
            await end(working, PUTTING_AWAY)

    async def _succeed(self, run: Run, report: Mapping[str, object]) -> None:
        async with transaction(self._pool) as connection:
            seconds = await connection.fetchval(SQL.succeed, run.id, dict(report))
            await connection.execute(SQL.prune, run.kind, KEPT)
        metrics.RUNS.labels(run.kind, run.scope, "succeeded").inc()
        log.info("run.succeeded", run=run.id, kind=run.kind, scope=run.scope, seconds=seconds, report=dict(report))

    async def _give_up_or_put_off(self, run: Run, error: UnderstudyError) -> None:
        words = (str(error) or repr(error))[:MAX_ERROR]
        final = isinstance(error, Permanent) or (run.attempts >= MAX_ATTEMPTS and not isinstance(error, Unavailable))
        async with transaction(self._pool) as connection:
            if final:
                await connection.execute(SQL.fail, run.id, f"{type(error).__name__}: {words}")
            else:
                pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(run.attempts - 1, 10))
                await connection.execute(SQL.put_off, run.id, f"{type(error).__name__}: {words}", pause)
        metrics.RUNS.labels(run.kind, run.scope, "failed" if final else "put_off").inc()
        say = log.error if final else log.warning
        name = {"run": run.id, "kind": run.kind, "scope": run.scope}
        say("run.did_not_end", **name, attempt=run.attempts, final=final, error=repr(error))


async def _work(work: Work, run: Run) -> Mapping[str, object]:
    return await work(run)


async def _ended(run: Run, holder: Connection) -> None:
    """Return once the run is not running any more.

    Raises:
        PostgresUnavailable: the connection is gone, and with it our lock.
    """
    while True:
        await asyncio.sleep(LOOK_AGAIN)
        async with answering():
            if not await holder.fetchval(SQL.is_open, run.id):
                return
