"""How long a change takes until readers see it: a sliding window. Pure."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

WINDOW = 300.0  # seconds
MAX_SAMPLES = 10_000  # a syncer at full speed fills this in seconds; then the window is shorter


@dataclass(frozen=True, slots=True)
class Summary:
    """Seconds; None when nothing changed within the window."""

    p50: float | None
    p99: float | None
    longest: float | None
    samples: int


class Freshness:
    """Samples with the time at which each was taken, in seconds of one monotonic clock."""

    def __init__(self, window: float = WINDOW, max_samples: int = MAX_SAMPLES) -> None:
        self._window = window
        self._samples: deque[tuple[float, float]] = deque(maxlen=max_samples)

    def record(self, now: float, took: float) -> None:
        """`took` may be below zero when clocks differ; a change is never visible before it happened."""
        self._samples.append((now, max(0.0, took)))

    def summary(self, now: float) -> Summary:
        while self._samples and self._samples[0][0] < now - self._window:
            self._samples.popleft()
        ordered = sorted(took for _, took in self._samples)
        if not ordered:
            return Summary(None, None, None, 0)
        return Summary(percentile(ordered, 50), percentile(ordered, 99), ordered[-1], len(ordered))


def percentile(ordered: Sequence[float], percent: int) -> float:
    """The nearest rank: a value that did occur, with `percent` % of all values at or below it."""
    return ordered[max(0, ceil(len(ordered) * percent / 100) - 1)]
