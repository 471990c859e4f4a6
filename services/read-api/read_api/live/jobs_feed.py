"""Hear every change of a job, as long as someone wants to: a process nobody asks for jobs follows no second stream."""

import asyncio
import time
from collections.abc import Callable

import structlog

from read_api.following import Follower, Gauges, Listener
from read_api.live import metrics
from shared.contracts import JobChangedV1
from shared.ending import end
from shared.settings import NatsSettings
from shared.topology import JOBS

log = structlog.get_logger()

GAUGES = Gauges(metrics.JOBS_FEED_LIVE, metrics.JOBS_FEED_GAPS, metrics.JOBS_FEED_REFUSED)
LINGER = 60.0  # seconds without a listener, until it is followed no more: one that comes back meanwhile misses nothing
LOOK = 1.0  # seconds between two looks whether someone listens
PATIENCE = 2.0  # seconds that a client waits until all is known that it could have missed
LOOK_BACK = 1_000  # changes from before the first listener, for clients that come back to another replica; some 0.1 s


class JobsFeed:
    """`wanted`: whether someone listens. `forget`: what was heard until now is not known to be all any more."""

    def __init__(
        self,
        settings: NatsSettings,
        listener: Listener[JobChangedV1],
        wanted: Callable[[], bool],
        forget: Callable[[], None],
        linger: float = LINGER,
    ) -> None:
        self._settings = settings
        self._listener = listener
        self._wanted = wanted
        self._forget = forget
        self._linger = linger
        self._wanted_at = 0.0
        self._following: Follower[JobChangedV1] | None = None
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def following(self) -> Follower[JobChangedV1] | None:
        """None while nobody listens."""
        return self._following

    @property
    def live(self) -> bool:
        return self._following is not None and self._following.live

    @property
    def missed(self) -> bool:
        """Someone listens, and nothing is heard."""
        return self._wanted() and not self.live

    async def ready(self) -> None:
        """Someone is about to listen: return when all is known that there was, or after PATIENCE, when it is not."""
        self._wanted_at = time.monotonic()
        if self._following is None and self._task is not None:
            await asyncio.wait((self._task,), timeout=PATIENCE)  # the one before is on its way out
        if self._following is None and not self._closed:
            self._begin()
        if self._following is not None:
            caught_up = asyncio.ensure_future(self._following.caught_up.wait())
            await asyncio.wait((caught_up,), timeout=PATIENCE)
            caught_up.cancel()

    async def close(self) -> None:
        self._closed = True
        await end(self._task)

    def _begin(self) -> None:
        following = Follower(self._settings, JOBS, JobChangedV1, GAUGES, (self._listener,))
        following.look_back = LOOK_BACK
        following.start()
        self._following = following
        self._task = asyncio.create_task(self._run(following), name="live jobs feed")
        metrics.JOBS_FEED_WANTED.set(1)

    async def _run(self, following: Follower[JobChangedV1]) -> None:
        try:
            while time.monotonic() - self._wanted_at < self._linger:
                await asyncio.sleep(LOOK)
                if self._wanted():
                    self._wanted_at = time.monotonic()
        finally:
            self._following = None  # who comes now begins anew
            self._forget()
            metrics.JOBS_FEED_WANTED.set(0)
            await following.close()
        log.info("live.jobs_unheard", linger=self._linger)
