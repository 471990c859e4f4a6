"""All the edges that are told the same: one at Cloudflare or Fastly, one or more Varnishes.

One that fails while others do as they are told keeps nobody waiting. It is **behind** from then on, and is emptied as
soon as it can be reached, and once more a little later, as every purge is repeated.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import structlog

from syncer import metrics
from syncer.purger.providers.call import EdgeSilent, EdgeUnavailable, PurgeRefused

log = structlog.get_logger()

LOST = -math.inf  # it is told nothing
BEING_EMPTIED = math.inf  # it is told again: what it holds from now on is not older than what it is told


class Edge(Protocol):
    """Both return when it is accepted, and may be repeated.

    Raises:
        EdgeUnavailable, EdgeSilent: it is away, or takes no more for now.
        PurgeRefused, TokenRefused: it does not take this, now or ever.
    """

    async def purge(self, tags: Sequence[str]) -> None: ...

    async def purge_everything(self) -> None: ...


class Fleet:
    """An Edge itself: it raises what one of them raises, when none of them has accepted it."""

    def __init__(self, edges: Sequence[Edge], repeat_after: float) -> None:
        self._edges = edges
        self._repeat_after = repeat_after
        self._behind: dict[int, float] = {}  # by number: when it is to be emptied once more

    @property
    def behind(self) -> bool:
        """Whether one has not been told what was accepted meanwhile: everything is owed to it."""
        return bool(self._behind)

    async def purge(self, tags: Sequence[str]) -> None:
        await self._tell(lambda edge: edge.purge(tags))

    async def purge_everything(self) -> None:
        await self._tell(lambda edge: edge.purge_everything())

    async def catch_up(self) -> None:
        """Empty those that are behind, if they can be reached."""
        for number, due in list(self._behind.items()):
            if due == BEING_EMPTIED or due > time.monotonic():
                continue
            self._behind[number] = BEING_EMPTIED
            try:
                await self._edges[number].purge_everything()
            except (EdgeUnavailable, PurgeRefused):
                self._behind[number] = LOST
                continue
            if self._behind[number] != BEING_EMPTIED:
                continue  # it was lost again meanwhile
            if due == LOST:
                self._behind[number] = time.monotonic() + self._repeat_after
            else:
                del self._behind[number]
                log.info("edge.caught_up", edge=number)
        metrics.CDN_BEHIND.set(len(self._behind))

    async def _tell(self, call: Callable[[Edge], Awaitable[None]]) -> None:
        told = [number for number in range(len(self._edges)) if self._behind.get(number) != LOST]
        if not told:
            raise EdgeSilent("all of them are lost")
        results = await asyncio.gather(*(call(self._edges[number]) for number in told), return_exceptions=True)
        failed = {number: result for number, result in zip(told, results, strict=True) if result is not None}
        for error in failed.values():
            if len(failed) == len(told) or not isinstance(error, EdgeUnavailable | PurgeRefused):
                raise error
        for number, error in failed.items():
            self._behind[number] = LOST
            log.warning("edge.lost", edge=number, error=repr(error))
        metrics.CDN_BEHIND.set(len(self._behind))
