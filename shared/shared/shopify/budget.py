"""Who may spend how many of Shopify's points now: `async with budget.reserve(cost, deadline=…) as reservation`."""

import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from shared.shopify.bucket import Bucket, Level
from shared.shopify.costs import CostBook
from shared.shopify.ledger import FIRST_MAXIMUM, FIRST_RATE
from shared.shopify.line import MAX_WAITING, SLOTS, Line
from shared.shopify.shares import HEAD_ROOM, Share
from shared.shopify.till import LocalTill, Reservation

__all__ = ["Budget", "LocalBudget", "Reservation"]


class Budget(Protocol):
    """The seam: this process's own bucket (below), or the one that all processes share (`governor.py`)."""

    costs: CostBook

    def reserve(
        self, cost: float, *, deadline: float, share: Share = Share.COMMANDS
    ) -> AbstractAsyncContextManager[Reservation]:
        """Wait, at most `deadline` seconds, for `cost` points. Raises `Throttled` when they can't be had by then."""

    async def level(self) -> Level:
        """How the points of all stand, as far as that is known here; at most half a second old. Raises nothing."""


class LocalBudget(Line):
    """The points of one process that has the shop to itself."""

    def __init__(
        self,
        bucket: Bucket | None = None,
        *,
        head_room: float = HEAD_ROOM,
        slots: int = SLOTS,
        max_waiting: int = MAX_WAITING,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        full = bucket or Bucket.full(FIRST_MAXIMUM, FIRST_RATE, monotonic())
        self._local = LocalTill(full, head_room=head_room, monotonic=monotonic)
        super().__init__(self._local, slots=slots, max_waiting=max_waiting)

    @property
    def bucket(self) -> Bucket:
        """How things stand now."""
        return self._local.bucket
