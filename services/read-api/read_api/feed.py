"""Hear every announcement of the projections: what all that is kept in this process relies on."""

import time
from collections.abc import Callable, Iterable

from read_api import metrics
from read_api.following import SILENCE, FeedBroken, Follower, Gauges, Listener, Position
from shared.contracts import EventProjectedV1
from shared.settings import NatsSettings
from shared.topology import PROJECTIONS

__all__ = ["SILENCE", "Feed", "FeedBroken", "Position"]

GAUGES = Gauges(metrics.FEED_LIVE, metrics.FEED_GAPS, metrics.FEED_REFUSED)


class Feed(Follower[EventProjectedV1]):
    """Of PROJECTIONS, from the start of the process to its end."""

    def __init__(
        self,
        settings: NatsSettings,
        listeners: Iterable[Listener[EventProjectedV1]] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(settings, PROJECTIONS, EventProjectedV1, GAUGES, listeners, clock)
