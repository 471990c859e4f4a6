"""Heartbeats without a timer for each stream: every tick, it is the turn of those in the next slot."""

import asyncio
from collections.abc import AsyncIterator

from read_api.live.stream import Stream

TICK = 1.0  # seconds; also how often it is looked who has fallen behind


class Wheel:
    """`period`: seconds until it is a stream's turn again."""

    def __init__(self, period: float, tick: float = TICK) -> None:
        self._tick = tick
        self._slots: list[set[Stream]] = [set() for _ in range(max(1, round(period / tick)))]
        self._next = 0

    def __contains__(self, stream: Stream) -> bool:
        return stream in self._slots[stream.slot]

    def add(self, stream: Stream) -> None:
        stream.slot = min(range(len(self._slots)), key=lambda slot: len(self._slots[slot]))
        self._slots[stream.slot].add(stream)

    def remove(self, stream: Stream) -> None:
        self._slots[stream.slot].remove(stream)

    async def turns(self) -> AsyncIterator[list[Stream]]:
        while True:
            await asyncio.sleep(self._tick)
            turn = self._slots[self._next]
            self._next = (self._next + 1) % len(self._slots)
            yield list(turn)
