"""Shopify's leaky buckets of cost points: continuous restore, charged as requested, refunded to the actual. Pure.

docs/shopify.md 2.3: admit when what is available covers the requested cost; a rejected call costs nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

ROUNDING = 1e-6  # points; sums of floats fall short of the whole number by less


@dataclass(slots=True)
class Bucket:
    """`clock` is monotonic seconds; `maximum` points, restored at `restore_rate` points a second."""

    maximum: float
    restore_rate: float
    clock: Callable[[], float]
    spent: float = 0  # points, ever, refunds taken off
    _level: float = field(init=False)
    _at: float = field(init=False)

    def __post_init__(self) -> None:
        self._level, self._at = self.maximum, self.clock()

    def available(self) -> float:
        now = self.clock()
        self._level = min(self.maximum, self._level + (now - self._at) * self.restore_rate)
        self._at = now
        return self._level

    def admit(self, cost: float) -> bool:
        """Take the requested cost; False, and nothing taken, when it isn't there."""
        if self.available() < cost:
            return False
        self._level -= cost
        self.spent += cost
        return True

    def refund(self, points: float) -> None:
        self.spent -= points
        self._level = min(self.maximum, self.available() + points)

    def limit(self, maximum: float, restore_rate: float) -> None:
        """Shopify changes its mind; what was spent stays spent."""
        spent = self.maximum - self.available()
        self.maximum, self.restore_rate = maximum, restore_rate
        self._level = max(0.0, maximum - spent)

    def status(self) -> dict[str, Any]:
        """`throttleStatus`: two floats around an integer, as Shopify prints them."""
        return {
            "maximumAvailable": float(self.maximum),
            "currentlyAvailable": int(self.available() + ROUNDING),
            "restoreRate": float(self.restore_rate),
        }


@dataclass(slots=True)
class Allowance:
    """The bucket that Shopify tells of, and one it may keep to itself: a request must find its points in both.

    `hidden` stands for what throttleStatus never shows: the edge's own limit, a cut that nobody announced.
    """

    told: Bucket
    hidden: Bucket | None = None

    def admit(self, cost: float) -> bool:
        if self.hidden is not None and self.hidden.available() < cost:
            return False
        if not self.told.admit(cost):
            return False
        return self.hidden is None or self.hidden.admit(cost)

    def refund(self, points: float) -> None:
        self.told.refund(points)
        if self.hidden is not None:
            self.hidden.refund(points)

    def limit(self, maximum: float, restore_rate: float) -> None:
        """As announced from now on. A hidden bucket has limits of its own: `hide` sets them."""
        if (maximum, restore_rate) != (self.told.maximum, self.told.restore_rate):
            self.told.limit(maximum, restore_rate)

    def hide(self, maximum: float | None, restore_rate: float | None) -> None:
        """Limits nobody is told of, in force at once; None: as announced. The first cut takes what is there over."""
        if maximum is None and restore_rate is None:
            self.hidden = None
            return
        maximum = self.told.maximum if maximum is None else maximum
        restore_rate = self.told.restore_rate if restore_rate is None else restore_rate
        if self.hidden is None:
            self.hidden = Bucket(self.told.maximum, self.told.restore_rate, self.told.clock)
            self.hidden.admit(self.told.maximum - max(0.0, self.told.available()))
        if (maximum, restore_rate) != (self.hidden.maximum, self.hidden.restore_rate):
            self.hidden.limit(maximum, restore_rate)

    def status(self) -> dict[str, Any]:
        return self.told.status()
