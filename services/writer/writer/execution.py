"""Carry out one job: from where it stands to its end, or to where its event is parked.

    before intent -> after intent -> (Shopify) -> after call -> after record -> … -> the end

A procedure says what to ask next. A query may be asked as often as one likes. Before a mutation leaves, its intent is
committed; after it, its outcome. Whoever dies in between leaves an intent without an outcome: then nobody touches the
event until the horizon is over, and what was sent can take effect no more.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog

from shared.errors import Permanent, Transient, UnderstudyError
from shared.shopify import ShopifyClient
from shared.shopify.envelope import Answer
from shared.shopify.errors import (
    AnswerTooLarge,
    ShopifyRefused,
    UserError,
    UserErrors,
)
from writer import metrics
from writer.breaker import speaks_of_all
from writer.job import Job, State
from writer.jobs import Ending, Jobs, Sent
from writer.lease import Lease, LeaseLost
from writer.merging import Group
from writer.procedures import next_step
from writer.procedures.outcomes import CONCURRENT, says
from writer.procedures.steps import (
    MOST_WRITES,
    Commanded,
    Done,
    Failed,
    InDoubt,
    JobError,
    Progress,
    Read,
    ReadBack,
    Refused,
    Shop,
    Succeeded,
    Unknown,
    Whole,
    Write,
)

log = structlog.get_logger()

MARGIN = 0.1  # of the lease: a request's deadline ends so long before the lease does
LEAST = 0.3  # of the lease: with less left nothing is sent; the renewal is overdue
MOST_READS = 25  # queries between two mutations of one job
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 1.0  # seconds between attempts to write down what was answered; doubles
TWIN_PAUSE = 5.0  # seconds until a request is repeated whose twin, of the same key, is still under way at Shopify

Checkpoint = Callable[[str, UUID], Awaitable[None]]


async def nowhere(_step: str, _job_id: UUID) -> None:
    """A checkpoint at which nothing happens."""


class TooLateToSend(Transient):
    """The lease does not last long enough for another request."""


@dataclass(frozen=True, slots=True)
class Parked:
    """It goes on in so many seconds. `error`: why it could not go on."""

    seconds: float
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    state: State


class Execution:
    """One job and what it supersedes. `began` is set once Shopify may have heard of it."""

    def __init__(
        self,
        group: Group,
        *,
        jobs: Jobs,
        lease: Lease,
        client: ShopifyClient,
        shop: Shop,
        patience: float,
        horizon: float,
        at: Checkpoint = nowhere,
    ) -> None:
        """`patience`: seconds for one request. `horizon`: how long Shopify may act on one that was given up."""
        self.group = group
        self.began = group.leader.state is State.DISPATCHING
        self.answered = False  # Shopify has answered something, so it is there
        self._sending = False  # an intent is being committed, or its outcome isn't written down yet
        self._let_go = False
        self._partly = False  # a request was refused, and some of it was carried out
        self._jobs = jobs
        self._lease = lease
        self._epoch = lease.epoch
        self._client = client
        self._shop = shop
        self._patience = patience
        self._horizon = horizon
        self._at = at
        self._reads: list[ReadBack] = []

    @property
    def job(self) -> Job:
        return self.group.leader

    def let_go(self) -> bool:
        """Send nothing any more. True when it can be cancelled: nothing of it is under way."""
        self._let_go = True
        return not self._sending

    async def run(self) -> Parked | Ended:
        """Until its end, or until it has to wait.

        Raises:
            LeaseLost: another dispatcher goes on with it.
            Withdrawn: it was cancelled before it began.
            TooLateToSend, PostgresUnavailable: nothing was sent that isn't written down; again later.
        """
        if self.began:
            await self._jobs.adopt(self._epoch, self.job)
        try:
            return await self._go_on()
        except Permanent as error:  # an answer that is none, a document that Shopify does not know
            return await self._broken(error)

    async def give_up(self, reason: str) -> Ended | Parked:
        """It breaks again and again, where nobody expected it: it ends, and says why."""
        return await self._broken(Permanent(reason))

    async def _go_on(self) -> Parked | Ended:
        while True:
            sent = await self._jobs.sent(self.job)
            if sent.ready_in > 0:
                return await self._park(sent.ready_in)
            step = await self._blocked() or next_step(self._progress(sent), self._shop)
            if isinstance(step, Succeeded | Failed | InDoubt):
                return await self._conclude(step, sent)
            parked = await (self._read(step) if isinstance(step, Read) else self._write(step))
            if parked is not None:
                return parked

    async def _blocked(self) -> Failed | None:
        """Nobody knows how much of a ticket there is while another change of its capacity is in doubt."""
        job = self.job
        if job.ticket_id is None or "capacity" not in self._wanted or self.began:
            return None
        other = await self._jobs.stock_in_doubt(job)
        if other is None:
            return None
        message = (
            f"Another change of this ticket's capacity is in doubt: job {other}. An operator has to resolve it first."
        )
        return Failed(JobError("stock_in_doubt", message))

    async def _broken(self, error: Permanent) -> Parked | Ended:
        sent = await self._jobs.sent(self.job)
        if sent.ready_in > 0:
            return await self._park(sent.ready_in)
        log.error("job.broke", job=str(self.job.id), kind=self.job.kind, error=repr(error))
        if sent.unknown:
            return await self._doubt(sent, f"it can't be read back: {error}")
        return await self._fail(Failed(JobError("broke", str(error))), sent)

    # Asking Shopify

    async def _read(self, step: Read) -> Parked | None:
        if len(self._reads) >= MOST_READS:
            return await self._park(self._horizon)
        try:
            answer = await self._client.execute(step.document, step.variables)
        except ShopifyRefused as error:
            if speaks_of_all(error.status):
                return await self._park(0.0, error)
            raise
        except (Transient, AnswerTooLarge) as error:
            return await self._park(0.0, error)
        self.answered = True
        self._reads.append(ReadBack(step.document, answer.data))
        return None

    async def _write(self, step: Write) -> Parked | None:
        number: int | None = None
        left_at = time.monotonic()
        self._reads.clear()

        async def intend() -> float:
            """The points are there: commit the intent, and say for how long the request may take."""
            nonlocal number, left_at
            if number is not None:  # a token was refused, and with it the request; this is the next attempt
                await self._record(step, number, None, 0.0)
            await self._at("before intent", self.job.id)
            within = self._may_take()
            self._sending = True
            number = await self._intend(step, within)
            self.began = True
            await self._at("after intent", self.job.id)
            left_at = time.monotonic()
            return min(within, self._may_take())

        try:
            answer = await self._client.execute(step.document, step.variables, before=intend)
        except UserErrors as error:
            await self._settle(step, number, Refused(error.errors), error.answer)
            return await self._park(TWIN_PAUSE) if says(error.errors, CONCURRENT) else None
        except (UnderstudyError, TimeoutError) as error:
            if number is None:  # no points, or no lease: nothing was committed
                self._sending = False
                raise
            return await self._without_answer(step, number, error)
        self._lease.took(time.monotonic() - left_at)
        await self._settle(step, number, Done(answer.data), answer)
        return None

    def _may_take(self) -> float:
        """Seconds for one request: it is over before the lease is."""
        if self._let_go or self._lease.epoch != self._epoch or self._lease.left() < LEAST * self._lease.seconds:
            raise TooLateToSend
        return min(self._patience, self._lease.left() - MARGIN * self._lease.seconds)

    async def _intend(self, step: Write, within: float) -> int:
        if self.began:
            return await self._jobs.intend(self._epoch, self.job.id, step, within)
        return await self._jobs.begin(self._epoch, self.group, step, within)

    async def _settle(self, step: Write, number: int | None, outcome: Done | Refused, answer: Answer) -> None:
        if number is None:
            raise AssertionError("a request left before its intent was committed")
        self.answered = True
        await self._at("after call", self.job.id)
        cost = answer.cost.actual if answer.cost and answer.cost.actual is not None else 0.0
        await self._record(step, number, outcome, cost)
        await self._at("after record", self.job.id)

    async def _without_answer(self, step: Write, number: int, error: UnderstudyError | TimeoutError) -> Parked | None:
        """A request that may have left, and brought no answer that says what became of it."""
        if isinstance(error, ShopifyRefused) and not speaks_of_all(error.status):
            # Refused by its schema, or for a scope that the app does not have: all of it, or one of its fields.
            self._partly = self._partly or error.partial
            refused = Refused((UserError((), str(error), error.code),))
            await self._record(step, number, refused, 0.0)
            return None
        if getattr(error, "may_have_happened", False):
            metrics.UNKNOWN.labels(step.document).inc()
            log.warning("call.unknown", job=str(self.job.id), document=step.document, reason=str(error))
            await self._jobs.give_up(self.job.id, number)
            self._sending = False
            return await self._park(self._horizon, error)
        await self._record(step, number, None, 0.0)
        return await self._park(0.0, error)

    async def _record(self, step: Write, number: int, outcome: Done | Refused | None, cost: float) -> None:
        """An answer in hand is not thrown away because PostgreSQL blinks: without it, its event would be parked."""
        pause = FIRST_PAUSE
        while True:
            try:
                await self._jobs.record(self._epoch, self.job.id, number, outcome, cost)
            except LeaseLost:
                metrics.LATE.labels(step.document).inc()
                log.error("call.late", job=str(self.job.id), document=step.document, epoch=self._epoch)  # noqa: TRY400 (its words say it all)
                raise
            except Transient as error:
                if not self._lease.held:
                    raise
                log.warning("call.not_recorded", job=str(self.job.id), document=step.document, reason=str(error))
            else:
                self._sending = False
                return
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    # Ends

    async def _conclude(self, step: Succeeded | Failed | InDoubt, sent: Sent) -> Ended | Parked:
        match step:
            case Succeeded():
                return await self._succeed(step)
            case Failed():
                return await self._fail(step, sent)
            case InDoubt(reason):
                return await self._doubt(sent, reason)

    async def _succeed(self, step: Succeeded) -> Ended:
        seen = step.observation.as_json()
        return await self._end(Ending(State.SUCCEEDED, step.event_id, step.ticket_id, observation=seen))

    async def _fail(self, step: Failed, sent: Sent) -> Ended | Parked:
        """What was merged is tried alone, unless a part of it has taken effect."""
        if self.group.superseded and not self.began:
            await self._jobs.part(self._epoch, self.group)
            return Parked(0.0)
        untouched = step.clean or all(isinstance(write.outcome, Refused) for write in sent.writes)
        merged = self.job.merged is not None or self.group.superseded
        if self.began and merged and untouched and not self._partly:
            await self._jobs.split(self._epoch, self.job.id)
            return Parked(0.0)
        observation = step.observation or self._to_look_at(sent, step.event_id)
        seen = None if observation is None else observation.as_json()
        return await self._end(Ending(State.FAILED, step.event_id, error=step.error.as_json(), observation=seen))

    async def _doubt(self, sent: Sent, reason: str) -> Ended:
        error = JobError("in_doubt", reason)
        observation = self._to_look_at(sent, None)
        log.error("job.in_doubt", job=str(self.job.id), kind=self.job.kind, reason=reason)
        seen = None if observation is None else observation.as_json()
        return await self._end(Ending(State.IN_DOUBT, error=error.as_json(), observation=seen))

    async def _end(self, ending: Ending) -> Ended:
        if not self.began:  # nothing was sent for it
            await self._jobs.claim(self._epoch, self.group)
            self.began = True
        accepted_at = await self._jobs.finish(self._epoch, self.group, ending)
        await self._at("before announcement", self.job.id)
        metrics.ended(self.job.kind, ending.state, accepted_at, len(self.group.superseded))
        log.info(
            "job.ended", job=str(self.job.id), kind=self.job.kind, state=ending.state, event_id=ending.event_id,
            superseded=len(self.group.superseded), error=ending.error and ending.error["message"],
        )  # fmt: skip
        return Ended(ending.state)

    async def _park(self, seconds: float, error: Exception | None = None) -> Parked:
        if self.began and seconds > 0:
            await self._jobs.park(self._epoch, self.job.id, seconds, str(error) if error else None)
        return Parked(seconds, error)

    # What there is

    @property
    def _wanted(self) -> Mapping[str, Any]:
        return self.job.wanted if self.group.merged is None else self.group.merged

    def _progress(self, sent: Sent) -> Progress:
        job = self.job
        commanded = Commanded(str(job.id), job.kind, job.event_id, job.ticket_id, self._wanted)
        most_writes = MOST_WRITES + job.retried_from
        return Progress(commanded, sent.writes, tuple(self._reads), sent.now, most_writes)

    def _to_look_at(self, sent: Sent, event_id: int | None) -> Whole | None:
        """Where something may have happened, what there is now has to be seen."""
        product_id = event_id or self.job.event_id
        touched = self._partly or any(isinstance(write.outcome, Done | Unknown) for write in sent.writes)
        return Whole(product_id) if product_id is not None and touched else None
