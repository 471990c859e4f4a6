"""Commands and what became of them: read the writer's tables, and move a job as far as an operator may."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import orjson

from ops.database import Database, Row
from ops.failures import NotFound, Refused, SettingWrong
from ops.job import STATES, Call, Census, Dispatcher, Job, Story
from shared.postgres import queries

RAW = queries("ops", "jobs.sql")
SQL = SimpleNamespace(**{name: text.replace("{columns}", RAW.columns) for name, text in vars(RAW).items()})

DIGITS, SHORTEST = 32, 8  # hexadecimal: of an id, and of the beginning of one; the first 12 are its time


@dataclass(frozen=True)
class Move:
    """What an operator may do to a job. `states`: that it has to be in; `only`: those in words. `done`: in words."""

    states: tuple[str, ...]
    only: str
    done: str


RETRY = Move(("failed", "in_doubt"), "failed or are in doubt", "retried")
RESOLVE = Move(("in_doubt",), "are in doubt", "resolved")
CANCEL = Move(("queued",), "are queued", "cancelled")


class Jobs:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def newest(self, states: Sequence[str], event_id: int | None, limit: int) -> list[Job]:
        """The one that was accepted, or tried again, last comes first. No `states`: all."""
        rows = await self._database.rows(SQL.newest, list(states) or None, event_id, limit)
        return [_job(row) for row in rows]

    async def counts(self, event_id: int | None) -> dict[str, int]:
        """By state, all states."""
        found = {row["state"]: row["jobs"] for row in await self._database.rows(SQL.counts, event_id)}
        return {state: found.get(state, 0) for state in STATES}

    async def dispatcher(self) -> Dispatcher:
        rows = await self._database.rows(SQL.dispatcher)
        return Dispatcher(**{field.name: rows[0][field.name] for field in fields(Dispatcher)})

    async def census(self) -> Census:
        rows = await self._database.rows(SQL.census)
        return Census(**rows[0])

    async def find(self, text: str) -> UUID:
        """The job that is meant by its id, or by the beginning of its id.

        Raises:
            SettingWrong: it is neither.
            NotFound: none begins like this.
            Refused: several do.
        """
        first, last = _range(text)
        found = [row["id"] for row in await self._database.rows(SQL.between, first, last)]
        if not found:
            raise NotFound(f"there is no job {text}; `understudy jobs` lists them")
        if len(found) > 1:
            raise Refused(f"several jobs begin with {text}; say more of the id")
        job_id: UUID = found[0]
        return job_id

    async def get(self, job_id: UUID) -> Job:
        """Raises NotFound."""
        row = await self._database.row(SQL.job, job_id)
        if row is None:
            raise NotFound(f"there is no job {job_id}; `understudy jobs` lists them")
        return _job(row)

    async def story(self, job_id: UUID) -> Story:
        """Raises NotFound."""
        job = await self.get(job_id)
        calls = [_call(row) for row in await self._database.rows(SQL.calls, job_id)]
        took_in = [row["id"] for row in await self._database.rows(SQL.took_in, job_id)]
        row = await self._database.row(SQL.served, job.event_id) if job.event_id is not None else None
        served = orjson.loads(row["manage_document"]) if row else None
        return Story(job, calls, took_in, served, row is not None and row["deleted_at"] is not None)

    async def retry(self, job_id: UUID, note: str | None) -> Job:
        """Queue it again, behind all that was accepted since. Raises NotFound, Refused."""
        return await self._moved(job_id, RETRY, SQL.retry, note)

    async def resolve(self, job_id: UUID, became: str, note: str, event_id: int | None) -> Job:
        """Say what became of one that is in doubt. Raises NotFound, Refused."""
        return await self._moved(job_id, RESOLVE, SQL.resolve, became, note, event_id)

    async def cancel(self, job_id: UUID) -> Job:
        """Raises NotFound, Refused."""
        return await self._moved(job_id, CANCEL, SQL.cancel)

    async def _moved(self, job_id: UUID, move: Move, statement: str, *values: Any) -> Job:
        """Its row afterwards."""
        row = await self._database.row(statement, job_id, *values)
        job = await self.get(job_id)
        if row is None or not row["done"]:
            found = row["found"] if row and row["found"] else job.state
            raise _refused(job, found, move)
        return job


def check(job: Job, move: Move) -> None:
    """What PostgreSQL will say, before anybody is asked whether they are sure. Raises Refused."""
    if job.state not in move.states:
        raise _refused(job, job.state, move)


def _refused(job: Job, found: str, move: Move) -> Refused:
    return Refused(f"{job.name} is {found.replace('_', ' ')}; only jobs that {move.only} can be {move.done}")


def _range(text: str) -> tuple[UUID, UUID]:
    digits = text.strip().lower().replace("-", "")
    if not SHORTEST <= len(digits) <= DIGITS or set(digits) - set("0123456789abcdef"):
        raise SettingWrong(f"{text!r} is no job's id, nor the beginning of one ({SHORTEST} digits at least)")
    return UUID(digits.ljust(DIGITS, "0")), UUID(digits.ljust(DIGITS, "f"))


def _job(row: Row) -> Job:
    return Job(**{field.name: row[field.name] for field in fields(Job)})


def _call(row: Row) -> Call:
    return Call(**{field.name: row[field.name] for field in fields(Call)})
