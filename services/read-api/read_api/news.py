"""Readers who wait until more is heard of a tag."""

import asyncio
from collections import defaultdict

from shared.contracts import EventProjectedV1
from shared.tags.names import EVENTS, event_tag

MAX_WAITING = 10_000  # at once; who comes then does not wait


class News:
    """A listener of the feed."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, set[asyncio.Future[None]]] = defaultdict(set)
        self._waiters = 0

    async def of(self, tag: str, patience: float) -> bool:
        """Wait until something is heard of this tag, for at most `patience` seconds. False: too many wait already."""
        if self._waiters >= MAX_WAITING:
            return False
        more = asyncio.get_running_loop().create_future()
        self._waiting[tag].add(more)
        self._waiters += 1
        try:
            await asyncio.wait((more,), timeout=patience)
        finally:
            self._waiters -= 1
            self._waiting[tag].discard(more)
            if not self._waiting[tag]:
                del self._waiting[tag]
        return True

    def heard(self, event: EventProjectedV1, *, late: bool, sequence: int) -> None:  # noqa: ARG002 (news is news)
        self._tell(event_tag(event.event_id))
        if event.events_revision is not None:
            self._tell(EVENTS)

    def interrupted(self) -> None:
        """Who waits looks for itself after a while, whether anything is heard or not."""

    def resumed(self, *, missed: bool) -> None:
        """As above."""

    def _tell(self, tag: str) -> None:
        for more in self._waiting.get(tag, ()):
            if not more.done():
                more.set_result(None)
