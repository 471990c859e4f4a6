"""What is to be told next: the latest of each tag since the fan-out began its last round. Pure."""

from collections.abc import Mapping

from read_api.live.ids import EventId
from read_api.live.ring import MOST_PURGES, Announcement

Ids = Mapping[bool, EventId | None]  # by "sees drafts"
MOST_TAGS = 5_000  # of one round, a second of a flood; beyond that, everyone is told to drop everything


class Round:
    """`public`: what anonymous clients hear; `all`: what organizers do. `ids`: of the last, for each of them."""

    def __init__(self) -> None:
        self.public: dict[str, int] = {}
        self.all: dict[str, int] = {}
        self.ids: Ids = {True: None, False: None}
        self.overflown = False

    def add(self, announcement: Announcement, ids: Ids) -> None:
        self.ids = ids
        if len(self.all) > MOST_TAGS:
            self.overflown = True
            return
        for tag, revision in announcement.purges:
            self.all[tag] = max(self.all.get(tag, 0), revision)
            if announcement.visible:
                self.public[tag] = max(self.public.get(tag, 0), revision)

    @property
    def flood(self) -> bool:
        """Who asked for everything is told to drop everything."""
        return self.overflown or len(self.all) > MOST_PURGES
