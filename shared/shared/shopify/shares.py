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
from math import ceil

HEAD_ROOM = 50.0  # points that nobody takes: others may share the app, and a Redis that forgot begins below them

# Seconds for each point of a request that a share waits, within bounds, while those above it but commands take all
# points: so a backfill, which needs hardly any, ends though every sale asks for a refetch.
PATIENCE, SHORTEST_WAIT, LONGEST_WAIT = 0.1, 0.2, 4.0
# The same while commands take all; ends well within SHOPIFY_DEADLINE.
LONG_PATIENCE, LONG_SHORTEST, LONG_LONGEST = 0.5, 1.0, 60.0
BEHIND_COMMANDS = 0.5  # a rank


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


def urgency(share: Share, cost: float, waited: float) -> float | None:
    """The rank that a request has earned by waiting so many seconds since its share was served last; None: its own.

    First it goes before the other shares, each of which so gets some ten points a second, and later before commands as
    well: two points a second, so that nothing waits for ever and commands hardly notice.
    """
    if share is Share.COMMANDS:
        return None
    if waited > min(max(LONG_SHORTEST, cost * LONG_PATIENCE), LONG_LONGEST):
        return Share.COMMANDS.rank
    if waited > min(max(SHORTEST_WAIT, cost * PATIENCE), LONGEST_WAIT):
        return BEHIND_COMMANDS
    return None


def places(slots: int, rank: float) -> int:
    """How many requests may be under way when one more of that rank leaves. Half of the slots are for commands alone:
    they ask for 10 points or so and need most of all places to use what flows in; a page of products asks for 200.
    Of the other half, each share leaves one for each share above it.
    """
    return slots if rank <= Share.COMMANDS.rank else max(1, slots // 2 - max(0, ceil(rank) - 1))
