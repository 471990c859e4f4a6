"""The latest of each job that was heard of: what a client that comes back has missed. Pure."""

from collections import OrderedDict
from collections.abc import Sequence

from read_api.live.ids import EventId
from read_api.live.job_updates import JobUpdate, JobWish

MOST_JOBS = 100  # told to one client at once,
MOST_TEXT = 262_144  # and bytes of them; for more, it is told to ask the writer
MOST_BYTES = 4_194_304  # that a ring keeps; a job is about 0.6 kB


class JobRing:
    """Holds the latest of all jobs that changed after the place `floor`: of `most` jobs, and `most_bytes`, at most."""

    def __init__(self, most: int, most_bytes: int = MOST_BYTES) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._kept: OrderedDict[str, tuple[int, JobUpdate]] = OrderedDict()  # by their places, the oldest first
        self._incarnation: int | None = None
        self._floor = self._last = 0
        self.bytes = 0

    def begin(self, at: EventId) -> None:
        """Forget everything: only what comes after `at` is heard without a gap."""
        self.forget()
        self._incarnation, self._floor, self._last = at.incarnation, at.sequence, at.sequence

    def forget(self) -> None:
        """From now on, nothing is known."""
        self._kept.clear()
        self._incarnation, self.bytes = None, 0

    def add(self, sequence: int, update: JobUpdate) -> bool:
        """False: a newer one, or this, is held already. Two who announce may overtake each other."""
        self._last = sequence
        before = self._kept.get(update.job_id)
        if before is not None and before[1].version >= update.version:
            return False
        if before is not None:
            self._drop(update.job_id)
        self._kept[update.job_id] = (sequence, update)
        self.bytes += len(update.text)
        while len(self._kept) > self._most or self.bytes > self._most_bytes:
            self._floor = self._drop(next(iter(self._kept)))
        return True

    def latest(self) -> EventId | None:
        """None: nothing is known yet."""
        return None if self._incarnation is None else EventId(self._incarnation, self._last)

    def since(self, known: EventId, wish: JobWish) -> Sequence[JobUpdate] | None:
        """The latest of each job of `wish` that changed after `known`, the oldest first; None: that can't be known."""
        if known.incarnation != self._incarnation or not self._floor <= known.sequence <= self._last:
            return None
        missed: list[JobUpdate] = []
        for sequence, update in reversed(self._kept.values()):
            if sequence <= known.sequence:
                break
            if wish.wants(update):
                missed.append(update)
        return missed[::-1] if fits(missed) else None

    def _drop(self, job_id: str) -> int:
        """Returns its place."""
        sequence, update = self._kept.pop(job_id)
        self.bytes -= len(update.text)
        return sequence


def fits(updates: Sequence[JobUpdate]) -> bool:
    """Whether one client is told all of them."""
    return len(updates) <= MOST_JOBS and sum(len(update.text) for update in updates) <= MOST_TEXT
