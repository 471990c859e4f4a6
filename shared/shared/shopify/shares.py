"""Who goes first when points are short, and how many each leaves for those above. Pure.

A share below COMMANDS takes points only while some stay for the shares above it, so that those find them at once. How
many, as parts of the bucket beside the request itself:

    most    is left as long as that costs nothing. All but COMMANDS leave more than half: a limit cut in half, which
            keeps what was spent, then refuses none of them.
    least   is left always. Between the two the rule is: whatever was used flows in again before the next one goes. So
            requests that ask for much, use little and take long (a product: 191 asked, some 30 used, 2-3 s) still get
            all that is restored, though they hold most of the bucket while they are under way.

A request larger than what its share may take of a full bucket does not exist: the parts are of what it leaves over.
"""

from dataclasses import dataclass
from enum import StrEnum

HEAD_ROOM = 50.0  # points that nobody takes: others may share the app, and a Redis that forgot begins below them
ROUNDING = 1e-6  # points; sums of floats fall short of the whole number by less


class Share(StrEnum):
    """In the order in which they are served."""

    COMMANDS = "commands"
    REFETCH = "refetch"
    RECONCILE = "reconcile"
    BACKFILL = "backfill"

    @property
    def rank(self) -> int:
        """0 is served first."""
        return _RANKS[self]

    @property
    def left(self) -> "Left":
        return _LEFT[self]


@dataclass(frozen=True, slots=True)
class Left:
    """For those above; parts of what the bucket holds beside the request."""

    least: float
    most: float

    def points(self, cost: float, maximum: float, held: float) -> float:
        """Points that must stay when `cost` of a bucket of `maximum` is taken, `held` of it being under way."""
        beside = max(0.0, maximum - cost)
        flowed_in_again = maximum - held - cost - ROUNDING
        return max(self.least * beside, min(self.most * beside, flowed_in_again))


_RANKS = {share: rank for rank, share in enumerate(Share)}
# A tenth apart: what the next share above needs for a burst, some 10-20 requests of a bucket of 2,000.
_LEFT = {
    Share.COMMANDS: Left(0.0, 0.0),
    Share.REFETCH: Left(0.05, 0.55),
    Share.RECONCILE: Left(0.10, 0.65),
    Share.BACKFILL: Left(0.15, 0.75),
}
