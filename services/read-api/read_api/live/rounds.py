"""What one audience is told next: purges since its last round began, or something that all must know. Pure."""

from dataclasses import dataclass

from read_api.live.ids import EventId
from read_api.live.purges import Purges
from read_api.live.ring import MOST_PURGES

MOST_TAGS = 5_000  # of one round, a second of a flood; beyond that, everyone is told to drop everything


@dataclass(frozen=True)
class Notice:
    """A frame for everyone. `named`: the id of the last that was told before; None: none was."""

    frame: bytes
    named: EventId | None


class Round:
    """`changed`: the latest revision of each tag. `named`: the id of the last announcement in it."""

    def __init__(self, named: EventId) -> None:
        self.changed: dict[str, int] = {}
        self.named = named
        self.overflown = False

    def add(self, purges: Purges, named: EventId) -> None:
        self.named = named
        if len(self.changed) > MOST_TAGS:
            self.overflown = True
            return
        for tag, revision in purges:
            self.changed[tag] = max(self.changed.get(tag, 0), revision)

    @property
    def flood(self) -> bool:
        """Who asked for everything is told to drop everything."""
        return self.overflown or len(self.changed) > MOST_PURGES
