"""Hears the feed, and has every announcement told to the streams that may and want to hear it."""

import asyncio
import time
from functools import partial

from starlette.types import Send

from read_api.feed import Feed
from read_api.live import greeting, metrics, sockets, voices
from read_api.live.asking import Wish
from read_api.live.circles import OF_JOBS, OF_TAGS, Circle
from read_api.live.ids import EventId, Place, incarnation, known
from read_api.live.jobs import Jobs
from read_api.live.places import Places
from read_api.live.purges import Purges, purges_of
from read_api.live.rights import circle_of, jobs_of
from read_api.live.ring import Ring
from read_api.live.rounds import Round
from read_api.live.settings import LiveSettings
from read_api.live.stream import Stream
from read_api.live.streams import Streams
from read_api.live.teller import Teller, of_purges
from read_api.live.watch import Watch
from read_api.live.wheel import Wheel
from shared.auth import Principal
from shared.contracts import EventProjectedV1
from shared.ending import end
from shared.settings import NatsSettings

TOKEN_AGE = 900.0  # seconds; then the client connects again, and its token is looked at again


class Hub:
    """A listener of the feed. `bus`: where jobs are heard of; `jobs` hears of them."""

    def __init__(self, settings: LiveSettings, feed: Feed, bus: NatsSettings) -> None:
        self._feed = feed
        self._patience = settings.sse_patience
        feed.look_back = max(feed.look_back, settings.sse_replay)  # so that a new process knows what clients missed
        wheel = Wheel(settings.sse_heartbeat)
        self.places = Places(settings)
        self._rings = {drafts: Ring(settings.sse_replay) for drafts in (True, False)}
        self._streams = Streams(wheel, self._anew)
        of_jobs = {circle: voices.of_jobs(partial(self._told_of_tags, circle)) for circle in OF_JOBS}
        self.jobs = Jobs(settings, bus, self._streams, of_jobs)
        self._tellers = {circle: self._teller(circle) for circle in OF_TAGS}
        self._watch = Watch(wheel, self._streams, self._told, self._patience)
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def open(self) -> int:
        """Streams of this process."""
        return len(self._streams)

    @property
    def jobs_missed(self) -> bool:
        """Someone listens for jobs, and nothing is heard of them."""
        return self.jobs.feed.missed

    def start(self) -> None:
        self._tasks = [
            *(asyncio.create_task(teller.run(), name="live teller") for teller in self._tellers.values()),
            *(asyncio.create_task(teller.run(), name="live jobs teller") for teller in self.jobs.tellers.values()),
            asyncio.create_task(self._watch.run(), name="live watch"),
            asyncio.create_task(sockets.limit_listeners(2 * self._patience), name="limit sockets"),
        ]

    async def close(self) -> None:
        self.stop()
        await self.jobs.feed.close()
        for task in self._tasks:
            await end(task)

    def stop(self) -> None:
        """End every stream at once, and open no more: a server that stops waits for them."""
        self.places.close()
        self._streams.stop()

    # What the feed tells.

    def heard(self, event: EventProjectedV1, *, late: bool, sequence: int) -> None:  # noqa: ARG002 (late is news as well)
        for drafts, ring in self._rings.items():
            if purges := purges_of(event, drafts=drafts):
                ring.add(sequence, purges)
                for teller in self._tellers_of(drafts=drafts):
                    teller.tell(purges)

    def interrupted(self) -> None:
        for teller in self._tellers.values():
            teller.interrupted()

    def resumed(self, *, missed: bool) -> None:
        """`missed`, or the first time: who came before could not be told what it had missed."""
        for drafts, ring in self._rings.items():
            anew = missed or ring.latest() is None
            if anew:
                ring.begin(self._position())
            for teller in self._tellers_of(drafts=drafts):
                teller.resumed(reset=anew)

    def _position(self) -> EventId:
        position = self._feed.position
        if position is None:
            raise RuntimeError("a feed that has resumed knows where it is")
        return EventId(incarnation(position.created), position.sequence)

    # Streams that come and go.

    def join(self, send: Send, wish: Wish, principal: Principal | None) -> Stream:
        """For who has taken a place; None: an anonymous client. To be left, whatever becomes of it.

        Who wants to hear of jobs has waited for `jobs.feed.ready()`.
        """
        circle = circle_of(wish, principal)
        jobs = jobs_of(wish, principal)
        frame = self._welcome(circle, wish)
        if jobs is not None:
            frame += self.jobs.welcome(wish.known_jobs, jobs, self._voice_after_tags(circle))
        ends_at = None if principal is None else time.monotonic() + age(principal)
        return self._streams.join(send, wish.tags, frame, circle=circle, ends_at=ends_at, jobs=jobs)

    def leave(self, stream: Stream) -> None:
        self._streams.leave(stream)

    def _welcome(self, circle: Circle, wish: Wish) -> bytes:
        """Of tags."""
        if circle not in OF_TAGS:
            return b""
        voice = self._voice_before_jobs(circle, wish.known_jobs)
        told = greeting.welcome(self._rings[circle.drafts], wish.known, wish.tags, voice, live=self._feed.live)
        metrics.JOINED.labels(told.outcome).inc()
        return told.frame

    # What the parts ask.

    def _teller(self, circle: Circle) -> Teller[Purges, Round]:
        ring, subscribers = self._rings[circle.drafts], self._streams.of[circle]
        jobs = self.jobs.tellers.get(circle)
        voice = voices.PLAIN if jobs is None else voices.of_tags(lambda: jobs.told)
        return of_purges(ring, self._streams, subscribers, voice, lambda: self._feed.live)

    def _tellers_of(self, *, drafts: bool) -> list[Teller[Purges, Round]]:
        return [teller for circle, teller in self._tellers.items() if circle.drafts is drafts]

    def _anew(self, stream: Stream) -> bytes:
        """For one that has missed something, of whichever kind."""
        circle, frame = stream.circle, b""
        if circle in OF_TAGS:
            voice = self._voice_before_jobs(circle, None)
            frame = greeting.anew(self._rings[circle.drafts], voice, live=self._feed.live)
        return frame + self.jobs.anew(self._voice_after_tags(circle)) if circle in OF_JOBS else frame

    def _voice_before_jobs(self, circle: Circle, known_jobs: EventId | None) -> voices.Voice[voices.Tags]:
        """Who gets no further than this frame's part about tags knows no more of jobs than before."""
        return voices.of_tags(lambda: known(known_jobs)) if circle in OF_JOBS else voices.PLAIN

    def _voice_after_tags(self, circle: Circle) -> voices.Voice[voices.Jobs]:
        """Behind a part about tags that tells all there is of them."""
        return voices.of_jobs(lambda: self._rings[circle.drafts].latest() if circle in OF_TAGS else None)

    def _told(self) -> dict[Circle, Place | None]:
        told = {circle: Place(self._told_of_tags(circle), self._told_of_jobs(circle)) for circle in Circle}
        return {circle: place if str(place) else None for circle, place in told.items()}

    def _told_of_tags(self, circle: Circle) -> EventId | None:
        return self._tellers[circle].told if circle in OF_TAGS else None

    def _told_of_jobs(self, circle: Circle) -> EventId | None:
        return self.jobs.tellers[circle].told if circle in OF_JOBS else None


def age(principal: Principal) -> float:
    """Seconds that a stream of theirs may last: until the token must be looked at again, or proves nothing any more."""
    if principal.expires_at is None:
        return TOKEN_AGE
    return min(TOKEN_AGE, principal.expires_at - time.time())
