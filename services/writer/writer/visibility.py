"""Tell a job in which revision of its event readers see its effect, as soon as they do.

The syncer writes down where the effect of a job stands, in the transaction that projects it (table `effects`), and then
announces the revision. So a job is visible once that was announced. Where no announcement names it, because its webhook
was faster and the revision stood already, or because we have not heard it, the table alone has to do.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from uuid import UUID

import asyncpg
import structlog
from prometheus_client import Histogram

from shared.postgres import queries, transaction

# From the end of a job in Shopify to where readers see it: what "done" costs beyond Shopify's own time.
VISIBLE_SECONDS = Histogram(
    "understudy_job_visible_seconds",
    "From a job's end to its effect being visible",
    buckets=(0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 120, 600),
)
log = structlog.get_logger()
SQL = queries("writer", "visibility.sql")

# Seconds after which an effect counts as visible though no announcement of it was heard: P5's own.
WITHIN = 1.0
REMEMBERED = 5.0  # seconds that an announcement is remembered whose job has not ended in our tables yet
MOST_REMEMBERED = 10_000  # announcements; who is forgotten is visible `WITHIN` later
TOLD_AT_ONCE = 100  # jobs; as the query has it


class Visibility:
    """`changed` is called with each job that is visible now. May run in every replica."""

    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        changed: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pool = pool
        self._changed = changed
        self._clock = clock
        self._announced: dict[UUID, float] = {}  # when, by job; the oldest first

    def announced(self, job_id: str) -> None:
        """A revision was announced as this job's; what is no job of ours doesn't matter."""
        with suppress(ValueError):
            job = UUID(job_id)
            self._announced.pop(job, None)
            self._announced[job] = self._clock()
        while len(self._announced) > MOST_REMEMBERED:
            del self._announced[next(iter(self._announced))]

    async def step(self) -> bool:
        """True: there is more. Raises PostgresUnavailable."""
        self._forget()
        async with transaction(self._pool) as connection:
            rows = await connection.fetch(SQL.show, list(self._announced), WITHIN)
        for row in rows:
            self._announced.pop(row["id"], None)
            VISIBLE_SECONDS.observe(max(0.0, row["seconds"]))
            log.info("job.visible", job_id=str(row["id"]), event_id=row["event_id"], revision=row["visible_revision"])
            self._changed(str(row["id"]))
        return len(rows) == TOLD_AT_ONCE

    def _forget(self) -> None:
        before = self._clock() - REMEMBERED
        for job_id in [job_id for job_id, at in self._announced.items() if at < before]:
            del self._announced[job_id]
