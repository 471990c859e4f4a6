"""Give every event whose turn it is to an execution: one job at a time for each event, many events at once.

Only who holds the lease does; the other replicas wait for it. A slow Shopify is no reason to leave points unused, so as
many executions wait for an answer as the governor has places; a failing one is left alone until the breaker closes.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from shared.errors import UnderstudyError
from shared.shopify import ShopifyClient
from writer import metrics
from writer.breaker import CLOSED, failed, failure, is_open, may_call, opens_in, succeeded
from writer.execution import Checkpoint, Ended, Execution, Parked, nowhere
from writer.job import Job, State
from writer.jobs import Jobs, Withdrawn
from writer.lease import Lease, LeaseLost
from writer.merging import MOST, Group, group
from writer.procedures.steps import Shop
from writer.wakeups import Wakeups

log = structlog.get_logger()

LOOK = 0.25  # seconds between looks for what nobody told us of
FIRST_REST, LONGEST_REST = 0.5, 30.0  # seconds that an event rests after a failure; doubles
MOST_BREAKS = 5  # errors that nobody expected, one after the other, until a job ends of them


class Dispatcher:
    """`run` it as long as the process lives; `stop` lets what is under way end."""

    def __init__(
        self,
        *,
        jobs: Jobs,
        lease: Lease,
        client: ShopifyClient,
        shop: Callable[[], Awaitable[Shop]],
        wakeups: Wakeups,
        at_once: int,
        patience: float,
        horizon: float,
        at: Checkpoint = nowhere,
    ) -> None:
        """`at_once`: executions under way. `patience`: seconds for one request. `horizon`: see `execution`."""
        self._jobs = jobs
        self._lease = lease
        self._client = client
        self._shop = shop
        self._news = asyncio.Event()
        self._wakeups = wakeups
        wakeups.of_all(self._news.set)
        self._at_once = at_once
        self._patience = patience
        self._horizon = horizon
        self._at = at
        self._under_way: dict[int, tuple[Execution, asyncio.Task[None]]] = {}  # by lane
        self._resting: dict[int, float] = {}  # lanes, and until when on the monotonic clock
        self._failures: dict[int, int] = {}  # of a lane, one after the other
        self._breaker = CLOSED
        self._stopping = False

    async def run(self) -> None:
        while not self._stopping:
            self._news.clear()
            try:
                more = self._lease.held and await self._pick()
            except UnderstudyError as error:
                log.warning("dispatcher.not_picked", reason=str(error))
                more = False
            if not more:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), LOOK)

    async def stop(self, patience: float) -> None:
        """Nothing new is sent. What waits for points is let go; what was sent has `patience` seconds to be answered."""
        self._stopping = True
        self._news.set()
        for execution, task in self._under_way.values():
            if not execution.sending:
                task.cancel()
        tasks = [task for _, task in self._under_way.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=patience)
        for _, task in self._under_way.values():
            task.cancel()

    # Whose turn it is

    async def _pick(self) -> bool:
        """Start what may start; True when there may be more."""
        if (free := self._free()) <= 0:
            return False
        shop = await self._shop()
        due = await self._jobs.due(self._busy(), free)
        for job in due:
            chosen = await self._group(job)
            if chosen is not None and job.lane not in self._under_way:
                self._start(chosen, shop)
        return len(due) == free

    def _free(self) -> int:
        """How many more may start: one at a time while nobody knows whether Shopify is well again."""
        if not may_call(self._breaker, time.monotonic(), probing=bool(self._under_way)):
            return 0
        return 1 if is_open(self._breaker) else self._at_once - len(self._under_way)

    def _busy(self) -> set[int]:
        """Lanes that are under way, or rest."""
        now = time.monotonic()
        self._resting = {lane: until for lane, until in self._resting.items() if until > now}
        return self._under_way.keys() | self._resting.keys()

    async def _group(self, job: Job) -> Group | None:
        """A job that has begun goes on as it is; a queued one takes in what stands behind it."""
        if job.state is State.DISPATCHING:
            return Group(job)
        queue = await self._jobs.queue(job.lane, MOST)
        return group(queue) if queue and queue[0].id == job.id else None

    def _start(self, chosen: Group, shop: Shop) -> None:
        execution = Execution(
            chosen,
            jobs=self._jobs,
            lease=self._lease,
            client=self._client,
            shop=shop,
            patience=self._patience,
            horizon=self._horizon,
            at=self._at,
        )
        task = asyncio.create_task(self._carry_out(execution), name=f"job {chosen.leader.id}")
        self._under_way[chosen.leader.lane] = execution, task
        metrics.IN_FLIGHT.set(len(self._under_way))

    # What becomes of it

    async def _carry_out(self, execution: Execution) -> None:
        lane = execution.job.lane
        try:
            await self._heed(lane, await execution.run())
        except Withdrawn:
            log.info("job.withdrawn", job=str(execution.job.id))
        except LeaseLost as error:
            log.warning("job.left_to_another", job=str(execution.job.id), reason=str(error))
            self._rest(lane)
        except (UnderstudyError, TimeoutError) as error:
            log.warning("job.waits", job=str(execution.job.id), reason=repr(error))
            self._rest(lane)
            await self._blame(error, lane)
        except Exception:
            log.exception("job.broke", job=str(execution.job.id))
            self._rest(lane)
            await self._give_up(execution)
        finally:
            self._under_way.pop(lane, None)
            metrics.IN_FLIGHT.set(len(self._under_way))
            for job in (execution.job, *execution.group.superseded):
                self._wakeups.changed(str(job.id))

    async def _heed(self, lane: int, became: Parked | Ended) -> None:
        match became:
            case Parked(_, None):
                self._failures.pop(lane, None)
            case Parked(_, error) if error is not None:
                self._rest(lane)
                await self._blame(error, lane)
            case Ended():
                self._failures.pop(lane, None)
                await self._praise()

    async def _give_up(self, execution: Execution) -> None:
        if self._failures.get(execution.job.lane, 0) >= MOST_BREAKS:
            with suppress(UnderstudyError):  # another one will
                await execution.give_up("it broke again and again; the writer's log says where")

    def _rest(self, lane: int) -> None:
        failures = self._failures[lane] = self._failures.get(lane, 0) + 1
        self._resting[lane] = time.monotonic() + min(LONGEST_REST, FIRST_REST * 2 ** min(failures - 1, 10))

    # Shopify as a whole

    async def _blame(self, error: Exception, lane: int) -> None:
        found = failure(error)
        if found is None:
            return
        before = self._breaker
        lane_of = None if found.everyone else lane
        self._breaker = failed(before, time.monotonic(), found.reason, lane=lane_of)
        if is_open(self._breaker) and self._breaker.until != before.until:
            log.warning("breaker.opened", reason=found.reason, seconds=opens_in(self._breaker, time.monotonic()))
            await self._tell()

    async def _praise(self) -> None:
        before, self._breaker = self._breaker, succeeded(self._breaker)
        if is_open(before):
            log.info("breaker.closed", failures=before.failures)
            await self._tell()

    async def _tell(self) -> None:
        """Every replica gives ETAs."""
        seconds = opens_in(self._breaker, time.monotonic())
        metrics.BREAKER.set(seconds > 0)
        with suppress(UnderstudyError):
            await self._jobs.tell_breaker(self._lease.epoch, seconds, self._breaker.reason if seconds > 0 else None)
