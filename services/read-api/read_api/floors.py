"""The highest revision heard or answered of each tag: below its floor, nothing is an answer. Pure."""

from collections import OrderedDict

from shared.contracts import EventProjectedV1
from shared.tags.names import EVENTS, event_tag

MAX = 100_000  # tags; a few MB. What was used longest ago is forgotten first, and then protected by Redis alone


class Floors:
    """A listener of the feed. A gap in it lowers no floor: what was heard before stays true."""

    def __init__(self, most: int = MAX) -> None:
        self._revisions: OrderedDict[str, int] = OrderedDict()
        self._most = most

    def of(self, tag: str) -> int:
        """0 for a tag that was neither heard nor answered."""
        if tag not in self._revisions:
            return 0
        self._revisions.move_to_end(tag)
        return self._revisions[tag]

    def lift(self, tag: str, revision: int) -> None:
        """Never lowers it. Revision 0 is kept of nothing: anyone can ask for ids that don't exist."""
        if revision <= 0:
            return
        self._revisions[tag] = max(self._revisions.get(tag, 0), revision)
        self._revisions.move_to_end(tag)
        if len(self._revisions) > self._most:
            self._revisions.popitem(last=False)

    def heard(self, event: EventProjectedV1, *, late: bool) -> None:  # noqa: ARG002 (late ones are as true as others)
        self.lift(event_tag(event.event_id), event.revision)
        if event.events_revision is not None:
            self.lift(EVENTS, event.events_revision)

    def interrupted(self) -> None:
        """Floors only say what a document must not be below; missing some makes none of them wrong."""

    def resumed(self, *, missed: bool) -> None:
        """As above."""
