"""Callers in line for points: the highest share first, each share in turn; one of them asks, the others wait."""

import asyncio
import itertools
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog

from shared.shopify import metrics
from shared.shopify.bucket import Level
from shared.shopify.costs import CostBook
from shared.shopify.errors import Throttled
from shared.shopify.shares import LONGEST_WAIT, SHORTEST_WAIT, Share, places, urgency
from shared.shopify.till import Ask, Granted, Later, Never, Reservation, Till

MAX_WAITING = 10_000  # callers in line; one more is turned away
RETRY_WHEN_CROWDED = 5.0  # seconds
SLOTS = 64  # requests under way from one process; see SHOPIFY_MAX_IN_FLIGHT

log = structlog.get_logger(__name__)


@dataclass(eq=False, slots=True)
class _Waiter:
    ask: Ask
    since: float  # on the monotonic clock
    turn: asyncio.Future[Granted] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def granted(self) -> bool:
        return self.turn.done() and not self.turn.cancelled() and self.turn.exception() is None


class Line:
    """One line of one process, in front of a till; one event loop.

    `slots` bounds the requests under way. Half of them are for commands alone, so that these never wait behind
    Shopify's 2-3 s for a backfill.
    """

    def __init__(
        self, till: Till, *, process: str | None = None, slots: int = SLOTS, max_waiting: int = MAX_WAITING
    ) -> None:
        self.costs = CostBook()
        self._till = till
        self._process = process or f"{secrets.token_hex(6)}."
        self._numbers = itertools.count()
        self._slots = slots
        self._max_waiting = max_waiting
        self._shares: dict[Share, deque[_Waiter]] = {share: deque() for share in Share}
        self._served = dict.fromkeys(Share, float("-inf"))  # when a share last got points
        self._under_way = 0
        self._asking: _Waiter | None = None
        self._news = asyncio.Event()  # whoever asks should look again
        self._tasks: set[asyncio.Task[None]] = set()
        self._serving: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def reserve(
        self, cost: float, *, deadline: float, share: Share = Share.COMMANDS
    ) -> AsyncIterator[Reservation]:
        """Wait, at most `deadline` seconds, for `cost` points. Raises `Throttled` when they can't be had by then."""
        granted = await self._granted(cost, deadline, share)
        reservation = Reservation(cost)
        try:
            yield reservation
        finally:
            await self._give_back(granted, reservation)

    async def level(self) -> Level:
        """How the points stand, for whoever tells how long it will take. Raises nothing."""
        return await self._till.level()

    async def _granted(self, cost: float, deadline: float, share: Share) -> Granted:
        if sum(map(len, self._shares.values())) >= self._max_waiting:
            raise Throttled("too many calls wait for points", retry_after=RETRY_WHEN_CROWDED)
        began = time.monotonic()
        waiter = _Waiter(Ask(f"{self._process}{next(self._numbers)}", cost, share, share.rank), began)
        self._enter(waiter)
        try:
            async with asyncio.timeout(deadline):
                return await waiter.turn
        except TimeoutError:
            await self._leave(waiter)
            raise Throttled(
                f"no {cost:g} points within {deadline:g} s", retry_after=max(1.0, min(deadline, 60.0))
            ) from None
        except asyncio.CancelledError:
            await self._leave(waiter)
            raise
        finally:
            metrics.WAITS.labels(share).observe(time.monotonic() - began)

    def _enter(self, waiter: _Waiter) -> None:
        self._shares[waiter.ask.share].append(waiter)
        if self._serving is None or self._serving.done():
            self._serving = self._spawn(self._serve(), "points-line")
            self._serving.add_done_callback(self._tell_those_left)
        elif self._front() is waiter:  # it overtook whoever waits now
            self._news.set()

    async def _leave(self, waiter: _Waiter) -> None:
        if waiter.granted():  # it was called while it was leaving
            await self._give_back(waiter.turn.result(), Reservation(waiter.ask.cost, actual=0.0))
            return
        self._remove(waiter)
        self._news.set()
        if waiter is not self._asking and waiter.ask.order is not None:
            self._give_up(waiter)

    async def _give_back(self, granted: Granted, reservation: Reservation) -> None:
        """Also when the caller is cancelled meanwhile."""
        self._under_way -= 1
        done = self._spawn(self._till.give_back(granted, reservation), "points-back")
        done.add_done_callback(lambda _: self._news.set())
        await asyncio.shield(done)

    def _give_up(self, waiter: _Waiter) -> None:
        """Its place, so that the next need not wait until it expires."""
        left = self._spawn(self._till.leave(waiter.ask), "points-leave")
        left.add_done_callback(lambda _: self._news.set())

    def _front(self) -> _Waiter | None:
        """The highest share's, unless another has waited for it too long."""
        heads = [line[0] for line in self._shares.values() if line]
        for waiter in heads:
            waited = time.monotonic() - max(waiter.since, self._served[waiter.ask.share])
            rank = urgency(waiter.ask.share, waiter.ask.cost, waited)
            if rank is not None:
                waiter.ask.hasten(rank)
        return min(heads, key=lambda waiter: (waiter.ask.rank, waiter.since), default=None)

    async def _serve(self) -> None:
        """Ask for the front until nobody is left; one ask at a time."""
        while (waiter := self._front()) is not None:
            self._news.clear()
            if self._under_way >= places(self._slots, waiter.ask.rank):
                await self._news.wait()
                continue
            self._asking = waiter
            try:
                outcome = await self._till.take(waiter.ask)
            finally:
                self._asking = None
            if (pause := self._answer(waiter, outcome)) > 0:
                await self._news_within(min(pause, self._look_again()))

    def _look_again(self) -> float:
        """Seconds until somebody else may have become the front."""
        shares = sum(bool(line) for line in self._shares.values())
        return SHORTEST_WAIT if shares > 1 else LONGEST_WAIT

    def _answer(self, waiter: _Waiter, outcome: Granted | Later | Never) -> float:
        """Seconds until it is worth asking again."""
        gone = waiter.turn.done()  # cancelled, while it was asked for; it leaves by itself, but may not have run yet
        if gone or not isinstance(outcome, Later):
            self._remove(waiter)
        match outcome:
            case Later(seconds) if not gone:
                return seconds
            case Later():
                self._give_up(waiter)
            case Granted():
                self._served[waiter.ask.share] = time.monotonic()
                self._under_way += 1
                if gone:
                    unused = Reservation(outcome.cost, actual=0.0)
                    self._spawn(self._give_back(outcome, unused), "points-unused")
                else:
                    waiter.turn.set_result(outcome)
            case Never(maximum) if not gone:
                message = f"{waiter.ask.cost:g} points are more than Shopify's bucket of {maximum:g} holds"
                waiter.turn.set_exception(Throttled(message, retry_after=RETRY_WHEN_CROWDED))
        return 0.0

    def _remove(self, waiter: _Waiter) -> None:
        if waiter in self._shares[waiter.ask.share]:
            self._shares[waiter.ask.share].remove(waiter)

    async def _news_within(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(None if seconds == float("inf") else seconds):
                await self._news.wait()
        except TimeoutError:
            return

    def _tell_those_left(self, serving: asyncio.Task[None]) -> None:
        """It ends when nobody waits. If it broke, whoever waits must not wait for it."""
        broken = asyncio.CancelledError() if serving.cancelled() else serving.exception()
        if broken is None:
            return
        for line in self._shares.values():
            for waiter in line:
                if not waiter.turn.done():
                    waiter.turn.set_exception(Throttled(f"the line broke: {broken!r}", retry_after=RETRY_WHEN_CROWDED))
            line.clear()

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("governor.task_failed", task=task.get_name(), error=repr(error))
