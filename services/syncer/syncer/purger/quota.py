"""How many calls a provider allows: a token bucket of our own, so that it never has to refuse one. Pure.

Clocks come in through the door: seconds, from any beginning, that only grow.
"""

import math


class Bucket:
    """`rate` calls a second on average, `burst` at once. It begins empty: what a predecessor spent is not known.

    So whatever calls went out before this one was made, all of them together stay within `burst + rate * seconds`.
    """

    def __init__(self, rate: float, burst: int, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._level = 0.0  # calls that may go out at `_at`
        self._at = now
        self._closed_until = -math.inf

    def wait(self, now: float) -> float:
        """Seconds until a call may go out; 0 when one may now."""
        self._fill(now)
        missing = max(0.0, 1.0 - self._level) / self._rate
        return max(missing, self._closed_until - now, 0.0)

    def take(self, now: float) -> bool:
        """Spend one call. False, and nothing is spent, when none may go out."""
        if self.wait(now) > 0:
            return False
        self._level -= 1.0
        return True

    def close(self, now: float, seconds: float) -> None:
        """The provider said that it takes none for so long: it counts otherwise than we do, and its word counts."""
        self._fill(now)
        self._level = min(self._level, 0.0)
        self._closed_until = max(self._closed_until, now + seconds)

    def calls_within(self, now: float, seconds: float) -> int:
        """How many may go out from now on in so many seconds."""
        self._fill(now)
        open_for = max(0.0, min(seconds, now + seconds - self._closed_until))
        return math.floor(self._level + self._rate * open_for) if open_for else 0

    def _fill(self, now: float) -> None:
        self._level = min(float(self._burst), self._level + self._rate * max(0.0, now - self._at))
        self._at = max(self._at, now)
