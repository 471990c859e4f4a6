"""`Prefer: wait`: requests that are answered when their job is over. They hold no connection while they wait."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog

from shared.ending import end
from shared.errors import Transient
from writer.api import metrics
from writer.api.documents import is_over
from writer.wakeups import Wakeups

log = structlog.get_logger()

LOOK = 2.0  # seconds; a wake-up that was lost, of another replica while NATS is away, costs so much

Row = Mapping[str, Any]
Read = Callable[[], Awaitable[Row | None]]


class Waiting:
    """At most `places` requests at once; the others don't wait."""

    def __init__(self, wakeups: Wakeups, places: int) -> None:
        self._wakeups = wakeups
        self._places = places

    async def until_over(self, row: Row, seconds: float, read: Read) -> tuple[Row, bool]:
        """The job, over, or as it is after so many seconds; and whether it was waited for. `read` reads it again."""
        if self._places <= 0:
            metrics.UNWAITED.inc()
            return row, False
        self._places -= 1
        metrics.WAITING.inc()
        try:
            return await self._wait(row, seconds, read), True
        finally:
            self._places += 1
            metrics.WAITING.dec()

    async def _wait(self, row: Row, seconds: float, read: Read) -> Row:
        deadline = time.monotonic() + seconds
        while not is_over(row) and (left := deadline - time.monotonic()) > 0:
            changed = asyncio.create_task(self._wakeups.wait(str(row["id"]), min(left, LOOK)), name="job waiter")
            try:
                await asyncio.sleep(0)  # it listens before we look, so nothing falls in between
                row = await _look(row, read)
                if not is_over(row):
                    await changed
            finally:
                await end(changed)
        return row if is_over(row) else await _look(row, read)


async def _look(row: Row, read: Read) -> Row:
    """As it is now; as it was when PostgreSQL does not say: who waits was accepted, and must not be told otherwise."""
    try:
        return await read() or row
    except Transient as error:
        log.warning("job.not_read", job=str(row["id"]), reason=str(error))
        return row
