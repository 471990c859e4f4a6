"""The latest announcements: what a client that comes back has missed. Pure."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from read_api.live.ids import EventId
from shared.contracts import EventProjectedV1
from shared.tags.names import EVENTS, event_tag

MOST_PURGES = 100  # tags named to one client at once (some 7 kB); for more, it is told to drop everything


@dataclass(frozen=True, slots=True)
class Announcement:
    sequence: int
    purges: tuple[tuple[str, int], ...]  # tag, revision
    visible: bool  # to anonymous clients

    @classmethod
    def of(cls, event: EventProjectedV1, sequence: int) -> "Announcement":
        changed = [(event_tag(event.event_id), event.revision)]
        if event.events_revision is not None:
            changed.append((EVENTS, event.events_revision))
        return cls(sequence, tuple(changed), event.visible)


class Ring:
    """Holds every announcement after the place `floor`, `most` at most."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: deque[Announcement] = deque()
        self._incarnation: int | None = None
        self._last = {True: 0, False: 0}  # by "sees drafts"
        self._floor = 0

    def begin(self, at: EventId) -> None:
        """Forget everything: only what comes after `at` is heard without a gap."""
        self._kept.clear()
        self._incarnation, self._floor = at.incarnation, at.sequence
        self._last = {True: at.sequence, False: at.sequence}

    def add(self, announcement: Announcement) -> None:
        self._kept.append(announcement)
        self._last[True] = announcement.sequence
        if announcement.visible:
            self._last[False] = announcement.sequence
        if len(self._kept) > self._most:
            self._floor = self._kept.popleft().sequence

    def latest(self, *, drafts: bool) -> EventId | None:
        """Of what such a client may hear: between two of its events, nothing tells it of drafts. None: none yet."""
        return None if self._incarnation is None else EventId(self._incarnation, self._last[drafts])

    def since(self, known: EventId | None, tags: frozenset[str] | None, *, drafts: bool) -> Mapping[str, int] | None:
        """The highest revision of each tag of `tags` (None: all) announced after `known`; None: that can't be known."""
        if (
            known is None
            or known.incarnation != self._incarnation
            or not self._floor <= known.sequence <= self._last[True]
        ):
            return None
        missed: dict[str, int] = {}
        for announcement in reversed(self._kept):
            if announcement.sequence <= known.sequence:
                break
            if announcement.visible or drafts:
                for tag, revision in announcement.purges:
                    if tags is None or tag in tags:
                        missed[tag] = max(missed.get(tag, 0), revision)
        return missed if len(missed) <= MOST_PURGES else None
