"""Let batches of this process that share an event go one after the other; others pass."""

import asyncio
from collections.abc import AsyncIterator
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager


class Turns:
    """Over all processes the database's locks do the same; here nobody has to come again for it."""

    def __init__(self) -> None:
        self._taken: set[int] = set()
        self._freed = asyncio.Event()

    @asynccontextmanager
    async def of(self, event_ids: AbstractSet[int]) -> AsyncIterator[None]:
        """Hold the turns of all these events. They are taken at once, so nobody waits in a circle."""
        while not self._taken.isdisjoint(event_ids):
            await self._freed.wait()
        self._taken |= event_ids
        try:
            yield
        finally:
            self._taken -= event_ids
            self._freed.set()
            self._freed = asyncio.Event()
