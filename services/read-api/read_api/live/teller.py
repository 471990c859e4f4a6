"""Tell one circle all that it should hear of one kind of changes, in the order in which it was heard."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Sized
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import structlog
from prometheus_client import Histogram

from read_api.live import greeting, metrics
from read_api.live.fan_out import Handing, handings, job_handings
from read_api.live.ids import EventId
from read_api.live.job_ring import JobRing
from read_api.live.job_subscribers import JobSubscribers
from read_api.live.job_updates import JobUpdate
from read_api.live.purges import Purges
from read_api.live.ring import Ring
from read_api.live.rounds import JobRound, Notice, Round
from read_api.live.streams import Streams
from read_api.live.subscribers import Subscribers
from read_api.live.voices import Jobs, Tags, Voice

log = structlog.get_logger()

FLOOD_PAUSE = 1.0  # seconds until the next round, when so much changes at once that clients are told to drop everything
JOBS_PAUSE = 0.1  # seconds between two rounds of jobs: the states that a job only passes through meanwhile are not told


class Telling(Protocol):
    """A round. `named`: the id of the last announcement in it."""

    named: EventId

    @property
    def flood(self) -> bool:
        """So much that some are told to drop everything."""


What = TypeVar("What")
R = TypeVar("R", bound=Telling)


@dataclass(frozen=True)
class Kind(Generic[What, R]):
    """What is told, and how it is gathered. `pause`: seconds from one round to the next."""

    begin: Callable[[EventId], R]
    add: Callable[[R, What, EventId], None]
    took: Histogram
    pause: float = 0.0


PURGES: Kind[Purges, Round] = Kind(Round, Round.add, metrics.FAN_OUT_SECONDS)
JOBS: Kind[JobUpdate, JobRound] = Kind(JobRound, JobRound.add, metrics.JOBS_FAN_OUT_SECONDS, JOBS_PAUSE)


class Teller(Generic[What, R]):
    """`told`: up to here, all were handed what they should hear. `handings`: who is handed what of it.

    Each circle has its own for each kind, so that no flood of drafts, or of jobs, drops or delays what others hear.
    """

    def __init__(
        self,
        kind: Kind[What, R],
        streams: Streams,
        listeners: Sized,
        ring: greeting.Latest,
        voice: Voice[Any],
        handings: Callable[[R | Notice], Iterator[Handing]],
        live: Callable[[], bool],
    ) -> None:
        self.told: EventId | None = None
        self.voice = voice
        self._kind = kind
        self._streams = streams
        self._listeners = listeners
        self._ring = ring
        self._handings = handings
        self._live = live
        self._queue: deque[tuple[R | Notice, float]] = deque()
        self._due = asyncio.Event()

    def tell(self, what: What) -> None:
        """What the ring holds already, in the round that is told next; before the ring has begun in none, as everyone
        is reset when it does.
        """
        named = self._ring.latest()
        if named is None:
            return
        if not self._queue and not self._listeners:
            self.told = named
            return
        last = self._queue[-1][0] if self._queue else None
        if last is None or isinstance(last, Notice):
            last = self._kind.begin(named)
            self._tell(last)
        self._kind.add(last, what, named)

    def interrupted(self) -> None:
        self._say(self.voice.degraded())

    def resumed(self, *, reset: bool) -> None:
        """`reset`: the ring has just begun; who was there before could not be told what it has missed."""
        named = self._ring.latest()
        if named is None:
            raise RuntimeError("a ring that has begun knows where it is")
        if reset:
            self._say(self.voice.reset(named))
        self._say(self.voice.live(named))

    def anew(self) -> bytes:
        """For one that has missed something."""
        return greeting.anew(self._ring, self.voice, live=self._live())

    async def run(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            while self._queue:
                try:
                    await self.step()
                except Exception as error:
                    log.exception("live.fan_out_failed", error=repr(error))
                    self._say(self.anew())
                    await asyncio.sleep(FLOOD_PAUSE)

    async def step(self) -> None:
        """Hand out the next thing in the queue."""
        what, since = self._queue.popleft()
        await self._streams.hand_out(self._handings(what))
        self.told = what.named
        if self._listeners:
            self._kind.took.observe(time.perf_counter() - since)
        if not isinstance(what, Notice):
            pause = FLOOD_PAUSE if what.flood else self._kind.pause
            if pause:
                await asyncio.sleep(pause)

    def _say(self, frame: bytes) -> None:
        """To everyone, after all that was heard before."""
        self._tell(Notice(frame, self._ring.latest()))

    def _tell(self, what: R | Notice) -> None:
        self._queue.append((what, time.perf_counter()))
        self._due.set()


def of_purges(
    ring: Ring, streams: Streams, subscribers: Subscribers, voice: Voice[Tags], live: Callable[[], bool]
) -> Teller[Purges, Round]:
    return Teller(PURGES, streams, subscribers, ring, voice, lambda told: handings(told, subscribers, voice), live)


def of_jobs(
    ring: JobRing, streams: Streams, subscribers: JobSubscribers, voice: Voice[Jobs], live: Callable[[], bool]
) -> Teller[JobUpdate, JobRound]:
    return Teller(JOBS, streams, subscribers, ring, voice, lambda told: job_handings(told, subscribers, voice), live)
