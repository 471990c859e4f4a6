"""Hears of jobs, and has every change of one told to the streams that may and want to hear of it."""

from collections.abc import Mapping

import structlog

from read_api.live import greeting, metrics
from read_api.live.circles import OF_JOBS, Circle
from read_api.live.ids import EventId, incarnation
from read_api.live.job_ring import JobRing
from read_api.live.job_updates import JobUpdate, JobWish, NotAJob, update_of
from read_api.live.jobs_feed import JobsFeed
from read_api.live.rounds import JobRound
from read_api.live.settings import LiveSettings
from read_api.live.streams import Streams
from read_api.live.teller import Teller, of_jobs
from read_api.live.voices import Jobs as JobUpdates
from read_api.live.voices import Voice
from shared.contracts import JobChangedV1
from shared.settings import NatsSettings

log = structlog.get_logger()


class Jobs:
    """A listener of the jobs' feed. `voices`: of each circle that hears of jobs."""

    def __init__(
        self,
        settings: LiveSettings,
        bus: NatsSettings,
        streams: Streams,
        voices: Mapping[Circle, Voice[JobUpdates]],
    ) -> None:
        self.feed = JobsFeed(bus, self, lambda: streams.hear_of_jobs > 0, self._forget)
        self._ring = JobRing(settings.sse_replay)
        self.tellers: dict[Circle, Teller[JobUpdate, JobRound]] = {
            circle: of_jobs(self._ring, streams, streams.of_jobs[circle], voices[circle], lambda: self.feed.live)
            for circle in OF_JOBS
        }

    def heard(self, job: JobChangedV1, /, *, late: bool, sequence: int) -> None:  # noqa: ARG002 (late is news as well)
        try:
            update = update_of(job)
        except NotAJob as error:
            metrics.JOBS_FEED_REFUSED.inc()
            log.warning("live.job_refused", error=str(error))
            return
        if self._ring.add(sequence, update):
            metrics.JOBS_BYTES.set(self._ring.bytes)
            for teller in self.tellers.values():
                teller.tell(update)

    def interrupted(self) -> None:
        for teller in self.tellers.values():
            teller.interrupted()

    def resumed(self, *, missed: bool) -> None:
        anew = missed or self._ring.latest() is None
        if anew:
            self._ring.begin(self._position())
        for teller in self.tellers.values():
            teller.resumed(reset=anew)

    def welcome(self, known: EventId | None, wish: JobWish, voice: Voice[JobUpdates]) -> bytes:
        """The first that a client is told of jobs, in this voice."""
        told = greeting.welcome(self._ring, known, wish, voice, live=self.feed.live)
        metrics.JOBS_JOINED.labels(told.outcome).inc()
        return told.frame

    def anew(self, voice: Voice[JobUpdates]) -> bytes:
        """For one that has missed something."""
        return greeting.anew(self._ring, voice, live=self.feed.live)

    def _forget(self) -> None:
        self._ring.forget()
        metrics.JOBS_BYTES.set(0)
        for teller in self.tellers.values():
            teller.told = None

    def _position(self) -> EventId:
        following = self.feed.following
        position = None if following is None else following.position
        if position is None:
            raise RuntimeError("a feed that has resumed knows where it is")
        return EventId(incarnation(position.created), position.sequence)
