"""Who may spend how many of Shopify's points now: `async with budget.reserve(cost, deadline=…) as reservation`."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from shared.shopify import metrics
from shared.shopify.bucket import Bucket, Claim, ThrottleStatus
from shared.shopify.errors import Throttled

# Before the first answer: the smallest bucket seen in recorded answers of a live shop (docs/shopify.md 2.1).
FIRST_MAXIMUM = 1000.0  # points
FIRST_RATE = 50.0  # points a second
HEAD_ROOM = 50.0  # points left for other processes of the same app; some writes' worth
MAX_WAITING = 10_000  # callers in line; one more is turned away
RETRY_WHEN_CROWDED = 5.0  # seconds


@dataclass(slots=True)
class Reservation:
    """Points that a request may use. Settle it with what Shopify says; unsettled, they count as used."""

    cost: float
    actual: float | None = None
    status: ThrottleStatus | None = None

    def settle(self, actual: float, status: ThrottleStatus | None = None) -> None:
        """The request used `actual` points (0: it never was admitted). Takes effect when the block is left."""
        self.actual = actual
        self.status = status


class Budget(Protocol):
    """The seam: this process's own bucket (below), or one that several processes share."""

    def reserve(self, cost: float, *, deadline: float) -> AbstractAsyncContextManager[Reservation]:
        """Wait, at most `deadline` seconds, for `cost` points. Raises `Throttled` when they can't be had by then."""


@dataclass(eq=False, slots=True)
class _Waiter:
    cost: float
    turn: asyncio.Future[Claim] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def granted(self) -> bool:
        return self.turn.done() and not self.turn.cancelled() and self.turn.exception() is None


class LocalBudget:
    """The points of one process. First come, first served; one event loop."""

    def __init__(
        self,
        bucket: Bucket | None = None,
        *,
        head_room: float = HEAD_ROOM,
        max_waiting: int = MAX_WAITING,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._bucket = bucket or Bucket.full(FIRST_MAXIMUM, FIRST_RATE, monotonic())
        self._head_room = head_room
        self._max_waiting = max_waiting
        self._line: deque[_Waiter] = deque()
        self._alarm: asyncio.TimerHandle | None = None

    @property
    def bucket(self) -> Bucket:
        """How things stand now."""
        return self._bucket.now(self._monotonic())

    @asynccontextmanager
    async def reserve(self, cost: float, *, deadline: float) -> AsyncIterator[Reservation]:
        claim = await self._claim(cost, deadline)
        reservation = Reservation(cost)
        try:
            yield reservation
        finally:
            self._return(claim, cost if reservation.actual is None else reservation.actual, reservation.status)

    async def _claim(self, cost: float, deadline: float) -> Claim:
        if len(self._line) >= self._max_waiting:
            raise Throttled("too many calls wait for points", retry_after=RETRY_WHEN_CROWDED)
        waiter = _Waiter(cost)
        self._line.append(waiter)
        self._call_next()
        try:
            async with asyncio.timeout(deadline):
                return await waiter.turn
        except TimeoutError:
            self._leave(waiter)
            raise Throttled(f"no {cost:g} points within {deadline:g} s", retry_after=self._retry_after(cost)) from None
        except asyncio.CancelledError:
            self._leave(waiter)
            raise

    def _leave(self, waiter: _Waiter) -> None:
        if waiter.granted():  # it was called while it was leaving
            self._return(waiter.turn.result(), 0.0, None)
            return
        if waiter in self._line:
            self._line.remove(waiter)
        self._call_next()

    def _return(self, claim: Claim, actual: float, status: ThrottleStatus | None) -> None:
        now = self._monotonic()
        self._bucket = self._bucket.give_back(claim, actual, now)
        if status is not None:
            self._bucket = self._bucket.follow(status, claim, now)
        self._call_next()
        metrics.BUDGET_AVAILABLE.set(self._bucket.available)

    def _call_next(self) -> None:
        """Grant as many turns as there are points for, from the front; then wake up when the next has its points."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        while self._line:
            waiter = self._line[0]
            wait = self._bucket.wait_for(waiter.cost, self._monotonic(), self._head_room)
            if waiter.turn.done():  # cancelled, and about to leave; its points are not taken
                return
            if wait > 0 and waiter.cost <= self._bucket.maximum:
                self._wake_up_in(wait)
                return
            self._line.popleft()
            self._answer(waiter)

    def _answer(self, waiter: _Waiter) -> None:
        if waiter.cost > self._bucket.maximum:
            message = f"{waiter.cost:g} points are more than Shopify's bucket of {self._bucket.maximum:g} holds"
            waiter.turn.set_exception(Throttled(message, retry_after=RETRY_WHEN_CROWDED))
            return
        self._bucket, claim = self._bucket.take(waiter.cost, self._monotonic())
        waiter.turn.set_result(claim)

    def _wake_up_in(self, seconds: float) -> None:
        if seconds < float("inf"):  # otherwise a request under way has to end first, and calls the next itself
            self._alarm = asyncio.get_running_loop().call_later(seconds, self._call_next)

    def _retry_after(self, cost: float) -> float:
        wait = self._bucket.wait_for(cost, self._monotonic(), self._head_room)
        return min(max(wait, 1.0), 60.0)
