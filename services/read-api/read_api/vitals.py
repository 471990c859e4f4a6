"""What this process alone knows of itself. Another replica, or another worker behind the same port, says otherwise."""

import secrets
import time
from typing import Any, Protocol

from read_api.feed import SILENCE, Feed
from read_api.l1 import L1


class Streams(Protocol):
    @property
    def open(self) -> int:
        """Live streams of this process."""

    @property
    def jobs_missed(self) -> bool:
        """Some of them want to hear of jobs, and nothing is heard."""


class Vitals:
    def __init__(self, feed: Feed, l1: L1 | None = None, streams: Streams | None = None) -> None:
        self._feed = feed
        self._l1 = l1
        self._streams = streams
        self._name = secrets.token_hex(4)  # tells processes apart, and says nothing of the machines they run on
        self._began = time.monotonic()

    @property
    def hears(self) -> bool:
        """Whether every announcement is heard. A feed that has fallen silent is as good as none."""
        return self._feed.live and time.monotonic() - self._feed.heard_at < SILENCE

    @property
    def misses_jobs(self) -> bool:
        """Whether live clients wait for jobs in vain. Purges are heard apart, and are no worse for it."""
        return self._streams is not None and self._streams.jobs_missed

    def summary(self) -> dict[str, Any]:
        """The status' part about it."""
        position = self._feed.position
        return {
            "id": self._name,
            "up_seconds": round(time.monotonic() - self._began, 1),
            "feed": {
                "live": self.hears,
                "silent_seconds": round(time.monotonic() - self._feed.heard_at, 3) if self._feed.live else None,
                "heard": None if position is None else position.sequence,
            },
            "l1": None if self._l1 is None else _cached(self._l1),
            "live_streams": None if self._streams is None else self._streams.open,
        }


def _cached(l1: L1) -> dict[str, Any]:
    asked = l1.hits + l1.misses
    return {
        "documents": len(l1),
        "bytes": l1.bytes,
        "max_bytes": l1.max_bytes,
        "hits": l1.hits,
        "misses": l1.misses,
        "hit_ratio": round(l1.hits / asked, 4) if asked else None,
    }
