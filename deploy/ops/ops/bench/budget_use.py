"""How much of what Shopify allowed was used while there was enough to do. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sample:
    """`at` seconds, of any clock. `spent`: points, ever. `available`: points in the bucket. `waiting`: mutations that
    could be sent now, or are not done yet.
    """

    at: float
    spent: float
    available: float
    waiting: int


@dataclass(frozen=True, slots=True)
class Use:
    """Points that were spent, and those that were allowed: what was in the bucket, and what was restored since."""

    spent: float
    allowed: float
    seconds: float

    @property
    def percent(self) -> float:
        return 100.0 * self.spent / self.allowed if self.allowed else 0.0


def use(samples: Sequence[Sample], rate: float, enough: int) -> Use:
    """From the first mutation until fewer than `enough` were waiting, or until the end. `rate`: points a second.

    Raises ValueError when nothing was ever spent.
    """
    first = next((place for place, each in enumerate(samples) if each.spent > samples[0].spent), None)
    if first is None:
        raise ValueError("no points were spent")
    begin = samples[first - 1]
    busy = [each for each in samples[first:] if each.waiting >= enough]
    end = busy[-1] if busy else samples[-1]
    seconds = end.at - begin.at
    return Use(end.spent - begin.spent, begin.available + rate * seconds, seconds)
