"""The open streams of this process: how they come and go, who has fallen behind, whose time is over."""

import asyncio
import itertools
from collections.abc import Callable, Iterable, Iterator

import structlog
from starlette.types import Message, Send

from read_api.live import frames, metrics
from read_api.live.circles import OF_JOBS, OF_TAGS, Circle
from read_api.live.job_subscribers import JobSubscribers
from read_api.live.job_updates import JobWish
from read_api.live.stream import GONE, Stream, message
from read_api.live.subscribers import Subscribers
from read_api.live.wheel import Wheel

log = structlog.get_logger()

SLICE = 200  # streams served in one go, some 0.5 ms; then requests have a turn
SOONEST_RETRY = 1.0  # seconds until a client connects again,
RETRY_SPREAD = 3.0  # and up to so many more, so that they don't all come back at once


class Streams:
    """`anew`: what to tell one that has missed something. `of`, `of_jobs`: who hears of what, in each circle."""

    def __init__(self, wheel: Wheel, anew: Callable[[Stream], bytes]) -> None:
        self.of = {circle: Subscribers() for circle in OF_TAGS}
        self.of_jobs = {circle: JobSubscribers() for circle in OF_JOBS}
        self._wheel = wheel
        self._anew = anew
        self._behind: set[Stream] = set()
        self._mortal: set[Stream] = set()  # those with an end
        self._open = self._joined = 0
        self._stopping = False

    def __len__(self) -> int:
        return self._open

    @property
    def hear_of_jobs(self) -> int:
        return sum(map(len, self.of_jobs.values()))

    def join(
        self,
        send: Send,
        tags: frozenset[str] | None,
        welcome: bytes,
        *,
        circle: Circle,
        ends_at: float | None,
        jobs: JobWish | None = None,
    ) -> Stream:
        """Its first frame is handed over. While stopping, it ends at once: nobody would end it later."""
        stream = Stream(send, tags, circle=circle, ends_at=ends_at, on_caught_up=self._caught_up, jobs=jobs)
        self._joined += 1
        self._open += 1
        for subscribers in self._subscribers(circle):
            subscribers.add(stream)
        self._wheel.add(stream)
        if ends_at is not None:
            self._mortal.add(stream)
        metrics.STREAMS.labels(circle.value).inc()
        pause = SOONEST_RETRY + self._joined * 0.037 % RETRY_SPREAD
        self._push(stream, message(frames.retry(pause) + welcome))
        if self._stopping:
            self._drop(stream, "stopping")
        return stream

    def leave(self, stream: Stream) -> None:
        """The client has gone, or will: as often as one likes."""
        stream.forget()
        if stream in self._wheel:
            for subscribers in self._subscribers(stream.circle):
                subscribers.remove(stream)
            self._wheel.remove(stream)
            self._open -= 1
            self._behind.discard(stream)
            self._mortal.discard(stream)
            metrics.STREAMS.labels(stream.circle.value).dec()

    def stop(self) -> None:
        """End all of them at once, and whoever joins from now on."""
        self._stopping = True
        for stream in {*itertools.chain(*self.of.values(), *self.of_jobs.values())}:
            self._drop(stream, "stopping")

    def drop_slow(self, since: float) -> None:
        """Those that have been behind since before then, by `time.monotonic()`."""
        for stream in list(self._behind):
            if stream.behind_since is not None and stream.behind_since < since:
                self._drop(stream, "slow")

    def drop_expired(self, now: float) -> None:
        for stream in list(self._mortal):
            if stream.ends_at is not None and stream.ends_at <= now:
                self._drop(stream, "expired")

    async def hand_out(self, handed: Iterable[tuple[Stream, Message]]) -> None:
        count = 0
        for stream, frame in handed:
            self._push(stream, frame)
            count += 1
            if count % SLICE == 0:
                await asyncio.sleep(0)
        metrics.SENT.inc(count)

    def _push(self, stream: Stream, frame: Message) -> None:
        """Whatever one stream's send raises, it is the end of that stream alone."""
        try:
            stream.push(frame)
        except GONE:
            self._drop(stream, "gone")
        except Exception as error:
            log.exception("live.send_failed", error=repr(error))
            self._drop(stream, "failed")
        if stream.open and stream.behind_since is not None:  # of a round that goes on, some have left meanwhile
            self._behind.add(stream)

    def _caught_up(self, stream: Stream) -> None:
        self._behind.discard(stream)
        if stream.missed:
            stream.missed = False
            metrics.CAUGHT_UP.inc()
            self._push(stream, message(self._anew(stream)))

    def _drop(self, stream: Stream, reason: str) -> None:
        metrics.DROPPED.labels(reason).inc()
        try:
            stream.end()
        except GONE:
            log.debug("live.gone", reason=reason)
        except Exception as error:
            log.exception("live.send_failed", error=repr(error))
        self.leave(stream)

    def _subscribers(self, circle: Circle) -> Iterator[Subscribers | JobSubscribers]:
        if circle in self.of:
            yield self.of[circle]
        if circle in self.of_jobs:
            yield self.of_jobs[circle]
