"""Loops that go on: each has a `step`, survives its errors with a growing pause, and stops when it is told to."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog
from prometheus_client import Counter

from shared.ending import end
from shared.errors import Unavailable

LOOP_FAILURES = Counter("understudy_loop_failures_total", "Steps of a loop that failed, by loop", ["loop"])
log = structlog.get_logger()

FIRST_PAUSE = 0.5  # seconds after an error; doubles
PUTTING_AWAY = 5.0  # seconds that a step may take to clean up when it is stopped
LONGEST_PAUSE = 15.0  # seconds


class Loop:
    """Runs `step` for ever: at once again while it says there is more, else after `interval` seconds or a `wake`."""

    def __init__(
        self, name: str, step: Callable[[], Awaitable[bool]], interval: float, longest_pause: float = LONGEST_PAUSE
    ) -> None:
        self.name = name
        self._step = step
        self._interval = interval
        self._longest_pause = longest_pause
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=self.name)

    def wake(self) -> None:
        self._woken.set()

    async def stop(self) -> None:
        """Cancel what is under way; every step can be repeated."""
        await end(self._task, PUTTING_AWAY)

    async def _run(self) -> None:
        failures = 0
        while True:
            self._woken.clear()
            try:
                more = await self._step()
                failures = 0
            except Exception as error:  # noqa: BLE001 (a loop that died of one error would be missed by nobody until it matters)
                failures += 1
                self._say(error, failures)
                await asyncio.sleep(min(self._longest_pause, FIRST_PAUSE * 2 ** min(failures - 1, 10)))
                continue
            if not more:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), self._interval)

    def _say(self, error: Exception, failures: int) -> None:
        LOOP_FAILURES.labels(self.name).inc()
        known = isinstance(error, Unavailable)
        log.warning(
            "loop.failed", loop=self.name, error=repr(error), failures=failures, exc_info=None if known else error
        )
