"""The jobs table, as the dispatcher moves it: every transition under the lease, with the epoch."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from shared.errors import UnderstudyError
from shared.postgres import Connection, queries, transaction
from shared.shopify.errors import UserError
from writer.job import Job, State
from writer.lease import LeaseLost, holding
from writer.merging import Group
from writer.procedures.steps import Done, Refused, Unknown, Write, Written

SQL = queries("writer")

WINDOW = 500  # rows that are looked through at once


class Withdrawn(UnderstudyError):
    """It was cancelled before anything was sent, or another job of its event has begun."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent for a job. `ready_in`: seconds until nothing of it can take effect any more; 0: now."""

    writes: tuple[Written, ...]
    ready_in: float
    now: datetime

    @property
    def unknown(self) -> bool:
        """Of one call at least nobody knows the outcome."""
        return any(isinstance(write.outcome, Unknown) for write in self.writes)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a job ends. `observation`: what has to be said on CHANGES about it."""

    state: State
    event_id: int | None = None
    ticket_id: int | None = None
    error: Mapping[str, Any] | None = None
    observation: Mapping[str, Any] | None = None


class Jobs:
    """Over a pool of the dispatcher's own: a flood of commands does not keep it waiting.

    All methods raise PostgresUnavailable; those that take an epoch raise LeaseLost, and then nothing was written.
    """

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", horizon: float, window: int = WINDOW) -> None:
        """`horizon`: seconds that Shopify may act on a request that was given up."""
        self._pool = pool
        self._horizon = horizon
        self._window = window

    async def due(self, busy: Collection[int], limit: int) -> list[Job]:
        """The first open job of each event that may be carried out now; not of the lanes that are `busy` here.

        What has begun goes before what waits in its lane. The others are found in the order of acceptance, a window
        at a time: the first row of a lane is its head. What stands behind `limit` heads is not read.
        """
        seen, found = set(busy), list[Job]()
        async with transaction(self._pool) as connection:
            for row in await connection.fetch(SQL.get_begun, list(seen)):
                seen.add(row["lane"])
                if row["due"]:
                    found.append(_job(row))
            while len(found) < limit:
                rows = await connection.fetch(SQL.get_waiting, list(seen), self._window)
                for row in rows:
                    if row["lane"] not in seen:
                        seen.add(row["lane"])
                        if row["due"]:
                            found.append(_job(row))
                if len(rows) < self._window:
                    break
        return found[:limit]

    async def queue(self, lane: int, limit: int) -> list[Job]:
        async with transaction(self._pool) as connection:
            return [_job(row) for row in await connection.fetch(SQL.get_queue, lane, limit)]

    async def sent(self, job: Job) -> Sent:
        async with transaction(self._pool) as connection:
            rows = await connection.fetch(SQL.get_calls, job.id, self._horizon)
            now = rows[0]["now"] if rows else await connection.fetchval("SELECT clock_timestamp()")
        writes = tuple(_written(row) for row in rows)
        return Sent(writes, max((row["ready_in"] for row in rows if not row["ready"]), default=0.0), now)

    async def stock_in_doubt(self, job: Job) -> UUID | None:
        """Another job that changes this ticket's capacity, and of which nobody knows whether it did."""
        async with transaction(self._pool) as connection:
            found: UUID | None = await connection.fetchval(SQL.find_stock_in_doubt, job.ticket_id, job.id)
            return found

    async def adopt(self, epoch: int, job: Job) -> None:
        """Take over what another epoch has left."""
        async with holding(self._pool, epoch) as connection:
            adopted = {row["id"] for row in await connection.fetch(SQL.adopt, epoch, job.id)}
            if job.id not in adopted:
                raise LeaseLost(f"job {job.id} is not there to be taken over")

    async def begin(self, epoch: int, group: Group, write: Write, within: float) -> int:
        """The first intent for a queued job and what it supersedes; its number.

        Raises:
            Withdrawn: one of them was cancelled meanwhile.
        """
        async with holding(self._pool, epoch) as connection:
            await _begin(connection, epoch, group)
            return await _intend(connection, epoch, group.leader.id, write, within)

    async def claim(self, epoch: int, group: Group) -> None:
        """Take queued jobs that end without anything being sent. Raises Withdrawn like `begin`."""
        async with holding(self._pool, epoch) as connection:
            await _begin(connection, epoch, group)

    async def part(self, epoch: int, group: Group) -> None:
        """Nothing was sent for them yet, and together they can't be carried out: each is tried alone."""
        async with holding(self._pool, epoch) as connection:
            await connection.execute(SQL.part, [job.id for job in (*group.superseded, group.leader)])

    async def intend(self, epoch: int, job_id: UUID, write: Write, within: float) -> int:
        """A further intent; its number."""
        async with holding(self._pool, epoch) as connection:
            return await _intend(connection, epoch, job_id, write, within)

    async def record(self, epoch: int, job_id: UUID, number: int, outcome: Done | Refused | None, cost: float) -> None:
        """What came of a call; None: it never left. Written down even when the lease is gone: then LeaseLost."""
        try:
            async with holding(self._pool, epoch) as connection:
                await _record(connection, job_id, number, outcome, cost, late=False)
        except LeaseLost:
            async with transaction(self._pool) as connection:
                await _record(connection, job_id, number, outcome, cost, late=True)
            raise

    async def give_up(self, job_id: UUID, number: int) -> None:
        """Its answer is not waited for any more: the horizon begins now."""
        async with transaction(self._pool) as connection:
            await connection.execute(SQL.give_up, job_id, number)

    async def park(self, epoch: int, job_id: UUID, seconds: float, because: str | None) -> None:
        """Its event waits until what was sent can take effect no more; the others go on."""
        async with holding(self._pool, epoch) as connection:
            await connection.execute(SQL.park, job_id, epoch, seconds, because)

    async def put_off(self, epoch: int, job_id: UUID, because: str) -> None:
        """It could not go on; why, for whoever looks at it."""
        async with holding(self._pool, epoch) as connection:
            await connection.execute(SQL.put_off, job_id, because)

    async def finish(self, epoch: int, group: Group, ending: Ending) -> datetime:
        """The job and what it supersedes; when it was accepted. `group.superseded` may be unknown here: SQL knows."""
        error = None if ending.error is None else dict(ending.error)
        async with holding(self._pool, epoch) as connection:
            accepted_at: datetime | None = await connection.fetchval(
                SQL.finish, group.leader.id, epoch, ending.state, ending.event_id, ending.ticket_id, error,
                None if ending.observation is None else dict(ending.observation),
            )  # fmt: skip
            if accepted_at is None:
                raise LeaseLost(f"job {group.leader.id} is not this epoch's")
            others = State.SUPERSEDED if ending.state is State.SUCCEEDED else ending.state
            await connection.execute(SQL.finish_superseded, group.leader.id, epoch, others, error)
            return accepted_at

    async def split(self, epoch: int, job_id: UUID) -> None:
        """Nothing of a merged call took effect: each of its commands is tried alone, in order."""
        async with holding(self._pool, epoch) as connection:
            await connection.execute(SQL.discard_calls, job_id)
            await connection.execute(SQL.split, job_id, epoch)

    async def tell_breaker(self, epoch: int, seconds: float, reason: str | None) -> None:
        """For the ETAs that every replica gives."""
        async with transaction(self._pool) as connection:
            await connection.execute(SQL.tell_breaker, epoch, seconds, reason)

    async def forget(self, days: int, limit: int) -> int:
        """Delete jobs that ended so long ago; how many."""
        async with transaction(self._pool) as connection:
            return len(await connection.fetch(SQL.forget, days, limit))


async def _begin(connection: Connection, epoch: int, group: Group) -> None:
    members = [job.id for job in (*group.superseded, group.leader)]
    merged = None if group.merged is None else dict(group.merged)
    try:
        begun = await connection.fetch(SQL.begin, epoch, group.leader.id, members, merged)
    except asyncpg.UniqueViolationError:
        raise Withdrawn from None
    if len(begun) < len(members):
        raise Withdrawn


async def _intend(connection: Connection, epoch: int, job_id: UUID, write: Write, within: float) -> int:
    variables = dict(write.variables)
    digest = hashlib.sha256(orjson.dumps([write.document, variables], option=orjson.OPT_SORT_KEYS)).digest()
    number: int | None = await connection.fetchval(
        SQL.intend, job_id, epoch, write.document, variables, digest, write.retry, within
    )
    if number is None:
        raise LeaseLost(f"job {job_id} is not this epoch's")
    return number


async def _record(
    connection: Connection, job_id: UUID, number: int, outcome: Done | Refused | None, cost: float, *, late: bool
) -> None:
    match outcome:
        case None:
            name, answer = "not_sent", None
        case Done(data):
            name, answer = "done", dict(data)
        case Refused(errors):
            said = [{"field": list(e.field), "message": e.message, "code": e.code} for e in errors]
            name, answer = "refused", {"userErrors": said}
    known = await connection.fetchval(SQL.record, job_id, number, name, answer, cost, late)
    if known and cost:
        await connection.execute(SQL.charge, job_id, cost)
    if known and late:
        await connection.execute(SQL.note_late, job_id)


def _job(row: "asyncpg.Record") -> Job:
    columns = {name: value for name, value in row.items() if name != "due"}
    return Job(**{**columns, "state": State(row["state"])})


def _written(row: "asyncpg.Record") -> Written:
    return Written(row["number"], row["document"], row["variables"], _outcome(row), row["sent_at"])


def _outcome(row: "asyncpg.Record") -> Done | Refused | Unknown:
    match row["outcome"]:
        case "done":
            return Done(row["answer"])
        case "refused":
            return Refused(_user_errors(row["answer"]["userErrors"]))
        case _:
            return Unknown()


def _user_errors(said: Sequence[Mapping[str, Any]]) -> tuple[UserError, ...]:
    return tuple(UserError(tuple(each["field"]), each["message"], each["code"]) for each in said)
