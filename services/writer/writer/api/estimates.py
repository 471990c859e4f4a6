"""Where a job stands and when it will have taken effect, by what is known right now: nobody waits for an estimate."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import structlog

from shared.ending import end
from writer.api import eta
from writer.api.census import Census
from writer.api.desk import Desk
from writer.api.documents import QUEUED, job_document
from writer.api.eta import STANDARD, Ahead, Conditions, Fixed, Level

log = structlog.get_logger()

AGE = 0.5  # seconds that a level is taken as it was said; then it is asked for again
ANSWER_WITHIN = 2.0  # seconds
COUNTED = 1000  # jobs ahead that SQL counts one by one


class Estimates:
    def __init__(self, desk: Desk, census: Census) -> None:
        self._desk = desk
        self._census = census
        self._said: Level | None = None
        self._asked_at = float("-inf")
        self._asking: asyncio.Task[None] | None = None

    def document(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The public JSON of a row of `get_job` or `insert_job`."""
        if row["state"] != QUEUED:
            return job_document(row)
        ahead = Ahead(row["jobs"], row["calls"], row["in_lane"])
        if ahead.jobs > COUNTED:
            deep = self._census.ahead(row["seq"], row["in_lane"])
            ahead = deep if deep.jobs > COUNTED else ahead
        now = Conditions(
            level=self._level(),
            latency=row["latency"] or eta.USUAL_LATENCY,
            slots=self._desk.slots,
            breaker=row["breaker"],
            costs=self._census.costs,
        )
        return job_document(row, ahead.jobs + 1, eta.seconds(row["kind"], ahead, now, row["parked"]))

    async def close(self) -> None:
        await end(self._asking)

    def _level(self) -> Level:
        """As it was said last, and what has flowed in since."""
        passed = time.monotonic() - self._asked_at
        if passed > AGE and (self._asking is None or self._asking.done()):
            self._asking = asyncio.create_task(self._ask(), name="budget level")
        if self._said is None:
            return STANDARD
        said = self._said
        return Fixed(min(said.maximum, said.available + said.rate * passed), said.maximum, said.rate)

    async def _ask(self) -> None:
        asked_at = time.monotonic()
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                self._said = await self._desk.level()
        except Exception as error:  # noqa: BLE001 (whatever ails the governor, commands are accepted; it says so itself)
            log.warning("level.unknown", error=repr(error))
        self._asked_at = asked_at
