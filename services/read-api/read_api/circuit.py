"""Whether Redis is worth asking: after a failure no request pays its timeout until it answers again."""

import asyncio

import structlog

from read_api import metrics
from shared.ending import end
from shared.tags import RedisUnavailable, Tags

log = structlog.get_logger()

INTERVAL = 0.25  # seconds between two looks at a Redis that is away


class Circuit:
    """Closed (asked) until `trip`; then a task of its own pings until Redis answers."""

    def __init__(self, tags: Tags, interval: float = INTERVAL) -> None:
        self._tags = tags
        self._interval = interval
        self._watch: asyncio.Task[None] | None = None
        self.closed = True
        metrics.REDIS_USED.set(1)

    def start(self) -> None:
        """Look at once, so that a Redis that is away is not found by a request."""
        self._watch = asyncio.create_task(self._until_it_answers(), name="redis circuit")

    def trip(self, error: RedisUnavailable) -> None:
        metrics.REDIS_ERRORS.inc()
        if not self.closed:
            return
        self.closed = False
        metrics.REDIS_USED.set(0)
        log.warning("redis.lost", error=str(error))
        if self._watch is None or self._watch.done():
            self.start()

    async def step(self) -> bool:
        """Whether Redis answered; if so, it is asked again."""
        try:
            await self._tags.ping()
        except RedisUnavailable as error:
            self.trip(error)
            return False
        if not self.closed:
            self.closed = True
            metrics.REDIS_USED.set(1)
            log.info("redis.back")
        return True

    async def check(self) -> bool:
        """Whether Redis answers now. While it is away, the last look counts."""
        return self.closed and await self.step()

    async def close(self) -> None:
        await end(self._watch)

    async def _until_it_answers(self) -> None:
        while True:
            if await self.step():
                return
            await asyncio.sleep(self._interval)
