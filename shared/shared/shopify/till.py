"""Where points are asked for and given back, one request at a time; and the till that keeps them in this process."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from shared.shopify import metrics
from shared.shopify.bucket import Bucket, Claim, Level, ThrottleStatus
from shared.shopify.shares import HEAD_ROOM, Left, Share


@dataclass(slots=True)
class Reservation:
    """Points that a request may use. Settle it with what Shopify says; unsettled, they count as used."""

    cost: float
    actual: float | None = None
    status: ThrottleStatus | None = None
    refused: bool = False  # Shopify said that it had no points for it
    learnt: tuple[str, float] | None = None  # a document's name in the CostBook, and what Shopify asks for it

    def settle(self, actual: float, status: ThrottleStatus | None = None) -> None:
        """The request used `actual` points (0: it never was admitted). Takes effect when the block is left."""
        self.actual = actual
        self.status = status

    def unsettle(self) -> None:
        """From now on its outcome is unknown."""
        self.actual = self.status = None

    @property
    def used(self) -> float:
        return self.cost if self.actual is None else self.actual


@dataclass(slots=True)
class Ask:
    """For the same points again and again, until they are granted. `id` is unique over all processes; `order` is its
    place among all that ask, once that is known; `overdue`: it has waited long enough for all but commands.
    """

    id: str
    cost: float
    share: Share
    rank: float
    order: float | None = None
    overdue: bool = False

    @property
    def left(self) -> Left:
        """What it leaves for those above it."""
        return Share.COMMANDS.left if self.overdue else self.share.left

    def hasten(self, rank: float) -> None:
        """From now on it leaves nothing to others, as a command does, and goes before all of a greater rank."""
        self.overdue, self.rank = True, min(self.rank, rank)


@dataclass(frozen=True, slots=True)
class Granted:
    """`claim` is the till's own mark; None: it goes by the id."""

    id: str
    cost: float
    claim: Claim | None = None


@dataclass(frozen=True, slots=True)
class Later:
    """Ask again in so many seconds (infinity: when something was given back), or when something was given back."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Never:
    """The whole bucket holds less: `maximum` points."""

    maximum: float


class Till(Protocol):
    """The seam between those who wait and the points: of this process (below), or of all (`governor.py`)."""

    async def take(self, ask: Ask) -> Granted | Later | Never:
        """Take the points, or say when."""

    async def give_back(self, granted: Granted, reservation: Reservation) -> None:
        """The request is over."""

    async def leave(self, ask: Ask) -> None:
        """It will not be asked again."""

    async def level(self) -> Level:
        """How things stand, at most LEVEL_AGE old. Takes nothing, raises nothing."""


class LocalTill:
    """The points of this process alone: all of Shopify's bucket, or a `part` of it.

    With a part below 1 other processes spend too, unseen. Then an answer never raises the level, only what flows in
    does: as long as the parts add up to 1 at most, so do the points.
    """

    def __init__(
        self,
        bucket: Bucket,
        *,
        head_room: float = HEAD_ROOM,
        part: float = 1.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bucket = bucket
        self._head_room = head_room
        self._part = part
        self._monotonic = monotonic

    @property
    def bucket(self) -> Bucket:
        """How things stand now."""
        return self._bucket.now(self._monotonic())

    async def take(self, ask: Ask) -> Granted | Later | Never:
        bucket = self._wide_enough(ask.cost)
        if ask.cost > bucket.maximum:
            return Never(bucket.maximum)
        left = max(self._head_room * self._part, ask.left.points(ask.cost, bucket.fill, bucket.held))
        seconds = bucket.wait_for(ask.cost, bucket.at, left)
        if seconds > 0:
            self._bucket = bucket
            return Later(seconds)
        self._bucket, claim = bucket.take(ask.cost, bucket.at)
        return Granted(ask.id, ask.cost, claim)

    async def give_back(self, granted: Granted, reservation: Reservation) -> None:
        if granted.claim is None:
            if reservation.status is not None:
                self.heed(reservation.status)
        elif reservation.refused:
            status = reservation.status and self._of_part(reservation.status)
            self._bucket = self._bucket.refused(granted.claim, status, self._monotonic())
        else:
            self._settle(granted.claim, reservation)
        metrics.level(self.bucket.level(self._bucket.at), self._bucket.allowed)

    def _settle(self, claim: Claim, reservation: Reservation) -> None:
        now = self._monotonic()
        self._bucket = self._bucket.give_back(claim, reservation.used, now)
        if reservation.status is not None and self._part == 1:
            self._bucket = self._bucket.follow(reservation.status, claim, now)
        elif reservation.status is not None:
            self.heed(reservation.status)

    def heed(self, status: ThrottleStatus) -> None:
        """An answer to a request that was not paid from here."""
        self._bucket = self._bucket.heed(self._of_part(status), self._monotonic())

    def _of_part(self, status: ThrottleStatus) -> ThrottleStatus:
        """The level is everybody's: it is not divided."""
        return replace(status, maximum=status.maximum * self._part, rate=status.rate * self._part)

    async def level(self) -> Level:
        return self._bucket.level(self._monotonic())

    async def leave(self, ask: Ask) -> None:
        """Nothing is kept of those who wait."""

    def _wide_enough(self, cost: float) -> Bucket:
        """A part may be smaller than a request that Shopify admits: then it saves up for that one."""
        bucket = self.bucket
        if cost <= bucket.maximum or self._part == 1 or cost > bucket.maximum / self._part:
            return bucket
        return replace(bucket, maximum=cost)
