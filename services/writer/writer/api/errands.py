"""The same thing, asked for many times at once, is done once; all who asked get what came of it."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Errands(Generic[T]):
    """Of one process. Whoever is cancelled takes nothing from the others: the errand goes on."""

    def __init__(self) -> None:
        self._under_way: dict[Hashable, asyncio.Task[T]] = {}

    async def share(self, key: Hashable, errand: Callable[[], Awaitable[T]]) -> tuple[T, bool]:
        """What `errand` gives, or the one under way for `key`, and whether it was that one. Raises what it raises."""
        task = self._under_way.get(key)
        if task is not None:
            return await asyncio.shield(task), True

        async def run() -> T:
            return await errand()

        task = self._under_way[key] = asyncio.create_task(run(), name="errand")
        task.add_done_callback(lambda done: self._end(key, done))
        return await asyncio.shield(task), False

    def _end(self, key: Hashable, done: "asyncio.Task[T]") -> None:
        del self._under_way[key]
        if not done.cancelled():
            done.exception()  # looked at, also where everybody who asked is gone
