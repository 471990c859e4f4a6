"""What an event is called, on every replica: the incarnation of the stream, and the place in it. Pure."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

WRITTEN = re.compile(r"([0-9]{1,18})-(0|[1-9][0-9]{0,18})")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
OF_NO_STREAM = -1  # an incarnation; none was made before 1970


@dataclass(frozen=True, slots=True)
class EventId:
    """`incarnation`: when PROJECTIONS was made, in microseconds since 1970; made anew, it counts from 1 again."""

    incarnation: int
    sequence: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """What is no id of ours is one of no stream: who sends it gets a `reset`, as for one that is too old."""
        found = WRITTEN.fullmatch(text)
        return cls(OF_NO_STREAM, 0) if found is None else cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.incarnation}-{self.sequence}"


def incarnation(created: datetime) -> int:
    return (created - EPOCH) // MICROSECOND
