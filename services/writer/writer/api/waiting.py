"""`Prefer: wait`: requests that are answered when their job has ended. They hold no connection while they wait."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from shared.ending import end
from writer.api import metrics
from writer.api.documents import has_ended
from writer.wakeups import Wakeups

LOOK = 2.0  # seconds; a wake-up that was lost, of another replica while NATS is away, costs so much

Row = Mapping[str, Any]
Read = Callable[[], Awaitable[Row | None]]


class Waiting:
    """At most `places` requests at once; the others don't wait."""

    def __init__(self, wakeups: Wakeups, places: int) -> None:
        self._wakeups = wakeups
        self._places = places

    async def until_ended(self, row: Row, seconds: float, read: Read) -> tuple[Row, bool]:
        """The job, ended, or as it is after so many seconds; and whether it was waited for. `read` reads it again."""
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
        while not has_ended(row) and (left := deadline - time.monotonic()) > 0:
            changed = asyncio.create_task(self._wakeups.wait(str(row["id"]), min(left, LOOK)), name="job waiter")
            try:
                await asyncio.sleep(0)  # it listens before we look, so nothing falls in between
                row = await read() or row
                if not has_ended(row):
                    await changed
            finally:
                await end(changed)
        return row if has_ended(row) else await read() or row
