"""The arithmetic of Shopify's cost points, seen from one process. Pure.

Shopify (docs/shopify.md 2.3): a call is admitted if the bucket holds its requested cost, taken at once; what it did
not use comes back when it ends; `rate` points a second flow in, up to `maximum`.

What keeps us below Shopify's own level, so that nothing is ever refused: points are taken before a request leaves and
come back after its answer arrives, and while requests are under way the bucket counts as full at `maximum` less what
they hold (Shopify's may be full already, with our request still on its way: what would flow in then is lost).
"""

from dataclasses import dataclass, replace
from typing import Self


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


@dataclass(frozen=True, slots=True)
class Bucket:
    """`available` at the instant `at` (seconds of a monotonic clock). `held`: points of requests under way. `taken`:
    all points ever taken; it only grows.
    """

    maximum: float
    rate: float
    available: float
    at: float
    held: float = 0.0
    taken: float = 0.0

    @classmethod
    def full(cls, maximum: float, rate: float, at: float) -> Self:
        return cls(maximum, rate, maximum, at)

    def now(self, at: float) -> Self:
        """The same bucket, later. A clock that goes back changes nothing."""
        if at <= self.at:
            return self
        room = max(self.maximum - self.held, min(self.available, self.maximum))
        return replace(self, available=min(room, self.available + (at - self.at) * self.rate), at=at)

    def wait_for(self, cost: float, at: float, head_room: float = 0.0) -> float:
        """Seconds until `cost` may be taken; 0 when it may now, infinity while that takes more than waiting.

        `head_room` points are left for others who share the shop, as far as the bucket is large enough for that.
        """
        bucket = self.now(at)
        needed = cost + max(0.0, min(head_room, self.maximum - cost))
        if bucket.available >= needed:
            return 0.0
        if needed > bucket.maximum - bucket.held or bucket.rate <= 0:
            return float("inf")
        return (needed - bucket.available) / bucket.rate

    def take(self, cost: float, at: float) -> tuple[Self, Claim]:
        """Take `cost` points, whether they are there or not: ask `wait_for` before."""
        bucket = self.now(at)
        claim = Claim(cost, bucket.taken - bucket.held)
        return replace(
            bucket, available=bucket.available - cost, held=bucket.held + cost, taken=bucket.taken + cost
        ), claim

    def give_back(self, claim: Claim, actual: float, at: float) -> Self:
        """The request is over and used `actual` points."""
        bucket = self.now(at)
        held = max(0.0, bucket.held - claim.cost)
        room = max(bucket.maximum - held, bucket.available)
        return replace(bucket, held=held, available=min(room, bucket.available + claim.cost - actual))

    def follow(self, status: ThrottleStatus, claim: Claim, at: float) -> Self:
        """Believe an answer, as far as it can be believed. Call it after `give_back` of the same claim.

        Shopify's level can't be above what it said, so ours is not either. It can't be below that less everything of
        ours that was under way at any time since this request left: ours need not be lower. In between, which of
        those were counted already is unknown, and ours stays.
        """
        bucket = self.now(at)
        unknown = bucket.taken - claim.since - claim.cost
        lowest = min(status.available - unknown, status.maximum - bucket.held)
        available = min(max(bucket.available, lowest), status.available)
        return replace(bucket, maximum=status.maximum, rate=status.rate, available=available)

    def heed(self, status: ThrottleStatus, at: float) -> Self:
        """Believe only what lowers the level: of an answer to a request that this bucket knows nothing of."""
        bucket = self.now(at)
        return replace(
            bucket, maximum=status.maximum, rate=status.rate, available=min(bucket.available, status.available)
        )
