"""Announce on JOBS every job whose public document is not what was said of it last.

The table knows what was said (`announced`), so nothing is lost while NATS is away, or by a death: it is said later.
Only the newest version of a job needs saying. One replica at a time announces, so what is said of a job comes in order.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import asyncpg
import orjson
import structlog
from prometheus_client import Counter

from shared.bus import Bus, BusRefused
from shared.contracts import JobChangedV1
from shared.postgres import Connection, queries, transaction
from writer.api.documents import job_document

ANNOUNCED = Counter("understudy_jobs_announced_total", "Announcements on JOBS")
log = structlog.get_logger()
SQL = queries("writer", "herald.sql")

AT_ONCE = 200  # jobs: one sync of NATS' disk


class Herald:
    """May run in every replica."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", bus: Bus) -> None:
        self._pool = pool
        self._bus = bus

    async def step(self) -> bool:
        """True: there is more.

        Raises:
            BusUnavailable, PostgresUnavailable: it is said again; the bus drops what it has already.
            PostgresBusy: another replica takes its time.
        """
        async with transaction(self._pool) as connection:
            if not await connection.fetchval(SQL.has_news):
                return False
            await connection.execute(SQL.be_brief)
            await connection.execute(SQL.take_the_word)
            rows = await connection.fetch(SQL.get_news, AT_ONCE)
            await self._say([_announcement(row) for row in rows])
            await _remember(connection, rows)
        ANNOUNCED.inc(len(rows))
        return len(rows) == AT_ONCE

    async def _say(self, announcements: Sequence[JobChangedV1]) -> None:
        try:
            await self._bus.publish_all(announcements)
        except BusRefused:  # one of them: alone, it holds up no other
            for each in announcements:
                try:
                    await self._bus.publish(each)
                except BusRefused as error:
                    log.error("job.not_announced", job_id=each.job_id, version=each.version, reason=str(error))  # noqa: TRY400 (its words say it all)


def _announcement(row: "asyncpg.Record") -> JobChangedV1:
    return JobChangedV1(
        id=f"job:{row['id']}:{row['version']}",
        source="writer",
        subject=f"job/{row['id']}",
        time=datetime.now(UTC),
        job_id=str(row["id"]),
        owner=row["owner"],
        state=row["state"],
        version=row["version"],
        body=orjson.dumps(job_document(dict(row))),
    )


async def _remember(connection: Connection, rows: Sequence["asyncpg.Record"]) -> None:
    if rows:
        await connection.execute(SQL.set_announced, [row["id"] for row in rows], [row["version"] for row in rows])
