"""Of many requests at once for the same thing, one goes first and the others wait for it, in memory.

So a client that sends one command a thousand times takes one connection, and one event that everybody edits doesn't
keep those of the others waiting. Between processes, PostgreSQL's locks do the same.
"""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

from shared.errors import Unavailable

PATIENCE = 3.0  # seconds


class Crowded(Unavailable):
    """Too many requests wait for the same event or key."""


class Turns:
    """One at a time for each key, in the order in which they came."""

    def __init__(self) -> None:
        self._locks: dict[Hashable, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def of(self, key: Hashable) -> AsyncIterator[bool]:
        """Gives whether somebody was before us. Raises Crowded after PATIENCE."""
        lock, users = self._locks.get(key, (asyncio.Lock(), 0))
        self._locks[key] = lock, users + 1
        try:
            waited = lock.locked()
            try:
                async with asyncio.timeout(PATIENCE):
                    await lock.acquire()
            except TimeoutError:
                raise Crowded from None
            try:
                yield waited
            finally:
                lock.release()
        finally:
            lock, users = self._locks.pop(key)
            if users > 1:
                self._locks[key] = lock, users - 1
