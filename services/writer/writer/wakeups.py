"""Who waits for a job learns at once that it changed: here at once, from another replica as soon as it is said."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress


class Wakeups:
    """Of one process. Nothing is lost by a wake-up that gets lost: everyone who waits looks again in time."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._told_of_all: list[Callable[[], None]] = []
        self._told_of_ours: list[Callable[[], None]] = []

    def changed(self, job_id: str) -> None:
        """A job was accepted, or changed, by this process."""
        self.heard(job_id)
        for tell in self._told_of_ours:
            tell()

    def heard(self, job_id: str) -> None:
        """Some replica has."""
        for event in self._waiting.get(job_id, ()):
            event.set()
        for tell in self._told_of_all:
            tell()

    async def wait(self, job_id: str, seconds: float) -> None:
        """Until the job changes, `seconds` at most."""
        event = asyncio.Event()
        self._waiting[job_id].add(event)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await event.wait()
        finally:
            self._waiting[job_id].discard(event)
            if not self._waiting[job_id]:
                del self._waiting[job_id]

    def of_all(self, tell: Callable[[], None]) -> None:
        """Call `tell` whenever any job changes; it must return at once."""
        self._told_of_all.append(tell)

    def of_ours(self, tell: Callable[[], None]) -> None:
        """Call `tell` whenever this process changes a job: what it did has to be said."""
        self._told_of_ours.append(tell)
