"""Wait until what a reconcile asked for was read, and what was read is projected; both within bounds."""

import asyncio
from collections.abc import Callable

from shared.errors import Unavailable
from syncer.backlog import Backlog
from syncer.reconcile.doubts import Doubts
from syncer.runs import Run, Runs

LOOK_AGAIN = 0.25  # seconds
STALLED = 120.0  # seconds without any read answered: the run goes on later
PROJECTED_WITHIN = 120.0  # seconds


class ReadsPending(Unavailable):
    """Shopify has not answered what must be read; the reconcile goes on later."""


class ProjectionPending(Unavailable):
    """What was read waits on the bus; the reconcile goes on later."""


class Settling:
    """`wake` tells whoever reads the doubts that there are some. `grace`: how long one of them may be put off."""

    def __init__(
        self, runs: Runs, doubts: Doubts, backlog: Backlog, grace: float, wake: Callable[[], None] = lambda: None
    ) -> None:
        self._runs = runs
        self._doubts = doubts
        self._backlog = backlog
        self._stalled = STALLED + grace
        self._wake = wake

    async def answered(self, run: Run) -> None:
        """What fails again and again is left to later, and named in the report. Raises ReadsPending, RunCancelled."""
        self._wake()
        expected = left = await self._doubts.waited_for()
        clock = asyncio.get_running_loop().time
        moved_at = clock()
        while True:
            await self._runs.progress(run, "reading", max(0, expected - left), expected)
            if left == 0:
                return
            if clock() - moved_at > self._stalled:
                raise ReadsPending(f"{left} products are still to be read")
            await asyncio.sleep(LOOK_AGAIN)
            before, left = left, await self._doubts.waited_for()
            moved_at = clock() if left != before else moved_at

    async def projected(self, run: Run) -> None:
        """Everything that is on the bus now was handled. Raises ProjectionPending, BusUnavailable, RunCancelled."""
        last = await self._backlog.last()
        first = behind = await self._backlog.behind(last)
        clock = asyncio.get_running_loop().time
        ends_at = clock() + PROJECTED_WITHIN
        while True:
            await self._runs.progress(run, "projecting", first - behind, first)
            if not behind:
                return
            if clock() > ends_at:
                raise ProjectionPending(f"{behind} changes are not settled")
            await asyncio.sleep(LOOK_AGAIN)
            behind = await self._backlog.behind(last)
