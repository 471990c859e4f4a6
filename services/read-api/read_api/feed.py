"""Hear every announcement on PROJECTIONS, in order; notice when one may have been missed, and say so.

One ephemeral push consumer for each process, followed by its sequence numbers and heartbeats. Whatever goes wrong (the
connection, the server, the consumer, a gap), there is one way on: tell the listeners, connect afresh, and go on with
the message after the last one heard.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Protocol

import nats
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from read_api import metrics
from shared.contracts import EventProjectedV1, UnknownContract, parse
from shared.ending import end
from shared.settings import NatsSettings
from shared.topology import PROJECTIONS

log = structlog.get_logger()

HEARTBEAT = 1.0  # seconds between signs of life of an idle consumer
SILENCE = 2.5  # seconds without one, and the consumer is taken for dead
CONNECT_TIMEOUT = 2  # seconds
ANSWER_TIMEOUT = 3.0  # seconds for one JetStream request
INACTIVE = 30.0  # seconds until the server forgets the consumer of a process that died
FIRST_PAUSE = 0.1  # seconds before the second attempt; doubles
LONGEST_PAUSE = 2.0  # seconds; bounds what a restart of NATS adds to being blind
PENDING_MESSAGES = 65_536  # held for a process that is busy; more would be a gap, which is noticed


class FeedBroken(Exception):
    """An announcement may have been missed."""


class Listener(Protocol):
    """Who wants to hear. All three must be quick, and must not raise."""

    def heard(self, event: EventProjectedV1, *, late: bool) -> None:
        """`late`: it was announced before this process listened (again)."""

    def interrupted(self) -> None:
        """From now on, announcements are missed."""

    def resumed(self, *, missed: bool) -> None:
        """Every announcement from now on is heard. `missed`: some before were not, and never will be."""


class Feed:
    def __init__(self, settings: NatsSettings, listeners: Sequence[Listener]) -> None:
        self._url = settings.nats_url.get_secret_value().split(",")
        self._listeners = listeners
        self._task: asyncio.Task[None] | None = None
        self._stream_created: datetime | None = None
        self._last: int | None = None  # stream sequence of the last message heard
        self.live = False

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="feed")

    async def close(self) -> None:
        await end(self._task)

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
            subscription = await client.subscribe(client.new_inbox(), pending_msgs_limit=PENDING_MESSAGES)
            backlog = await self._create_consumer(client, subscription)
            await self._follow(subscription, backlog)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Client]:
        client = await nats.connect(
            self._url,
            name="read-api feed",
            connect_timeout=CONNECT_TIMEOUT,
            allow_reconnect=False,
            max_reconnect_attempts=1,  # of the first connect, too: the default makes 60 attempts, 2 s apart
            error_cb=_on_error,
        )
        try:
            yield client
        finally:
            await client.close()

    async def _create_consumer(self, client: Client, subscription: Subscription) -> int:
        """Ask for all messages after the last one heard. Returns the last that was there before we listened."""
        jetstream = client.jetstream(timeout=ANSWER_TIMEOUT)
        stream = await jetstream.stream_info(PROJECTIONS.name)
        there = stream.state.last_seq
        known = self._last is not None and self._stream_created == stream.created and self._last <= there
        missed = self._last is not None and (not known or self._last + 1 < stream.state.first_seq)
        after = self._last if known and self._last is not None and not missed else there
        await jetstream.add_consumer(
            PROJECTIONS.name,
            ConsumerConfig(
                deliver_subject=subscription.subject,
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

    async def _follow(self, subscription: Subscription, backlog: int) -> None:
        delivered = 0
        while True:
            message = await subscription.next_msg(timeout=SILENCE)
            if (message.headers or {}).get("Status") is not None:
                if int((message.headers or {}).get("Nats-Last-Consumer", delivered)) > delivered:
                    raise FeedBroken("the end of the stream did not arrive")
                continue
            about = message.metadata
            if about.sequence.consumer != delivered + 1:
                raise FeedBroken(f"message {delivered + 1} did not arrive")
            delivered, self._last = about.sequence.consumer, about.sequence.stream
            self._tell(message, late=self._last <= backlog)

    def _tell(self, message: Msg, *, late: bool) -> None:
        try:
            contract = parse(message.headers, message.data)
        except UnknownContract as error:
            metrics.FEED_REFUSED.inc()
            log.warning("feed.refused", subject=message.subject, error=str(error))
            return
        if isinstance(contract, EventProjectedV1):
            for listener in self._listeners:
                listener.heard(contract, late=late)

    def _resume(self, *, missed: bool, replayed: int) -> None:
        self.live = True
        metrics.FEED_LIVE.set(1)
        log.info("feed.live", after=self._last, missed=missed, replayed=replayed)
        for listener in self._listeners:
            listener.resumed(missed=missed)

    def _interrupt(self, error: Exception) -> None:
        log.warning("feed.interrupted", error=repr(error), was_live=self.live)
        if not self.live:
            return
        self.live = False
        metrics.FEED_LIVE.set(0)
        metrics.FEED_GAPS.inc()
        for listener in self._listeners:
            listener.interrupted()


async def _on_error(error: Exception) -> None:
    log.debug("nats.error", error=repr(error))
