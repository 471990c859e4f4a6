"""Tell one audience all that it should hear, in the order in which it was heard."""

import asyncio
import time
from collections import deque
from collections.abc import Callable

import structlog

from read_api.live import metrics
from read_api.live.fan_out import handings
from read_api.live.ids import EventId
from read_api.live.purges import Purges
from read_api.live.ring import Ring
from read_api.live.rounds import Notice, Round
from read_api.live.streams import Streams

log = structlog.get_logger()

FLOOD_PAUSE = 1.0  # seconds until the next round, when so much changes at once that clients are told to drop everything


class Teller:
    """`anew`: what to tell those who have missed something. `told`: up to here, all were handed what they should hear.

    Each audience has its own, so that a flood of drafts neither drops nor delays what anonymous clients hear.
    """

    def __init__(self, ring: Ring, streams: Streams, anew: Callable[[], bytes], *, drafts: bool) -> None:
        self.told: EventId | None = None
        self._ring = ring
        self._streams = streams
        self._anew = anew
        self._subscribers = streams.of[drafts]
        self._queue: deque[tuple[Round | Notice, float]] = deque()
        self._due = asyncio.Event()

    def purge(self, sequence: int, purges: Purges) -> None:
        """In the round that is told next; before the ring has begun in none, as everyone is reset when it does."""
        self._ring.add(sequence, purges)
        named = self._ring.latest()
        if named is None:
            return
        last = self._queue[-1][0] if self._queue else None
        if not isinstance(last, Round):
            last = Round(named)
            self._tell(last)
        last.add(purges, named)

    def say(self, frame: bytes) -> None:
        """To everyone, after all that was heard before."""
        self._tell(Notice(frame, self._ring.latest()))

    async def run(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            while self._queue:
                try:
                    await self.step()
                except Exception as error:
                    log.exception("live.fan_out_failed", error=repr(error))
                    self.say(self._anew())
                    await asyncio.sleep(FLOOD_PAUSE)

    async def step(self) -> None:
        """Hand out the next thing in the queue."""
        what, since = self._queue.popleft()
        await self._streams.hand_out(handings(what, self._subscribers))
        self.told = what.named
        if self._subscribers:
            metrics.FAN_OUT_SECONDS.observe(time.perf_counter() - since)
        if isinstance(what, Round) and what.flood:
            await asyncio.sleep(FLOOD_PAUSE)

    def _tell(self, what: Round | Notice) -> None:
        self._queue.append((what, time.perf_counter()))
        self._due.set()
