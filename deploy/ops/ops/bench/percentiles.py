"""Percentiles and medians of what was measured. Pure."""

import math
import statistics
from collections.abc import Sequence


def percentile(ordered: Sequence[float], part: float) -> float:
    """The smallest value that at least `part` (0 to 1) of them do not exceed: always one that really occurred.

    `ordered` from the smallest on. Raises ValueError when there is none.
    """
    if not ordered:
        raise ValueError("no percentile of nothing")
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]


def milliseconds(seconds: Sequence[float], parts: Sequence[float] = (0.5, 0.99, 0.999)) -> dict[str, float]:
    """{"p50 ms": …, "p99 ms": …, "p99.9 ms": …}; nothing of nothing."""
    ordered = sorted(seconds)
    return {f"p{part * 100:g} ms": percentile(ordered, part) * 1000 for part in parts} if ordered else {}


def median_of(rounds: Sequence[dict[str, float]]) -> dict[str, float]:
    """Of each figure that every round has."""
    names = [name for name in rounds[0] if all(name in each for each in rounds)] if rounds else []
    return {name: statistics.median(each[name] for each in rounds) for name in names}
