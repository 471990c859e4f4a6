"""Whether a server is worth asking: after a failure no request pays its timeout until it answers again."""

import asyncio
from dataclasses import dataclass
from typing import Protocol

import structlog
from prometheus_client import Counter, Gauge

from read_api import metrics
from shared.ending import end
from shared.errors import Unavailable

log = structlog.get_logger()

INTERVAL = 0.25  # seconds between two looks at a server that is away


class Server(Protocol):
    async def ping(self) -> None:
        """Raises Unavailable, soon: the look itself must not take long."""


@dataclass(frozen=True)
class Watched:
    """What a server is called in the log, and its metrics. `heartbeat`: seconds between two looks while it answers;
    None for a server that every request asks, so that requests notice first.
    """

    name: str
    used: Gauge
    errors: Counter
    heartbeat: float | None = None

    @property
    def lost(self) -> str:
        return f"{self.name}.lost"

    @property
    def back(self) -> str:
        return f"{self.name}.back"


REDIS = Watched("redis", metrics.REDIS_USED, metrics.REDIS_ERRORS)


class Circuit:
    """Closed (asked) until `trip`, or until a look finds nobody; then a task of its own looks until it answers."""

    def __init__(self, server: Server, interval: float = INTERVAL, watched: Watched = REDIS) -> None:
        self._server = server
        self._interval = interval
        self._watched = watched
        self._watch: asyncio.Task[None] | None = None
        self.closed = True
        watched.used.set(1)

    def start(self) -> None:
        """Look at once, so that a server that is away is not found by a request."""
        self._watch = asyncio.create_task(self._look(), name=f"{self._watched.name} circuit")

    def trip(self, error: Unavailable) -> None:
        self._watched.errors.inc()
        if not self.closed:
            return
        self.closed = False
        self._watched.used.set(0)
        log.warning(self._watched.lost, error=str(error))
        if self._watch is None or self._watch.done():
            self.start()

    async def step(self) -> bool:
        """Whether it answered; if so, it is asked again."""
        try:
            await self._server.ping()
        except Unavailable as error:
            self.trip(error)
            return False
        if not self.closed:
            self.closed = True
            self._watched.used.set(1)
            log.info(self._watched.back)
        return True

    async def check(self) -> bool:
        """Whether it answers now. While it is away, the last look counts."""
        return self.closed and await self.step()

    async def close(self) -> None:
        await end(self._watch)

    async def _look(self) -> None:
        while True:
            answered = await self.step()
            if answered and self._watched.heartbeat is None:
                return
            await asyncio.sleep(self._watched.heartbeat if answered and self._watched.heartbeat else self._interval)
