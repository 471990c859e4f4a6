"""Let concurrent misses share one load.

Each load runs in a task of its own, so no caller's cancellation reaches another caller. When a load fails, its leader
gets the error and one of the waiters leads a second load; what then fails, fails for all who wait. A load that took
long to fail is not tried again: whoever waited for it would wait as long once more, and so would PostgreSQL's queue.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from read_api import metrics
from shared.errors import Unavailable

T = TypeVar("T")

DEADLINE = 6.0  # seconds for one load, and for one caller's wait: another process's lease, and then our own read
HAND_OVER_WITHIN = 0.25  # seconds; a load that fails later than that was no accident of its leader's
MAX_FAILURES = 2  # loads a waiter sees fail before it gives up: with more, a long queue would fail one by one


class Overloaded(Unavailable):
    """Too much is being loaded already."""


class LoadOverdue(Unavailable):
    """The load took too long."""


class LoadAbandoned(Unavailable):
    """The service stops."""


class Coalescer(Generic[T]):
    """At most `max_loads` loads and `max_waiters` callers at once; whoever comes then gets Overloaded."""

    def __init__(self, max_loads: int, max_waiters: int, deadline: float = DEADLINE) -> None:
        self._loads: dict[Hashable, asyncio.Task[T]] = {}
        self._max_loads = max_loads
        self._max_waiters = max_waiters
        self._deadline = deadline
        self.waiting = 0

    async def join(self, key: Hashable, load: Callable[[], Awaitable[T]]) -> tuple[T, bool]:
        """What `load` gives, and whether it was another caller's load.

        Raises:
            Overloaded, LoadOverdue, LoadAbandoned, or whatever the load raised.
        """
        if self.waiting >= self._max_waiters:
            metrics.SHED.labels("waiters").inc()
            raise Overloaded
        self.waiting += 1
        metrics.WAITERS.inc()
        try:
            return await self._join(key, load, asyncio.get_running_loop().time() + self._deadline)
        finally:
            self.waiting -= 1
            metrics.WAITERS.dec()

    async def close(self) -> None:
        loads = list(self._loads.values())
        for task in loads:
            task.cancel()
        if loads:
            await asyncio.wait(loads, timeout=self._deadline)

    async def _join(self, key: Hashable, load: Callable[[], Awaitable[T]], until: float) -> tuple[T, bool]:
        failures = 0
        patient_until = asyncio.get_running_loop().time() + HAND_OVER_WITHIN
        while True:
            task = self._loads.get(key)
            collapsed = task is not None
            if task is None:
                task = self._start(key, load)
            await asyncio.wait((task,), timeout=until - asyncio.get_running_loop().time())
            if not task.done():
                metrics.SHED.labels("deadline").inc()
                raise LoadOverdue
            if task.cancelled():
                raise LoadAbandoned
            error = task.exception()
            if error is None:
                return task.result(), collapsed
            failures += 1
            if not collapsed or failures == MAX_FAILURES or asyncio.get_running_loop().time() > patient_until:
                raise error.with_traceback(None)  # one error for many callers: their tracebacks must not pile up on it

    def _start(self, key: Hashable, load: Callable[[], Awaitable[T]]) -> asyncio.Task[T]:
        if len(self._loads) >= self._max_loads:
            metrics.SHED.labels("loads").inc()
            raise Overloaded
        task = asyncio.create_task(self._run(load), name=f"load {key}")
        self._loads[key] = task
        task.add_done_callback(lambda done: self._land(key, done))
        return task

    async def _run(self, load: Callable[[], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout(self._deadline) as deadline:
                return await load()
        except TimeoutError as error:
            if deadline.expired():
                raise LoadOverdue from error
            raise

    def _land(self, key: Hashable, task: asyncio.Task[T]) -> None:
        del self._loads[key]
        # Asked for, so that the loop doesn't report an error whose callers have all left.
        if not task.cancelled() and task.exception() is not None:
            metrics.LOADS_FAILED.inc()
