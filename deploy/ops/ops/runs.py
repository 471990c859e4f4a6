"""Ask the syncer for a long work, and read how far it has come: rows of the table `runs`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from ops.database import Database, Row
from ops.failures import NotFound, Refused
from shared.postgres import queries

SQL = queries("ops")

OPEN = ("asked", "running")
TRIES = 5  # that a run may be open when we ask, and over when we look for it


@dataclass(frozen=True)
class Run:
    """One row. `seconds`: since it began, or from its beginning to its end; those of a run that nobody took up yet are
    since it was asked for. `unheard`: seconds since the syncer should have written to it, and has not.
    """

    id: int
    kind: str
    scope: str
    options: dict[str, Any]
    asked_by: str
    state: str
    stage: str | None
    done: int
    expected: int | None
    report: dict[str, Any] | None
    error: str | None
    attempts: int
    asked_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    seconds: float
    unheard: float
    behind: int | None

    @property
    def open(self) -> bool:
        return self.state in OPEN

    @property
    def name(self) -> str:
        """As people are told of it: `reconcile 17 (whole)`."""
        return f"{self.kind} {self.id}" + (f" ({self.scope})" if self.scope else "")

    def summary(self) -> dict[str, Any]:
        """For programs."""
        told = asdict(self)
        for internal in ("unheard", "behind"):
            del told[internal]
        return {**told, "seconds": round(self.seconds, 1)}


@dataclass(frozen=True)
class Asked:
    """`joined`: it was open already. `same`: and was asked for with the same options."""

    id: int
    joined: bool
    same: bool = True


class Runs:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def now(self) -> datetime:
        """The database's time, by which runs and drift are dated."""
        rows = await self._database.rows(SQL.now)
        now: datetime = rows[0]["now"]
        return now

    async def ask(self, kind: str, scope: str, options: Mapping[str, Any]) -> Asked:
        """Ask for a run, or join the one of this kind and scope that is open. Raises Refused."""
        for _ in range(TRIES):
            new = await self._database.row(SQL.ask, kind, scope, dict(options))
            if new is not None:
                return Asked(new["id"], joined=False)
            open_one = await self._database.row(SQL.join_open, kind, scope)
            if open_one is not None:
                return Asked(open_one["id"], joined=True, same=open_one["options"] == options)
        raise Refused(f"{kind}: one run after the other begins and ends; try again")

    async def get(self, run_id: int) -> Run:
        """Raises NotFound."""
        row = await self._database.row(SQL.run, run_id)
        if row is None:
            raise NotFound(f"there is no run {run_id}; `understudy runs` lists them")
        return _run(row)

    async def recent(self, limit: int) -> list[Run]:
        """Newest first."""
        return [_run(row) for row in await self._database.rows(SQL.recent, limit)]

    async def cancel(self, run_id: int) -> Run:
        """Its row afterwards. Raises NotFound, and Refused when it is over already."""
        cancelled = await self._database.row(SQL.cancel, run_id)
        run = await self.get(run_id)
        if cancelled is None:
            raise Refused(f"{run.name} is over already: {run.state}")
        return run


def _run(row: Row) -> Run:
    return Run(**{field.name: row[field.name] for field in fields(Run)})
