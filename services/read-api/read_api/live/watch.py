"""Look after the open streams: signs of life, the end of those that have fallen behind or whose time is over."""

import time
from collections.abc import Callable, Collection, Mapping

import structlog

from read_api.live import frames
from read_api.live.circles import Circle
from read_api.live.ids import EventId, Place
from read_api.live.stream import Stream, message
from read_api.live.streams import Streams
from read_api.live.wheel import Wheel

log = structlog.get_logger()

Told = Mapping[Circle, EventId | Place | None]  # the last that all of this circle were handed


class Watch:
    """`patience`: seconds that a stream may be behind."""

    def __init__(self, wheel: Wheel, streams: Streams, told: Callable[[], Told], patience: float) -> None:
        self._wheel = wheel
        self._streams = streams
        self._told = told
        self._patience = patience

    async def run(self) -> None:
        async for turn in self._wheel.turns():
            try:
                await self.step(turn)
            except Exception as error:  # the next turn comes anyway
                log.exception("live.watch_failed", error=repr(error))

    async def step(self, turn: Collection[Stream]) -> None:
        """One tick of the wheel. `turn`: who gets a sign of life."""
        now = time.monotonic()
        self._streams.drop_slow(now - self._patience)
        self._streams.drop_expired(now)
        beats = {circle: message(frames.heartbeat(named)) for circle, named in self._told().items()}
        await self._streams.hand_out((stream, beats[stream.circle]) for stream in turn if stream.behind_since is None)
