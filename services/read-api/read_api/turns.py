"""Who may use one of few connections, and who is turned away while all of them stay taken.

The wait is a controlled delay: a burst may queue for a while; a queue that never empties is not one that patience
helps, so there newcomers are turned away almost at once, and those who get through got through quickly.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from read_api import metrics
from shared.postgres import PostgresUnavailable

PATIENCE = 1.0  # seconds to wait for a connection when a burst has taken all of them
CROWDED_AFTER = 1.0  # seconds in which nobody found one free
CROWDED_PATIENCE = 0.1  # seconds, from then on


class Saturated(PostgresUnavailable):
    """Every connection to PostgreSQL is taken."""


class Turns:
    def __init__(self, places: int) -> None:
        self._places = asyncio.Semaphore(places)
        self._flowed_at = time.monotonic()

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Raises Saturated."""
        await self._take()
        try:
            yield
        finally:
            self._places.release()

    async def _take(self) -> None:
        now = time.monotonic()
        if not self._places.locked():
            self._flowed_at = now
        crowded = now - self._flowed_at > CROWDED_AFTER
        try:
            async with asyncio.timeout(CROWDED_PATIENCE if crowded else PATIENCE):
                await self._places.acquire()
        except TimeoutError:
            metrics.SHED.labels("connections").inc()
            raise Saturated from None
