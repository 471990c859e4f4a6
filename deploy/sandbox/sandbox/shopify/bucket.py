"""Shopify's leaky bucket of cost points: continuous restore, charged as requested, refunded to the actual. Pure.

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
        return True

    def refund(self, points: float) -> None:
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
