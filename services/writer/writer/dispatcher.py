"""Give every event whose turn it is to an execution: one job at a time for each event, many events at once.

Only who holds the lease does; the other replicas wait for it. A slow Shopify is no reason to leave points unused, so as
many executions wait for an answer as the governor has places; while Shopify fails nothing is sent.
"""

import asyncio
from contextlib import suppress

import structlog

from shared.errors import UnderstudyError
from shared.shopify import ShopifyClient
from writer import metrics
from writer.execution import Checkpoint, Ended, Execution, Parked, TooLateToSend, nowhere
from writer.job import Job, State
from writer.jobs import Jobs, Withdrawn
from writer.lease import Lease, LeaseLost
from writer.merging import MOST, Group, group
from writer.procedures.steps import Shop
from writer.rests import Rests
from writer.shop_facts import Facts
from writer.switch import Switch
from writer.wakeups import Wakeups

log = structlog.get_logger()

LOOK = 0.25  # seconds between looks for what nobody told us of
PAUSE = 1.0  # seconds after an error that nobody expected
MOST_BREAKS = 5  # such errors, one after the other, until a job ends of them
MOST_FAILED_LOOKS = 30  # such errors of the dispatcher itself, one after the other, until the process ends of them


class Dispatcher:
    """`run` it as long as the process lives; `stop` lets what is under way end."""

    def __init__(
        self,
        *,
        jobs: Jobs,
        lease: Lease,
        client: ShopifyClient,
        facts: Facts,
        switch: Switch,
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
        self._facts = facts
        self._switch = switch
        self._wakeups = wakeups
        self._at_once = at_once
        self._patience = patience
        self._horizon = horizon
        self._at = at
        self._news = asyncio.Event()
        self._under_way: dict[int, tuple[Execution, asyncio.Task[None]]] = {}  # by lane
        self._rests = Rests()
        self._stopping = False
        wakeups.of_all(self._news.set)
        switch.when_opened(self._hold_back)

    async def run(self) -> None:
        """Raises what nobody expected, when it comes again and again."""
        failed = 0
        while not self._stopping:
            self._news.clear()
            try:
                more = self._lease.held and await self._pick()
                failed = 0
            except UnderstudyError as error:
                log.warning("dispatcher.not_picked", reason=str(error))
                more = False
            except Exception:
                failed += 1
                if failed >= MOST_FAILED_LOOKS:
                    raise
                log.exception("dispatcher.failed")
                await asyncio.sleep(PAUSE)
                continue
            if not more:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), LOOK)

    async def stop(self, patience: float) -> bool:
        """Nothing new is sent. What waits for points is let go; what was sent has `patience` seconds to be answered.

        True when nothing of ours is under way any more: the lease may be given away.
        """
        self._stopping = True
        self._news.set()
        for execution, task in self._under_way.values():
            if execution.let_go():
                task.cancel()
        if tasks := [task for _, task in self._under_way.values()]:
            await asyncio.wait(tasks, timeout=patience)
        for _, task in self._under_way.values():
            task.cancel()
        return not self._under_way

    # Whose turn it is

    async def _pick(self) -> bool:
        """Start what may start; True when there may be more."""
        if self._switch.open:
            await self._switch.probe()
            return False
        if (shop := self._facts.shop) is None:
            await self._switch.unready(self._facts.problem)
            return False
        if (free := self._at_once - len(self._under_way)) <= 0:
            return False
        started = 0
        for job in await self._jobs.due(self._under_way.keys() | self._rests.resting(), free):
            chosen = await self._group(job)
            if self._stopping or self._switch.open:
                return False
            if chosen is None or job.lane in self._under_way:
                self._rests.wait(job.lane, LOOK)  # it was cancelled, or somebody else has it
                continue
            self._start(chosen, shop)
            started += 1
        return started == free

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
            await self._heed(execution, await execution.run())
        except Withdrawn as error:
            log.info("job.withdrawn", job=str(execution.job.id), reason=str(error))
        except LeaseLost as error:
            log.warning("job.left_to_another", job=str(execution.job.id), reason=str(error))
            self._rests.failed(lane)
        except (UnderstudyError, TimeoutError) as error:
            await self._put_off(execution, error)
        except Exception:
            log.exception("job.broke", job=str(execution.job.id))
            await self._give_up(execution, self._rests.broke(lane))
        finally:
            self._under_way.pop(lane, None)
            metrics.IN_FLIGHT.set(len(self._under_way))
            for job in (execution.job, *execution.group.superseded):
                self._wakeups.changed(str(job.id))

    async def _heed(self, execution: Execution, became: Parked | Ended) -> None:
        if execution.answered:
            await self._switch.answered()
        match became:
            case Parked(seconds, None):
                self._rests.wait(execution.job.lane, seconds)
            case Parked(_, error) if error is not None:
                await self._put_off(execution, error)
            case Ended():
                self._rests.well(execution.job.lane)

    async def _put_off(self, execution: Execution, error: Exception) -> None:
        log.warning("job.waits", job=str(execution.job.id), reason=repr(error))
        self._rests.failed(execution.job.lane)
        if not isinstance(error, TooLateToSend):
            with suppress(UnderstudyError):  # nothing but words
                await self._jobs.put_off(self._lease.epoch, execution.job.id, str(error))
        await self._switch.failed(error, execution.job.lane)

    def _hold_back(self) -> None:
        """What waits for points sends nothing any more, but waits for its turn again."""
        for execution, _ in self._under_way.values():
            execution.let_go()

    async def _give_up(self, execution: Execution, breaks: int) -> None:
        if breaks < MOST_BREAKS:
            return
        try:
            await execution.give_up("it broke again and again; the writer's log says where")
        except Exception:  # it is tried again after its rest
            log.exception("job.not_given_up", job=str(execution.job.id))
