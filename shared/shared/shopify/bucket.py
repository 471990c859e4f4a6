"""The arithmetic of Shopify's cost points, seen from one process. Pure.

Shopify (docs/shopify.md 2.3): a call is admitted if the bucket holds its requested cost, taken at once; what it did
not use comes back when it ends; `rate` points a second flow in, up to `maximum`.

What keeps us below Shopify's own level, so that nothing is ever refused: points are taken before a request leaves and
come back after its answer arrives, and while requests are under way the bucket counts as full at `maximum` less what
they hold (Shopify's may be full already, with our request still on its way: what would flow in then is lost).

What if Shopify refuses nevertheless: others use the app as well, or the limit was lowered and nobody said so? Then the
bucket allows a part of the announced limits only (`allowed`): less by `CUT` with the first refusal of a round trip,
more by the second until nothing is missing, as TCP finds its share of a line. While Shopify refuses nothing, `allowed`
is 1 and changes nothing.
"""

from dataclasses import dataclass, replace
from typing import Self

# A cut to 0.7 meets a limit that is half of the announced one after two round trips. From there the part swings between
# 0.41 and 0.59, evenly around that half, and Shopify's bucket evens it out: all points are used, and in each swing of
# RECOVERY * 0.18 = 53 s one round trip meets refusals. Faster: more refusals. Slower: minutes of points that nobody
# uses, after others were here for a moment.
CUT = 0.7
RECOVERY = 300.0  # seconds from nothing to everything
LEAST = 0.1  # of the announced rate: enough to find out that it is better again
MISLED = 600.0  # seconds without a contradiction, until what Shopify says raises the level again
LARGEST_REQUEST = 1000.0  # points; Shopify's own limit. Whatever is allowed, one such request must fit


@dataclass(frozen=True, slots=True)
class ThrottleStatus:
    """What an answer says about Shopify's bucket, after its own refund. Points, points a second."""

    maximum: float
    available: float
    rate: float


@dataclass(frozen=True, slots=True)
class Claim:
    """Points taken for one request. `since` places it among the others: all that was ever taken, before it, less what
    was under way then.
    """

    cost: float
    since: float
    at: float = float("-inf")  # when they were taken


@dataclass(frozen=True, slots=True)
class Level:
    """For whoever tells how long it will take: points that are there, that the bucket may hold, that flow in each
    second (both as allowed now, which may be less than what Shopify announces), and that requests under way hold.
    """

    available: float
    maximum: float
    rate: float
    held: float


@dataclass(frozen=True, slots=True)
class Bucket:
    """`available` at the instant `at` (seconds of a monotonic clock). `held`: points of requests under way. `taken`:
    all points ever taken; it only grows. `maximum` and `rate` are as announced, `allowed` is the part of them that is
    used, 0 to 1; `cut_at`: when it was lowered last, or the announced limits changed; `misled_at`: when Shopify last
    refused what by its own words it had points for.
    """

    maximum: float
    rate: float
    available: float
    at: float
    held: float = 0.0
    taken: float = 0.0
    allowed: float = 1.0
    cut_at: float = float("-inf")
    misled_at: float = float("-inf")

    @classmethod
    def full(cls, maximum: float, rate: float, at: float) -> Self:
        return cls(maximum, rate, maximum, at)

    @property
    def fill(self) -> float:
        """The most that it holds, as far as it is allowed."""
        return max(self.maximum * self.allowed, min(self.maximum, LARGEST_REQUEST))

    def level(self, at: float) -> Level:
        bucket = self.now(at)
        return Level(bucket.available, bucket.fill, bucket.rate * bucket.allowed, bucket.held)

    def now(self, at: float) -> Self:
        """The same bucket, later. A clock that goes back changes nothing."""
        if at <= self.at:
            return self
        passed = at - self.at
        allowed = min(1.0, self.allowed + passed / RECOVERY)
        bucket = replace(self, allowed=allowed, at=at)
        room = max(bucket.fill - self.held, min(self.available, bucket.fill))
        flowed = passed * self.rate * ((self.allowed + allowed) / 2)
        return replace(bucket, available=min(room, self.available + flowed))

    def wait_for(self, cost: float, at: float, head_room: float = 0.0) -> float:
        """Seconds until `cost` may be taken; 0 when it may now, infinity while that takes more than waiting.

        `head_room` points are left for others who share the shop, as far as the bucket is large enough for that.
        """
        bucket = self.now(at)
        needed = cost + max(0.0, min(head_room, bucket.fill - cost))
        if bucket.available >= needed:
            return 0.0
        if needed > bucket.fill - bucket.held or bucket.rate <= 0:
            return float("inf")
        return (needed - bucket.available) / (bucket.rate * bucket.allowed)

    def take(self, cost: float, at: float) -> tuple[Self, Claim]:
        """Take `cost` points, whether they are there or not: ask `wait_for` before."""
        bucket = self.now(at)
        claim = Claim(cost, bucket.taken - bucket.held, bucket.at)
        return replace(
            bucket, available=bucket.available - cost, held=bucket.held + cost, taken=bucket.taken + cost
        ), claim

    def give_back(self, claim: Claim, actual: float, at: float) -> Self:
        """The request is over and used `actual` points."""
        bucket = self.now(at)
        held = max(0.0, bucket.held - claim.cost)
        room = max(bucket.fill - held, bucket.available)
        return replace(bucket, held=held, available=min(room, bucket.available + claim.cost - actual))

    def follow(self, status: ThrottleStatus, claim: Claim, at: float) -> Self:
        """Believe an answer, as far as it can be believed. Call it after `give_back` of the same claim.

        Shopify's level can't be above what it said, so ours is not either. It can't be below that less everything of
        ours that was under way at any time since this request left: ours need not be lower. In between, which of
        those were counted already is unknown, and ours stays. Words that misled lately raise nothing.
        """
        bucket = self.now(at).limited(status, at)
        if at < bucket.misled_at + MISLED:
            return replace(bucket, available=min(bucket.available, status.available))
        unknown = bucket.taken - claim.since - claim.cost
        lowest = min(status.available - unknown, bucket.fill - bucket.held)
        return replace(bucket, available=min(max(bucket.available, lowest), status.available))

    def heed(self, status: ThrottleStatus, at: float) -> Self:
        """Believe only what lowers the level: of an answer to a request that this bucket knows nothing of."""
        bucket = self.now(at).limited(status, at)
        return replace(bucket, available=min(bucket.available, status.available))

    def limited(self, status: ThrottleStatus, at: float) -> Self:
        """With the announced limits, at once. Where they are others than before, requests that left until now may be
        refused without anything being wrong; where less flows in, what is allowed already stays, in points a second.
        """
        if (status.maximum, status.rate) == (self.maximum, self.rate):
            return self
        allowed = min(1.0, max(self.allowed, self.allowed * self.rate / status.rate))
        return replace(self, maximum=status.maximum, rate=status.rate, allowed=allowed, cut_at=at)

    def refused(self, claim: Claim, status: ThrottleStatus | None, at: float) -> Self:
        """Shopify had no points for that claim, though it was sent with points that should have been there.

        Where the answer says that they were missing, the level is what it says. Where it says nothing, or that they
        were there, nobody knows the level: there is none, and the points of the claim don't come back, since nobody
        took them. The first refusal in a round trip cuts what is allowed; the others had left before.
        """
        bucket = self.now(at)
        if status is not None and status.available < claim.cost:
            return bucket.give_back(claim, 0.0, at).follow(status, claim, at).cut(claim, at)
        bucket = replace(bucket, held=max(0.0, bucket.held - claim.cost), misled_at=at)
        bucket = bucket if status is None else bucket.limited(status, at)
        if claim.at > bucket.cut_at:
            bucket = replace(bucket, available=min(bucket.available, 0.0))
        return bucket.cut(claim, at)

    def cut(self, claim: Claim, at: float) -> Self:
        """For a claim that was refused; once a round trip."""
        if claim.at <= self.cut_at:
            return self
        return replace(self, allowed=max(LEAST, self.allowed * CUT), cut_at=at)
