"""Say on CHANGES what the jobs have done: `jobs.observation` is the outbox, `observed_at` says that it is said.

What an answer holds is said at once (`step`). Where a job changed more than was answered, its product is read first,
whole (`look`): with the points of commands, because nobody would call a command done that readers don't see. Both may
run in every replica: one of them reads at a time, and the bus drops what is said twice.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import structlog
from prometheus_client import Counter

from shared.bus import Bus, BusRefused
from shared.contracts import Change, Origin, ProductChangedV1, ProductDeletedV1, Shape
from shared.errors import Permanent, Unavailable, UnderstudyError
from shared.postgres import queries, transaction
from shared.shopify.products import ProductReader, ReadProduct
from writer.procedures.steps import Answered, Gone, Observation, Whole, observation_from_json

# A reason to look when `refused` grows: the effect is in Shopify, and only its webhook tells readers.
OBSERVED = Counter("understudy_jobs_observed_total", "Effects of jobs said on CHANGES, by how", ["what"])
log = structlog.get_logger()
SQL = queries("writer", "observer.sql")

SAID_AT_ONCE = 200  # observations
READ_AT_ONCE = 16  # products; Shopify takes 2-3 s for each
TAKEN_AT_ONCE = 100  # observations whose products are read
READ_DEADLINE = 55.0  # seconds for one product
FIRST_PAUSE = 1.0  # seconds after a read that failed; doubles
LONGEST_PAUSE = 300.0  # seconds


@dataclass(frozen=True, slots=True)
class Unobserved:
    """An observation that was not said yet. `finished_at`: by then its effect was there."""

    id: UUID
    state: str
    event_id: int | None
    observation: dict[str, Any]
    finished_at: datetime | None
    attempt: int

    @property
    def product_id(self) -> int | None:
        """Of what has to be read: where the observation itself can't be read, the job's event."""
        return self.seen.product_id if isinstance(self.seen, Whole) else self.event_id

    @property
    def seen(self) -> Observation | None:
        """None: it is no observation that we know."""
        try:
            return observation_from_json(self.observation)
        except (Permanent, ValueError):
            return None


@dataclass(slots=True)
class Failing:
    """A product that can't be read; when it is due again, by the monotonic clock."""

    failures: int
    due: float


class Observer:
    """`reader` acts with the share of commands; `shop` is the shop's domain."""

    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        bus: Bus,
        reader: ProductReader,
        shop: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pool = pool
        self._bus = bus
        self._reader = reader
        self._shop = shop
        self._clock = clock
        self._failing: dict[int, Failing] = {}  # by product

    async def step(self) -> bool:
        """Say what was answered. True: there is more.

        Raises:
            BusUnavailable, PostgresUnavailable: it is said again, and the bus drops what it has already.
        """
        async with transaction(self._pool) as connection:
            jobs = [Unobserved(**row) for row in await connection.fetch(SQL.get_answered, SAID_AT_ONCE)]
        if jobs:
            said = [(job, self._change(job)) for job in jobs]
            await self._give_up([job for job, change in said if change is None], "the observation can't be read")
            await self._say([(job, change) for job, change in said if change is not None])
        return len(jobs) == SAID_AT_ONCE

    async def look(self) -> bool:
        """Read what has to be read, and say it, unless another replica is at it. True: there is more.

        Raises:
            ShopifyUnavailable and the like: nobody answers, so no other product is tried either.
            BusUnavailable, PostgresUnavailable
        """
        not_due = self._not_due()
        async with transaction(self._pool) as connection:
            if not await connection.fetch(SQL.get_unread, not_due, 1):
                return False
            await connection.execute(SQL.be_patient, READ_DEADLINE * 1.5)
            if not await connection.fetchval(SQL.look_alone):
                return False
            rows = await connection.fetch(SQL.get_unread, not_due, TAKEN_AT_ONCE)
            return await self._read([Unobserved(**row) for row in rows])  # nobody else looks until the transaction ends

    async def _read(self, jobs: Sequence[Unobserved]) -> bool:
        await self._give_up([job for job in jobs if job.product_id is None], "nothing says which event it was")
        products = list(dict.fromkeys(job.product_id for job in jobs if job.product_id is not None))
        ended = await asyncio.gather(
            *(self._observe(each, [job for job in jobs if job.product_id == each]) for each in products[:READ_AT_ONCE]),
            return_exceptions=True,
        )
        for error in ended:
            if error is not None:
                raise error
        return len(products) > READ_AT_ONCE or len(jobs) == TAKEN_AT_ONCE

    async def _observe(self, product_id: int, jobs: Sequence[Unobserved]) -> None:
        """One read answers all jobs of an event that wait for one: it began after the last of their effects."""
        try:
            async with asyncio.timeout(READ_DEADLINE):
                read = await self._reader.product(product_id)
        except Unavailable:
            raise
        except (UnderstudyError, TimeoutError) as error:
            self._put_off(product_id, error)
            return
        self._failing.pop(product_id, None)
        await self._say([(job, self._sighting(job, product_id, read)) for job in jobs])

    def _put_off(self, product_id: int, error: Exception) -> None:
        """What Shopify refuses for good is asked rarely, but never forgotten: the job says that it isn't visible."""
        failures = self._failing[product_id].failures + 1 if product_id in self._failing else 1
        pause = (
            LONGEST_PAUSE if isinstance(error, Permanent) else min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(failures, 10))
        )
        self._failing[product_id] = Failing(failures, self._clock() + pause)
        log.warning("observation.postponed", event_id=product_id, seconds=pause, failures=failures, error=repr(error))

    def _not_due(self) -> list[str]:
        return [str(product_id) for product_id, failing in self._failing.items() if failing.due > self._clock()]

    async def _say(self, said: Sequence[tuple[Unobserved, Change]]) -> None:
        try:
            await self._bus.publish_all([change for _, change in said])
        except BusRefused:  # one of them: alone, it holds up no other
            said = await self._say_each(said)
        await self._mark(job for job, _ in said)
        for job, change in said:
            OBSERVED.labels(job.observation.get("what", "unreadable")).inc()
            log.info("job.observed", job_id=str(job.id), change=change.id, event_id=job.event_id)

    async def _say_each(self, said: Iterable[tuple[Unobserved, Change]]) -> list[tuple[Unobserved, Change]]:
        taken = []
        for job, change in said:
            try:
                await self._bus.publish(change)
            except BusRefused as error:
                await self._give_up([job], str(error))
            else:
                taken.append((job, change))
        return taken

    async def _give_up(self, jobs: Collection[Unobserved], reason: str) -> None:
        """The effect is in Shopify, and its webhook brings it; but no revision will be called this job's."""
        for job in jobs:
            OBSERVED.labels("refused").inc()
            log.error("observation.refused", job_id=str(job.id), event_id=job.event_id, reason=reason)
        await self._mark(jobs)

    async def _mark(self, jobs: Iterable[Unobserved]) -> None:
        if marked := [(job.id, job.state, job.attempt) for job in jobs]:
            async with transaction(self._pool) as connection:
                await connection.execute(SQL.mark_observed, *zip(*marked, strict=True))

    def _change(self, job: Unobserved) -> Change | None:
        """What was answered, named the same each time, so that a second time is a duplicate. None: it says nothing."""
        match job.seen:
            case Answered(node, seen_at) if job.event_id is not None:
                about = self._about(job, job.event_id, seen_at)
                return ProductChangedV1(**about, shape=Shape.ANSWER, body=orjson.dumps(node))
            case Gone(product_id):
                return ProductDeletedV1(**self._about(job, product_id, job.finished_at or datetime.now(UTC)))
        return None

    def _sighting(self, job: Unobserved, product_id: int, read: ReadProduct) -> Change:
        about = self._about(job, product_id, read.began_at)
        if read.node is None:
            return ProductDeletedV1(**about)
        return ProductChangedV1(**about, shape=Shape.GRAPHQL, body=orjson.dumps(read.node))

    def _about(self, job: Unobserved, product_id: int, seen_at: datetime) -> dict[str, Any]:
        return {
            "id": f"{Origin.COMMAND}:{job.id}:{job.attempt}:{seen_at.isoformat()}",
            "source": "writer",
            "subject": f"product/{product_id}",
            "time": datetime.now(UTC),
            "origin": Origin.COMMAND,
            "triggered_at": seen_at,
            "shop": self._shop,
            "caused_by": str(job.id),
            "product_id": product_id,
        }
