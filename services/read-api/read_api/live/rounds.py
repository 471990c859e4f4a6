"""What one circle is told next: changes since its last round began, or something that all must know. Pure."""

from dataclasses import dataclass

from read_api.live.ids import EventId
from read_api.live.job_ring import MOST_JOBS
from read_api.live.job_updates import JobUpdate
from read_api.live.purges import Purges
from read_api.live.ring import MOST_PURGES

MOST_TAGS = 5_000  # of one round, a second of a flood; beyond that, everyone is told to drop everything
MOST_JOBS_OF_A_ROUND = 5_000  # likewise,
MOST_TEXT_OF_A_ROUND = 8_388_608  # and in bytes


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


class JobRound:
    """`changed`: the latest of each job, by its id; each update is newer than the one before (`JobRing.add`)."""

    def __init__(self, named: EventId) -> None:
        self.changed: dict[str, JobUpdate] = {}
        self.named = named
        self.overflown = False
        self._text = 0  # bytes

    def add(self, update: JobUpdate, named: EventId) -> None:
        self.named = named
        if len(self.changed) >= MOST_JOBS_OF_A_ROUND or self._text >= MOST_TEXT_OF_A_ROUND:
            self.overflown = True
            return
        before = self.changed.pop(update.job_id, None)
        self._text += len(update.text) - (0 if before is None else len(before.text))
        self.changed[update.job_id] = update

    @property
    def flood(self) -> bool:
        """Who asked for all jobs is, as a rule, told to ask the writer."""
        return self.overflown or len(self.changed) > MOST_JOBS
