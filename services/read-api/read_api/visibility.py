"""Listens to the feed, and knows how fresh what readers see is."""

import time
from datetime import UTC, datetime

from read_api import metrics
from read_api.freshness import Freshness, Summary
from shared.contracts import EventProjectedV1, Origin


class Visibility:
    """A listener of the feed. What was announced while nobody listened is no sample: we can't know how long it took."""

    def __init__(self) -> None:
        self._freshness = Freshness()

    def heard(self, event: EventProjectedV1, *, late: bool, sequence: int) -> None:  # noqa: ARG002 (when, not where)
        if late or event.origin is not Origin.WEBHOOK:  # a backfill or a refetch says nothing of webhooks
            return
        took = (datetime.now(UTC) - event.seen_at).total_seconds()
        metrics.CHANGE_TO_VISIBLE.observe(max(0.0, took))
        self._freshness.record(time.monotonic(), took)

    def interrupted(self) -> None:
        """The window stays as it is; the status says that the feed is not live."""

    def resumed(self, *, missed: bool) -> None:
        """Nothing was counted meanwhile."""

    def summary(self) -> Summary:
        return self._freshness.summary(time.monotonic())
