"""How a circle is told of changes of one kind: with which words, and with which ids. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from read_api.live import frames
from read_api.live.ids import EventId, Place
from read_api.live.job_updates import JobUpdate

Changes = TypeVar("Changes")
Tags = Mapping[str, int]  # to the revision below which its documents are gone
Jobs = Sequence[JobUpdate]


@dataclass(frozen=True)
class Voice(Generic[Changes]):
    """`spell`: as in `frames`. `place`: what an id of this kind is written as, with the other kind's, if it is told."""

    spell: Callable[[Changes, Place], bytes]
    place: Callable[[EventId], Place]
    data: str = frames.EVERYTHING

    def changes(self, changed: Changes, named: EventId) -> bytes:
        return self.spell(changed, self.place(named))

    def reset(self, named: EventId) -> bytes:
        return frames.reset(self.place(named), self.data)

    def live(self, named: EventId) -> bytes:
        return frames.live(self.place(named), self.data)

    def degraded(self) -> bytes:
        return frames.degraded(self.data)


def of_tags(jobs: Callable[[], EventId | None] | None = None) -> Voice[Tags]:
    """`jobs`: until where they were told as well; None: to those who don't hear of jobs."""
    if jobs is None:
        return Voice(_purges, Place)
    return Voice(_purges, lambda named: Place(named, jobs()), frames.TAGS)


def of_jobs(tags: Callable[[], EventId | None]) -> Voice[Jobs]:
    """`tags`: until where they were told as well."""
    return Voice(frames.jobs, lambda named: Place(tags(), named), frames.JOBS)


def _purges(changed: Tags, named: Place) -> bytes:
    return frames.purges(changed.items(), named)


PLAIN = of_tags()
