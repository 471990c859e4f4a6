"""Which events are left alone for a while, because something failed there: for longer each time, and not for ever."""

import time
from collections.abc import Callable
from dataclasses import dataclass

FIRST_REST, LONGEST_REST = 0.5, 30.0  # seconds after a failure; doubles
REMEMBERED = 120.0  # seconds after a rest; then the next failure is the first one again


@dataclass(slots=True)
class _Rest:
    until: float
    failures: int = 0
    breaks: int = 0


class Rests:
    """Of one process, by lane. Bounded by what rested lately."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._rests: dict[int, _Rest] = {}

    def __len__(self) -> int:
        return len(self._rests)

    def resting(self) -> set[int]:
        """Lanes to be left alone now."""
        now = self._monotonic()
        self._rests = {lane: rest for lane, rest in self._rests.items() if rest.until + REMEMBERED > now}
        return {lane for lane, rest in self._rests.items() if rest.until > now}

    def failed(self, lane: int) -> None:
        """Somebody was away, or something took too long."""
        rest = self._of(lane)
        rest.failures += 1
        rest.breaks = 0
        rest.until = self._monotonic() + min(LONGEST_REST, FIRST_REST * 2 ** min(rest.failures - 1, 10))

    def broke(self, lane: int) -> int:
        """An error that nobody expected; how many there were, one after the other."""
        rest = self._of(lane)
        breaks = rest.breaks + 1
        self.failed(lane)
        rest.breaks = breaks
        return breaks

    def wait(self, lane: int, seconds: float) -> None:
        """Nothing failed; it is just too early."""
        self._of(lane).until = self._monotonic() + seconds

    def well(self, lane: int) -> None:
        """It went on."""
        self._rests.pop(lane, None)

    def _of(self, lane: int) -> _Rest:
        return self._rests.setdefault(lane, _Rest(self._monotonic()))
