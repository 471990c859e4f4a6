"""How many jobs are open, whose they are, and how deep a place in the queue is: counted now and then.

Counting 100,000 rows takes tens of milliseconds; a command must not. Between two counts, what this process accepts is
added.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping

import structlog

from shared.ending import end
from shared.errors import UnderstudyError
from shared.postgres import transaction
from writer.api import metrics
from writer.api.desk import Desk
from writer.api.eta import Ahead
from writer.api.statements import SQL

log = structlog.get_logger()

AGE = 1.0  # seconds; then it is counted again, in the background
AGE_BEFORE_REFUSAL = 0.2  # seconds; who is to be refused may count on fresher figures
STRETCH = 1024  # of `seq`; within one, jobs are taken to be spread evenly


class Census:
    """Of the open jobs. `open`, `of` and `ahead` are at most about AGE old."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._counting: asyncio.Task[None] | None = None
        self._counted_at = float("-inf")
        self._owners: Counter[str] = Counter()
        self._stretches: dict[int, tuple[int, Counter[str]]] = {}  # jobs, and calls by kind
        self.costs: Mapping[str, float] = {}  # points by kind, on average of late

    @property
    def open(self) -> int:
        return self._owners.total()

    def of(self, owner: str) -> int:
        return self._owners[owner]

    def accepted(self, owner: str) -> None:
        self._owners[owner] += 1

    def ahead(self, seq: int, in_lane: int) -> Ahead:
        """What stands before that place, about."""
        jobs, calls = 0.0, Counter[str]()
        for stretch, (found, by_kind) in self._stretches.items():
            part = min(1.0, max(0.0, (seq - stretch * STRETCH) / STRETCH))
            jobs += found * part
            for kind, number in by_kind.items():
                calls[kind] += round(number * part)
        return Ahead(round(jobs), calls, in_lane)

    async def current(self) -> None:
        """Waits for the first count only. Raises PostgresUnavailable when that fails."""
        if self._counted_at == float("-inf"):
            await self.renew(AGE)
        elif time.monotonic() - self._counted_at > AGE and (self._counting is None or self._counting.done()):
            self._counting = asyncio.create_task(self._in_background(), name="census")

    async def renew(self, age: float = AGE_BEFORE_REFUSAL) -> None:
        """Count now, unless that was done less than `age` seconds ago."""
        if time.monotonic() - self._counted_at > age:
            await self._count()

    async def close(self) -> None:
        await end(self._counting)

    async def _in_background(self) -> None:
        try:
            await self._count()
        except UnderstudyError as error:
            metrics.CENSUS_FAILED.inc()
            log.warning("census.failed", error=str(error))

    async def _count(self) -> None:
        self._counted_at = time.monotonic()  # whoever comes meanwhile need not count, too
        try:
            async with transaction(self._desk.pool()) as connection:
                owners = await connection.fetch(SQL.count_by_owner)
                stretches = await connection.fetch(SQL.count_by_stretch, STRETCH)
                costs = await connection.fetch(SQL.average_costs)
        except UnderstudyError:
            self._counted_at = float("-inf") if not self._owners else self._counted_at
            raise
        self._owners = Counter({row["owner"]: row["jobs"] for row in owners})
        self._stretches = {}
        for row in stretches:
            found, by_kind = self._stretches.get(row["stretch"], (0, Counter[str]()))
            by_kind[row["kind"]] = row["calls"]
            self._stretches[row["stretch"]] = found + row["jobs"], by_kind
        self.costs = {row["kind"]: row["cost"] for row in costs}
