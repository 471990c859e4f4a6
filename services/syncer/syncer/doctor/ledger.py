"""Read from NATS and PostgreSQL what the doctor judges."""

from datetime import UTC, datetime, timedelta

import asyncpg
from faststream.nats import NatsBroker

from shared import bus_state
from shared.contracts import Change, UnknownContract
from shared.postgres import queries, transaction
from shared.topology import CHANGES, DEAD_LETTERS, SYNCER_CHANGES
from syncer.doctor.clocks import Ahead, ahead
from syncer.doctor.repairs import Course
from syncer.doctor.traffic import FAILING_ATTEMPTS, INCOMPLETE_AFTER, Heard, Queue, Stuck
from syncer.runs import Runs

SQL = queries("syncer.doctor")

SKEW = timedelta(minutes=5)  # between Shopify's clock and the bus's, at most
MOST_SIGHTINGS = 1000


class Ledger:
    """What the bus and the tables say of how the work goes."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", broker: NatsBroker) -> None:
        self._pool = pool
        self._broker = broker
        self._runs = Runs(pool)

    async def queue(self) -> Queue:
        """How the syncer's consumer stands. Raises BusUnavailable."""
        found = await bus_state.standing(self._broker, SYNCER_CHANGES)
        age = None if found.oldest_at is None else (datetime.now(UTC) - found.oldest_at).total_seconds()
        return Queue(found.pending, found.unanswered, age)

    async def dead_letters(self) -> int:
        """How many there are. Raises BusUnavailable."""
        return await bus_state.count(self._broker, DEAD_LETTERS)

    async def heard(self, product_id: int) -> Heard | None:
        """The last change of this product on CHANGES. Raises BusUnavailable."""
        try:
            change = await bus_state.last(self._broker, CHANGES, f"changes.product.{product_id}")
        except UnknownContract:
            return None
        return Heard(change.origin.value, change.triggered_at) if isinstance(change, Change) else None

    async def sightings(self, product_id: int, since: datetime) -> list[Heard]:
        """Who has seen this product since then. Raises BusUnavailable."""
        subject = f"changes.product.{product_id}"
        try:
            found = await bus_state.since(self._broker, CHANGES, subject, since - SKEW, MOST_SIGHTINGS)
        except UnknownContract:
            return []
        return [Heard(change.origin.value, change.triggered_at) for change in found if isinstance(change, Change)]

    async def stuck(self) -> Stuck:
        async with transaction(self._pool) as connection:
            [row] = await connection.fetch(SQL.stuck_refetches, FAILING_ATTEMPTS)
            incomplete = await connection.fetchval(SQL.incomplete, INCOMPLETE_AFTER)
        return Stuck(row["refetches"], row["oldest"], row["error"], incomplete)

    async def course(self, kind: str, scope: str = "") -> Course:
        last = await self._runs.last(kind, scope)
        async with transaction(self._pool) as connection:
            now = await connection.fetchrow(SQL.open_run, kind, scope)
            failure = await connection.fetchrow(SQL.newest_failed, kind, scope)
        ended_at = None if last is None else last["finished_at"]
        under_way = None if now is None else _words(now)
        if failure is None:
            return Course(ended_at, under_way)
        return Course(ended_at, under_way, failure["finished_at"], failure["error"])

    async def drift(self) -> tuple[dict[str, tuple[int, int]], int]:
        """By cause (fields, events) of the last day; and how many events there are."""
        async with transaction(self._pool) as connection:
            rows = await connection.fetch(SQL.drift_of_a_day)
            events = await connection.fetchval(SQL.count_events)
        return {row["cause"]: (row["fields"], row["events"]) for row in rows}, events

    async def clock(self) -> Ahead:
        """How far PostgreSQL's clock is ahead of ours."""
        async with transaction(self._pool) as connection:
            asked_at = datetime.now(UTC)
            said = await connection.fetchval("SELECT clock_timestamp()")
            return ahead(asked_at, said, datetime.now(UTC))


def _words(run: asyncpg.Record) -> str:
    if run["state"] == "asked":
        return "asked for"
    stage = f"under way ({run['stage']}: {run['done']} of {run['expected'] or '?'})" if run["stage"] else "under way"
    return f"{stage}, and was put off: {run['error']}" if run["error"] else stage
