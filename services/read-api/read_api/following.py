"""Hear every message of one stream, in order; notice when one may have been missed, and say so.

One ephemeral push consumer for each process, followed by its sequence numbers and heartbeats. Whatever goes wrong (the
connection, the server, the consumer, a gap), there is one way on: tell the listeners, connect afresh, and go on with
the message after the last one heard.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

import nats
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from prometheus_client import Counter, Gauge

from shared.contracts import Contract, UnknownContract, parse
from shared.ending import end
from shared.settings import NatsSettings
from shared.topology import Stream

log = structlog.get_logger()

HEARTBEAT = 0.3  # seconds between signs of life of an idle consumer
SILENCE = 0.9  # seconds without one, and nothing heard before is trusted: no cache is older than 1 s for it (P5)
CONNECT_TIMEOUT = 2  # seconds
ANSWER_TIMEOUT = 3.0  # seconds for one JetStream request
INACTIVE = 30.0  # seconds until the server forgets the consumer of a process that died
FIRST_PAUSE = 0.1  # seconds before the second attempt; doubles
LONGEST_PAUSE = 2.0  # seconds; bounds what a restart of NATS adds to being blind
PENDING_MESSAGES = 65_536  # held for a process that is busy; more would be a gap, which is noticed
SLICE = 64  # messages told in one go; some 2 ms, then whoever else waits for this process has a turn


Said = TypeVar("Said", bound=Contract)
Heard_contra = TypeVar("Heard_contra", bound=Contract, contravariant=True)


class FeedBroken(Exception):
    """A message may have been missed."""


@dataclass(frozen=True)
class Gauges:
    """`live`: 1 while heard. `gaps`: interruptions. `refused`: messages that are no contract of ours."""

    live: Gauge
    gaps: Counter
    refused: Counter


@dataclass(frozen=True)
class Position:
    """A place in the stream. A stream that was made anew counts from 1 again: `created` tells the two apart."""

    created: datetime
    sequence: int


class Listener(Protocol[Heard_contra]):
    """Who wants to hear. All three must be quick, and must not raise."""

    def heard(self, said: Heard_contra, /, *, late: bool, sequence: int) -> None:
        """`late`: it was announced before this process listened (again). `sequence`: its place in the stream."""

    def interrupted(self) -> None:
        """From now on, announcements are missed."""

    def resumed(self, *, missed: bool) -> None:
        """Every announcement from now on is heard. `missed`: some before were not, and never will be."""


class Follower(Generic[Said]):
    """What is said on `stream` and is a `contract`; whatever else is said there is passed over.

    `live`: announcements are heard, as far as is known. `heard_at`: when, by `clock`, all that had arrived was told
    last; -inf while not live. What relies on hearing everything checks that it is less than SILENCE ago: a process that
    was stopped finds itself live, and has heard nothing for long; so does one that is given more than it can take in.
    `look_back`: how many announcements from before the start are told as well, as late ones; to be set before `start`.
    `caught_up`: set while live, once all that was there before is told.
    """

    def __init__(
        self,
        settings: NatsSettings,
        stream: Stream,
        contract: type[Said],
        gauges: Gauges,
        listeners: Iterable[Listener[Said]] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._contract = contract
        self._gauges = gauges
        self._url = settings.nats_url.get_secret_value().split(",")
        self._listeners = list(listeners)
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._stream_created: datetime | None = None
        self._last: int | None = None  # stream sequence of the last message heard
        self.live = False
        self.look_back = 0
        self.heard_at = -math.inf
        self.caught_up = asyncio.Event()
        self._sign_of_life_at = -math.inf

    @property
    def position(self) -> "Position | None":
        """The last message heard, whether it meant anything or not; None before the first connection."""
        if self._stream_created is None or self._last is None:
            return None
        return Position(self._stream_created, self._last)

    def listen(self, listener: Listener[Said]) -> None:
        """One more who hears, told after those before; to be called before `start`."""
        self._listeners.append(listener)

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=f"feed of {self._stream.name}")

    async def close(self) -> None:
        await end(self._task)
        self._gauges.live.set(0)

    async def _run(self) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                await self.step()
            except Exception as error:  # noqa: BLE001 (whatever it was: a feed that ends in silence would pass for live)
                pause = FIRST_PAUSE if self.live else min(pause * 2, LONGEST_PAUSE)
                self._interrupt(error)
            await asyncio.sleep(pause)

    async def step(self) -> None:
        """Connect and follow until something breaks, which it raises: FeedBroken, or an error of NATS."""
        async with self._connected() as client:
            # The client's own queue gives one message for a turn of the loop or two; a busy process would fall behind.
            inbox: asyncio.Queue[Msg] = asyncio.Queue(SLICE)
            subject = client.new_inbox()
            subscription = await client.subscribe(subject, cb=inbox.put, pending_msgs_limit=PENDING_MESSAGES)
            backlog = await self._create_consumer(client, subject)
            await self._follow(subscription, inbox, backlog)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Client]:
        client = await nats.connect(
            self._url,
            name=f"read-api feed of {self._stream.name}",
            connect_timeout=CONNECT_TIMEOUT,
            allow_reconnect=False,
            max_reconnect_attempts=1,  # of the first connect, too: the default makes 60 attempts, 2 s apart
            error_cb=_on_error,
        )
        try:
            yield client
        finally:
            await client.close()

    async def _create_consumer(self, client: Client, deliver_subject: str) -> int:
        """Ask for all messages after the last one heard. Returns the last that was there before we listened."""
        jetstream = client.jetstream(timeout=ANSWER_TIMEOUT)
        stream = await jetstream.stream_info(self._stream.name)
        there = stream.state.last_seq
        known = self._last is not None and self._stream_created == stream.created and self._last <= there
        missed = self._last is not None and (not known or self._last + 1 < stream.state.first_seq)
        oldest = max(stream.state.first_seq - 1, 0)
        start = there if self._last is not None else max(oldest, there - self.look_back)
        after = self._last if known and self._last is not None and not missed else start
        await jetstream.add_consumer(
            self._stream.name,
            ConsumerConfig(
                deliver_subject=deliver_subject,
                deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
                opt_start_seq=after + 1,
                ack_policy=AckPolicy.NONE,
                max_deliver=1,
                idle_heartbeat=HEARTBEAT,
                inactive_threshold=INACTIVE,
                mem_storage=True,
                num_replicas=1,
            ),
        )
        self._stream_created, self._last = stream.created, after
        self._resume(missed=missed, replayed=there - after)
        return there

    async def _follow(self, subscription: Subscription, inbox: "asyncio.Queue[Msg]", backlog: int) -> None:
        delivered = 0
        while True:
            message = await self._next(inbox)
            self._notice_silence()
            delivered = self._take(message, delivered, backlog)
            while not inbox.empty():
                delivered = self._take(inbox.get_nowait(), delivered, backlog)
            self._sign_of_life_at = self._clock()
            if subscription.pending_msgs == 0:
                self.heard_at = self._sign_of_life_at

    async def _next(self, inbox: "asyncio.Queue[Msg]") -> Msg:
        try:
            async with asyncio.timeout(SILENCE):
                return await inbox.get()
        except TimeoutError:
            raise FeedBroken(f"no sign of life for {SILENCE} s") from None

    def _notice_silence(self) -> None:
        """A process that was stopped finds messages waiting: their order is whole, but it was deaf meanwhile."""
        silence = self._clock() - self._sign_of_life_at
        if silence >= SILENCE:
            raise FeedBroken(f"no sign of life for {silence:.1f} s, noticed late")

    def _take(self, message: Msg, delivered: int, backlog: int) -> int:
        """Tell one message, or heed one heartbeat. Returns how many this consumer has delivered."""
        if (message.headers or {}).get("Status") is not None:
            if int((message.headers or {}).get("Nats-Last-Consumer", delivered)) > delivered:
                raise FeedBroken("the end of the stream did not arrive")
            self.caught_up.set()  # it is idle
            return delivered
        about = message.metadata
        if about.sequence.consumer != delivered + 1:
            raise FeedBroken(f"message {delivered + 1} did not arrive")
        self._last = about.sequence.stream
        self._tell(message, late=self._last <= backlog, sequence=self._last)
        if self._last >= backlog:
            self.caught_up.set()
        return about.sequence.consumer

    def _tell(self, message: Msg, *, late: bool, sequence: int) -> None:
        try:
            contract = parse(message.headers, message.data)
        except UnknownContract as error:
            self._gauges.refused.inc()
            log.warning("feed.refused", subject=message.subject, error=str(error))
            return
        if isinstance(contract, self._contract):
            for listener in self._listeners:
                listener.heard(contract, late=late, sequence=sequence)

    def _resume(self, *, missed: bool, replayed: int) -> None:
        self.live = True
        self.heard_at = self._sign_of_life_at = self._clock()
        self._gauges.live.set(1)
        log.info("feed.live", stream=self._stream.name, after=self._last, missed=missed, replayed=replayed)
        for listener in self._listeners:
            listener.resumed(missed=missed)
        if not replayed:
            self.caught_up.set()

    def _interrupt(self, error: Exception) -> None:
        log.warning("feed.interrupted", stream=self._stream.name, error=repr(error), was_live=self.live)
        if not self.live:
            return
        self.live, self.heard_at = False, -math.inf
        self.caught_up.clear()
        self._gauges.live.set(0)
        self._gauges.gaps.inc()
        for listener in self._listeners:
            listener.interrupted()


async def _on_error(error: Exception) -> None:
    log.debug("nats.error", error=repr(error))
