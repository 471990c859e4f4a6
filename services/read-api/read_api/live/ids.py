"""What an event is called, on every replica: the incarnation of the stream, and the place in it. Pure."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

WRITTEN = re.compile(r"([0-9]{1,18})-(0|[1-9][0-9]{0,18})")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
DOT, JOBS = ".", "j"  # of ids that speak of jobs
OF_NO_STREAM = -1  # an incarnation; none was made before 1970


@dataclass(frozen=True, slots=True)
class EventId:
    """`incarnation`: when the stream was made, in microseconds since 1970; made anew, it counts from 1 again."""

    incarnation: int
    sequence: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """What is no id of ours is one of no stream: who sends it gets a `reset`, as for one that is too old."""
        found = WRITTEN.fullmatch(text)
        return cls(OF_NO_STREAM, 0) if found is None else cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.incarnation}-{self.sequence}"


@dataclass(frozen=True, slots=True)
class Place:
    """Until where a client was told: of tags (PROJECTIONS), of jobs (JOBS); None: nothing of those.

    Written as `7-3` (tags), `j9-5` (jobs) or `7-3.j9-5`.
    """

    tags: EventId | None = None
    jobs: EventId | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """A half that is missing, or is none, is one of no stream: who wants to hear of it gets a `reset`."""
        tags, _, jobs = text.partition(DOT)
        if text.startswith(JOBS):
            tags, jobs = "", text
        if jobs and not jobs.startswith(JOBS):
            tags = jobs = ""
        return cls(EventId.parse(tags), EventId.parse(jobs.removeprefix(JOBS)))

    def __str__(self) -> str:
        halves = ("" if self.tags is None else str(self.tags), "" if self.jobs is None else f"{JOBS}{self.jobs}")
        return DOT.join(half for half in halves if half)


def known(half: EventId | None) -> EventId | None:
    """What can be named to a client again: not what it made up."""
    return None if half is None or half.incarnation == OF_NO_STREAM else half


def incarnation(created: datetime) -> int:
    return (created - EPOCH) // MICROSECOND
