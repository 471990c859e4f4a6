"""Hears the feed, and has every announcement told to the streams that may and want to hear it."""

import asyncio
import time

from starlette.types import Send

from read_api.feed import Feed
from read_api.live import frames, greeting, metrics, sockets
from read_api.live.asking import Wish
from read_api.live.ids import EventId, incarnation
from read_api.live.places import Places
from read_api.live.purges import purges_of
from read_api.live.ring import Ring
from read_api.live.settings import LiveSettings
from read_api.live.stream import Stream
from read_api.live.streams import Streams
from read_api.live.teller import Teller
from read_api.live.watch import Watch
from read_api.live.wheel import Wheel
from shared.auth import Principal
from shared.contracts import EventProjectedV1
from shared.ending import end

AUDIENCES = (True, False)  # by "sees drafts": organizers, and anonymous clients
ORGANIZER_AGE = 900.0  # seconds; then the client connects again, and its token is looked at again


class Hub:
    """A listener of the feed."""

    def __init__(self, settings: LiveSettings, feed: Feed) -> None:
        self._feed = feed
        self._patience = settings.sse_patience
        feed.look_back = max(feed.look_back, settings.sse_replay)  # so that a new process knows what clients missed
        wheel = Wheel(settings.sse_heartbeat)
        self.places = Places(settings)
        self._rings = {drafts: Ring(settings.sse_replay) for drafts in AUDIENCES}
        self._streams = Streams(wheel, lambda stream: self._anew(drafts=stream.organizer))
        self._tellers = {drafts: self._teller(drafts=drafts) for drafts in AUDIENCES}
        self._watch = Watch(wheel, self._streams, self._told, self._patience)
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def open(self) -> int:
        """Streams of this process."""
        return len(self._streams)

    def start(self) -> None:
        self._tasks = [
            *(asyncio.create_task(teller.run(), name="live teller") for teller in self._tellers.values()),
            asyncio.create_task(self._watch.run(), name="live watch"),
            asyncio.create_task(sockets.limit_listeners(2 * self._patience), name="limit sockets"),
        ]

    async def close(self) -> None:
        self.stop()
        for task in self._tasks:
            await end(task)

    def stop(self) -> None:
        """End every stream at once, and open no more: a server that stops waits for them."""
        self.places.close()
        self._streams.stop()

    # What the feed tells.

    def heard(self, event: EventProjectedV1, *, late: bool, sequence: int) -> None:  # noqa: ARG002 (late is news as well)
        for drafts, teller in self._tellers.items():
            if purges := purges_of(event, drafts=drafts):
                teller.purge(sequence, purges)

    def interrupted(self) -> None:
        for teller in self._tellers.values():
            teller.say(frames.DEGRADED)

    def resumed(self, *, missed: bool) -> None:
        """`missed`, or the first time: who came before could not be told what it had missed."""
        for drafts, teller in self._tellers.items():
            named = self._rings[drafts].latest()
            if missed or named is None:
                named = self._position()
                self._rings[drafts].begin(named)
                teller.say(frames.reset(named))
            teller.say(frames.live(named))

    def _position(self) -> EventId:
        position = self._feed.position
        if position is None:
            raise RuntimeError("a feed that has resumed knows where it is")
        return EventId(incarnation(position.created), position.sequence)

    # Streams that come and go.

    def join(self, send: Send, wish: Wish, organizer: Principal | None) -> Stream:
        """For who has taken a place; None: an anonymous client. To be left, whatever becomes of it."""
        drafts = organizer is not None
        told = greeting.welcome(self._rings[drafts], wish.known, wish.tags, live=self._feed.live)
        metrics.JOINED.labels(told.outcome).inc()
        ends_at = None if organizer is None else time.monotonic() + age(organizer)
        return self._streams.join(send, wish.tags, told.frame, organizer=drafts, ends_at=ends_at)

    def leave(self, stream: Stream) -> None:
        self._streams.leave(stream)

    # What the parts ask.

    def _teller(self, *, drafts: bool) -> Teller:
        return Teller(self._rings[drafts], self._streams, lambda: self._anew(drafts=drafts), drafts=drafts)

    def _anew(self, *, drafts: bool) -> bytes:
        return greeting.anew(self._rings[drafts], live=self._feed.live)

    def _told(self) -> dict[bool, EventId | None]:
        return {drafts: teller.told for drafts, teller in self._tellers.items()}


def age(organizer: Principal) -> float:
    """Seconds that a stream of theirs may last: until the token must be looked at again, or proves nothing any more."""
    if organizer.expires_at is None:
        return ORGANIZER_AGE
    return min(ORGANIZER_AGE, organizer.expires_at - time.time())
