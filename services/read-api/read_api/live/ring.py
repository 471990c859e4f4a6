"""The latest of what one audience was told: what a client of it that comes back has missed. Pure.

Each audience has its own: neither an id nor what becomes of one tells anonymous clients of drafts.
"""

from collections import deque
from collections.abc import Mapping

from read_api.live.ids import EventId
from read_api.live.purges import Purges

MOST_PURGES = 100  # tags named to one client at once (some 7 kB); for more, it is told to drop everything


class Ring:
    """Holds all that was told after the place `floor`, `most` announcements at most."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: deque[tuple[int, Purges]] = deque()
        self._incarnation: int | None = None
        self._floor = self._last = 0

    def begin(self, at: EventId) -> None:
        """Forget everything: only what comes after `at` is heard without a gap."""
        self._kept.clear()
        self._incarnation, self._floor, self._last = at.incarnation, at.sequence, at.sequence

    def add(self, sequence: int, purges: Purges) -> None:
        self._kept.append((sequence, purges))
        self._last = sequence
        if len(self._kept) > self._most:
            self._floor, _ = self._kept.popleft()

    def latest(self) -> EventId | None:
        """Of what this audience was told. None: nothing is known yet."""
        return None if self._incarnation is None else EventId(self._incarnation, self._last)

    def since(self, known: EventId, tags: frozenset[str] | None) -> Mapping[str, int] | None:
        """The highest revision of each tag of `tags` (None: all) told after `known`; None: that can't be known.

        What is after the last that this audience was told can't be known either, though there may have been drafts.
        """
        if known.incarnation != self._incarnation or not self._floor <= known.sequence <= self._last:
            return None
        missed: dict[str, int] = {}
        for sequence, purges in reversed(self._kept):
            if sequence <= known.sequence:
                break
            for tag, revision in purges:
                if tags is None or tag in tags:
                    missed[tag] = max(missed.get(tag, 0), revision)
        return missed if len(missed) <= MOST_PURGES else None
