"""Who goes first when points are short, and how many each leaves for those above. Pure.

A share below COMMANDS takes points only while some stay for the shares above it, so that those find them at once:

    most    of the bucket must be there, counting what is under way as if it came back. So a share waits until enough
            of what was *used* has flowed in again, however much is held for how long (a product: 191 points asked, 40
            used, 2-3 s): while it waits the bucket is not full, and nothing that is restored is lost. All but COMMANDS
            leave more than half: a limit cut in half, which keeps what was spent, hardly ever finds the bucket empty.
    least   must really be there beside the request, whatever comes back.

Parts, of the bucket and of what the request leaves of it: a bucket that is full enough for a request grants it.
"""

from dataclasses import dataclass
from enum import StrEnum

HEAD_ROOM = 50.0  # points that nobody takes: others may share the app, and a Redis that forgot begins below them


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
    """For those above."""

    least: float
    most: float

    def points(self, cost: float, maximum: float, held: float) -> float:
        """Points that must stay when `cost` of a bucket of `maximum` is taken, `held` of it being under way."""
        return max(self.least * (maximum - cost), self.most * maximum - held - cost)


_RANKS = {share: rank for rank, share in enumerate(Share)}
# A tenth apart: what the next share above needs for a burst, some 10-20 requests of a bucket of 2,000.
_LEFT = {
    Share.COMMANDS: Left(0.0, 0.0),
    Share.REFETCH: Left(0.05, 0.55),
    Share.RECONCILE: Left(0.10, 0.65),
    Share.BACKFILL: Left(0.15, 0.75),
}
