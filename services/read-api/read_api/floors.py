"""The highest revision heard or answered of each tag: below its floor, nothing is an answer. Pure."""

from collections import OrderedDict
from dataclasses import dataclass

from shared.contracts import EventProjectedV1
from shared.tags.names import EVENTS, event_tag

MAX = 100_000  # tags; some 20 MB. What was used longest ago is forgotten first, and then protected by Redis alone


@dataclass(slots=True)
class Floor:
    """`known`: heard or answered. `announced`: said of what anyone may see."""

    known: int = 0
    announced: int = 0


NONE = Floor()  # of a tag that was neither heard nor answered


class Floors:
    """A listener of the feed. A gap in it lowers no floor: what was heard before stays true."""

    def __init__(self, most: int = MAX) -> None:
        self._floors: OrderedDict[str, Floor] = OrderedDict()
        self._most = most

    def of(self, tag: str) -> int:
        """0 for a tag that was neither heard nor answered."""
        return self._used(tag).known

    def announced(self, tag: str) -> int:
        """The highest revision that was announced, when anyone could see the event before or after it."""
        return self._used(tag).announced

    def lift(self, tag: str, revision: int) -> None:
        """A reader is given this revision. It never lowers the floor."""
        self._lifted(tag, revision)

    def heard(self, event: EventProjectedV1, *, late: bool, sequence: int) -> None:  # noqa: ARG002 (late ones are as true as others)
        self._hear(event_tag(event.event_id), event.revision, visible=event.visible)
        if event.events_revision is not None:
            self._hear(EVENTS, event.events_revision, visible=True)

    def interrupted(self) -> None:
        """Floors only say what a document must not be below; missing some makes none of them wrong."""

    def resumed(self, *, missed: bool) -> None:
        """As above."""

    def _hear(self, tag: str, revision: int, *, visible: bool) -> None:
        floor = self._lifted(tag, revision)
        if floor is not None and visible:
            floor.announced = max(floor.announced, revision)

    def _used(self, tag: str) -> Floor:
        if tag not in self._floors:
            return NONE
        self._floors.move_to_end(tag)
        return self._floors[tag]

    def _lifted(self, tag: str, revision: int) -> Floor | None:
        """Revision 0 is kept of nothing: anyone can ask for ids that don't exist."""
        if revision <= 0:
            return None
        floor = self._floors.setdefault(tag, Floor())
        floor.known = max(floor.known, revision)
        self._floors.move_to_end(tag)
        if len(self._floors) > self._most:
            self._floors.popitem(last=False)
        return floor
