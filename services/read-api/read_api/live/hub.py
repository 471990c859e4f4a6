"""Hears the feed, and hands every announcement to the streams that may and want to hear it."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import structlog
from starlette.types import Message, Send

from read_api.feed import Feed
from read_api.live import frames, metrics, sockets
from read_api.live.asking import Wish
from read_api.live.fan_out import Handing, handings
from read_api.live.ids import EventId, incarnation
from read_api.live.ring import Announcement, Ring
from read_api.live.rounds import Ids, Round
from read_api.live.settings import LiveSettings
from read_api.live.stream import GONE, Stream, message
from read_api.live.subscribers import Subscribers
from read_api.live.wheel import Wheel
from shared.contracts import EventProjectedV1
from shared.ending import end
from shared.problems import Problem

log = structlog.get_logger()

SLICE = 200  # streams served in one go, some 0.5 ms; then requests have a turn
FLOOD_PAUSE = 1.0  # seconds until the next round, when so much changes at once that clients are told to drop everything
ORGANIZER_AGE = 900.0  # seconds; then the client connects again, and its token is looked at again
SOONEST_RETRY = 1.0  # seconds until a client connects again,
RETRY_SPREAD = 3.0  # and up to so many more, so that they don't all come back at once
FULL_RETRY_AFTER = 5  # seconds, of a 503


@dataclass(frozen=True)
class Notice:
    """Something to tell everyone."""

    spell: Callable[[EventId], bytes]
    ids: Ids  # of the last that was announced before


class Hub:
    """A listener of the feed. Everything that is told goes through one queue, in the order in which it was heard."""

    def __init__(self, settings: LiveSettings, feed: Feed) -> None:
        self._settings = settings
        self._feed = feed
        feed.look_back = max(feed.look_back, settings.sse_replay)  # so that a new process knows what clients missed
        self._ring = Ring(settings.sse_replay)
        self._queue: deque[tuple[Round | Notice, float]] = deque()
        self._due = asyncio.Event()
        self._told: Ids = self._latest()  # up to here, every stream was handed what it should hear
        self._subscribers = {True: Subscribers(), False: Subscribers()}
        self._per_client: Counter[str] = Counter()
        self._wheel = Wheel(settings.sse_heartbeat)
        self._behind: set[Stream] = set()
        self._joined = 0
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def open(self) -> int:
        """Streams of this process."""
        return sum(map(len, self._subscribers.values()))

    def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self._fan_out(), name="live fan-out"),
            asyncio.create_task(self._watch(), name="live watch"),
            asyncio.create_task(sockets.limit_listeners(2 * self._settings.sse_patience), name="limit sockets"),
        ]

    async def close(self) -> None:
        self.stop()
        for task in self._tasks:
            await end(task)

    def stop(self) -> None:
        """End every stream at once, and open no more: a server that stops waits for them."""
        self._stopping = True
        for stream in self._streams():
            self._drop(stream, "stopping")

    # What the feed tells.

    def heard(self, event: EventProjectedV1, *, late: bool, sequence: int) -> None:  # noqa: ARG002 (late is news as well)
        announcement = Announcement.of(event, sequence)
        self._ring.add(announcement)
        last = self._queue[-1][0] if self._queue else None
        if not isinstance(last, Round):
            last = Round()
            self._tell(last)
        last.add(announcement, self._latest())

    def interrupted(self) -> None:
        self._tell(Notice(lambda _: frames.DEGRADED, self._latest()))

    def resumed(self, *, missed: bool) -> None:
        unknown = self._ring.latest(drafts=True) is None  # who came before could not be told what it had missed
        if missed or unknown:
            self._ring.begin(self._position())
            self._tell(Notice(frames.reset, self._latest()))
        self._tell(Notice(frames.live, self._latest()))

    def _position(self) -> EventId:
        position = self._feed.position
        if position is None:
            raise RuntimeError("a feed that has resumed knows where it is")
        return EventId(incarnation(position.created), position.sequence)

    def _latest(self) -> Ids:
        return {drafts: self._ring.latest(drafts=drafts) for drafts in (True, False)}

    # Streams that come and go.

    def join(self, send: Send, wish: Wish, *, organizer: bool, client: str) -> Stream:
        """Its first frame is handed over. Raises Problem (503) when there are too many; `admit` says so before."""
        stream = Stream(send, wish.tags, organizer=organizer, client=client, on_caught_up=self._caught_up)
        stream.ends_at = time.monotonic() + ORGANIZER_AGE if organizer else None
        self._joined += 1
        self._subscribers[organizer].add(stream)
        self._per_client[client] += 1
        self._wheel.add(stream)
        metrics.STREAMS.labels(_audience(stream)).inc()
        pause = SOONEST_RETRY + self._joined * 0.037 % RETRY_SPREAD
        self._push(stream, message(frames.retry(pause) + self._welcome(stream, wish)))
        return stream

    def leave(self, stream: Stream) -> None:
        """The client has gone, or will: as often as one likes."""
        stream.forget()
        if stream in self._wheel:
            self._subscribers[stream.organizer].remove(stream)
            self._wheel.remove(stream)
            self._behind.discard(stream)
            self._per_client[stream.client] -= 1
            if not self._per_client[stream.client]:
                del self._per_client[stream.client]
            metrics.STREAMS.labels(_audience(stream)).dec()

    def admit(self, client: str) -> None:
        """Raises Problem (503): there are too many streams."""
        most = self._settings.sse_max_streams_per_client
        if self._stopping:
            self._refuse("stopping")
        if self.open >= self._settings.sse_max_streams:
            self._refuse("process")
        if most and self._per_client[client] >= most:
            self._refuse("client")

    def _refuse(self, limit: str) -> None:
        metrics.REFUSED.labels(limit).inc()
        detail = "There are too many live streams; documents can still be read, and revalidated."
        raise Problem(503, detail, headers={"Retry-After": str(FULL_RETRY_AFTER)})

    def _welcome(self, stream: Stream, wish: Wish) -> bytes:
        named = self._ring.latest(drafts=stream.organizer)
        if named is None:
            metrics.JOINED.labels("unknown").inc()
            return frames.DEGRADED
        state = frames.live(named) if self._feed.live else frames.DEGRADED
        if not wish.comes_back:
            metrics.JOINED.labels("fresh").inc()
            return state
        missed = self._ring.since(wish.known, wish.tags, drafts=stream.organizer)
        metrics.JOINED.labels("reset" if missed is None else "replayed").inc()
        if missed is None:
            return frames.reset(named) + state
        return frames.purges(missed.items(), named) + state if missed else state

    def _drop(self, stream: Stream, reason: str) -> None:
        metrics.DROPPED.labels(reason).inc()
        try:
            stream.end()
        except GONE:
            log.debug("live.gone", reason=reason)
        self.leave(stream)

    def _streams(self) -> list[Stream]:
        return [stream for subscribers in self._subscribers.values() for stream in subscribers]

    # Telling.

    def _tell(self, what: Round | Notice) -> None:
        self._queue.append((what, time.perf_counter()))
        self._due.set()

    async def _fan_out(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            while self._queue:
                try:
                    await self.step()
                except Exception as error:
                    log.exception("live.fan_out_failed", error=repr(error))
                    self._tell(Notice(frames.reset, self._latest()))
                    await asyncio.sleep(FLOOD_PAUSE)

    async def step(self) -> None:
        """Hand out the next thing in the queue."""
        what, since = self._queue.popleft()
        if isinstance(what, Round):
            await self._hand_out(self._of_round(what))
            self._told = what.ids
        else:
            await self._hand_out(self._of_notice(what))
        metrics.FAN_OUT_SECONDS.observe(time.perf_counter() - since)
        if isinstance(what, Round) and what.flood:
            await asyncio.sleep(FLOOD_PAUSE)

    def _of_round(self, told: Round) -> Iterator[Handing]:
        for drafts, subscribers in self._subscribers.items():
            named = told.ids[drafts]
            if named is not None:
                yield from handings(told, subscribers, named, drafts=drafts)

    def _of_notice(self, notice: Notice) -> Iterator[Handing]:
        for drafts, subscribers in self._subscribers.items():
            named = notice.ids[drafts]
            frame = message(frames.DEGRADED if named is None else notice.spell(named))
            for stream in list(subscribers):
                yield stream, frame

    async def _hand_out(self, handed: Iterable[Handing]) -> None:
        count = 0
        for stream, frame in handed:
            self._push(stream, frame)
            count += 1
            if count % SLICE == 0:
                await asyncio.sleep(0)
        metrics.SENT.inc(count)

    def _push(self, stream: Stream, frame: Message) -> None:
        try:
            stream.push(frame)
        except GONE:
            self._drop(stream, "gone")
        if stream.behind_since is not None:
            self._behind.add(stream)

    def _caught_up(self, stream: Stream) -> None:
        self._behind.discard(stream)
        named = self._ring.latest(drafts=stream.organizer)
        if stream.missed and named is not None:
            stream.missed = False
            metrics.CAUGHT_UP.inc()
            self._push(stream, message(frames.reset(named)))

    # Watching.

    async def _watch(self) -> None:
        async for turn in self._wheel.turns():
            now = time.monotonic()
            for stream in list(self._behind):
                if stream.behind_since is not None and now - stream.behind_since > self._settings.sse_patience:
                    self._drop(stream, "slow")
            for stream in turn:
                if stream.ends_at is not None and now > stream.ends_at:
                    self._drop(stream, "expired")
            beats = {drafts: message(frames.heartbeat(named)) for drafts, named in self._told.items()}
            await self._hand_out((stream, beats[stream.organizer]) for stream in turn if stream.behind_since is None)


def _audience(stream: Stream) -> str:
    return "organizer" if stream.organizer else "public"
