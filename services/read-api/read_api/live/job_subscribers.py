"""Who wants to hear of which jobs: one that changed touches only those who asked for it.

Pure but for what a stream is.
"""

import itertools
from collections.abc import Iterator, Mapping
from typing import TypeVar

from read_api.live.job_updates import JobUpdate
from read_api.live.stream import Stream

Key = TypeVar("Key")


class JobSubscribers:
    """Of streams that have a wish for jobs."""

    def __init__(self) -> None:
        self._by_owner: dict[str | None, set[Stream]] = {}  # None: those who see everyone's
        self._by_job: dict[str, set[Stream]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Stream]:
        """Every stream once, as of now."""
        return iter(set(itertools.chain(*self._by_owner.values(), *self._by_job.values())))

    def add(self, stream: Stream) -> None:
        self._count += 1
        if stream.jobs is None:
            return
        if stream.jobs.ids is None:
            self._by_owner.setdefault(stream.jobs.owner, set()).add(stream)
        for job_id in stream.jobs.ids or ():
            self._by_job.setdefault(job_id, set()).add(stream)

    def remove(self, stream: Stream) -> None:
        self._count -= 1
        if stream.jobs is None:
            return
        if stream.jobs.ids is None:
            _discard(self._by_owner, stream.jobs.owner, stream)
        for job_id in stream.jobs.ids or ():
            _discard(self._by_job, job_id, stream)

    def broad(self) -> list[tuple[str | None, list[Stream]]]:
        """Those who asked for all that they may see, by whose jobs that is."""
        return [(owner, list(streams)) for owner, streams in self._by_owner.items()]

    def concerned(self, changed: Mapping[str, JobUpdate]) -> Mapping[Stream, tuple[str, ...]]:
        """Those who asked for some of these jobs, and may see them, with which, in the order given."""
        concerned: dict[Stream, tuple[str, ...]] = {}
        for job_id, update in changed.items():
            for stream in self._by_job.get(job_id, ()):
                if stream.jobs is not None and stream.jobs.wants(update):
                    concerned[stream] = (*concerned.get(stream, ()), job_id)
        return concerned


def _discard(streams_of: dict[Key, set[Stream]], key: Key, stream: Stream) -> None:
    streams_of[key].remove(stream)
    if not streams_of[key]:
        del streams_of[key]
