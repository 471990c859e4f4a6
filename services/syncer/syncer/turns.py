"""Let the changes of one event wait for each other here, and not each with a connection of its own.

Where many wait already, the next is sent back to the bus, to come again: the places in which changes are handled belong
to all events, and a burst for one of them must not take them all.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.errors import Unavailable

MAX_WAITING = 4  # changes of one event in this process, besides the one that is being projected


class EventBusy(Unavailable):
    """Many changes of this event came at once; this one comes again in a moment."""


class Turns:
    """One change of an event at a time in this process; over all processes the database's lock does the same."""

    def __init__(self) -> None:
        self._locks: dict[int, asyncio.Lock] = {}
        self._present: dict[int, int] = {}

    @asynccontextmanager
    async def of(self, event_id: int) -> AsyncIterator[None]:
        """Hold the event's turn.

        Raises:
            EventBusy: too many wait for it.
        """
        present = self._present.get(event_id, 0)
        if present > MAX_WAITING:
            raise EventBusy
        lock = self._locks.setdefault(event_id, asyncio.Lock())
        self._present[event_id] = present + 1
        try:
            async with lock:
                yield
        finally:
            self._present[event_id] -= 1
            if not self._present[event_id]:
                del self._present[event_id], self._locks[event_id]
