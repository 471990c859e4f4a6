"""Take the messages of one durable in batches: wait for one, then take all that are there.

So a lone message is handled at once, and a burst becomes batches by itself. One pull request stands at the server all
the time; what it pushes waits in a bounded buffer. The handler gets a batch and settles all of it or nothing; what
becomes of each message is decided by `delivery`, message by message:

    the handler returned                  each message as it says of it: acknowledged, or its own error
    it raised, because a server is away   all of them wait
    it raised for another reason          both halves are tried again, until what is wrong with one of them is its alone

FastStream hands out one message at a time; its broker stays for connecting and publishing.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import chain

import nats.errors
import orjson
import structlog
from faststream.exceptions import IncorrectState
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from opentelemetry import propagate, trace
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import Histogram

from shared import delivery
from shared.bus import Bus
from shared.delivery import DELIVERIES, Bury, Failures, Retry, Undertaker, decide, waits
from shared.ending import end
from shared.errors import Occupied, Unavailable
from shared.topology import MAX_PAYLOAD, Consumer

log = structlog.get_logger()

AT_ONCE = 2  # batches: while PostgreSQL works on one, the next is read and rendered
BATCH_BYTES = 2 << 20  # a batch ends there, whatever its number: 400 products, in some 30 MB while they are projected
BUFFER_BYTES = 24 << 20  # asked for ahead of the handler
EXPIRES = 30.0  # seconds until a pull request ends by itself
HEARTBEAT = 2.0  # seconds between signs of life of a request that has nothing to give
SILENCE = 5.0  # seconds without one: the request is lost, with its server or its consumer
LOOK = 0.25  # seconds between looks whether the connection was lost, or the buffer has room again
PAUSE = 0.5  # seconds after a request that was refused
AS_ASKED = ("Batch Completed", "Message Size Exceeds MaxBytes")  # with status 409, as refusals have
KEEP = 1.5  # seconds between notices that we still hold a message; at least three fit into every ack_wait
STOP_TIMEOUT = 3.0  # seconds for batches under way when we stop; what is not done is redelivered

Handle = Callable[[Sequence[Msg]], Awaitable[Sequence[Exception | None]]]

BATCHES = Histogram(
    "understudy_batch_messages",
    "Messages handled at once",
    ["consumer"],
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
)
tracer = trace.get_tracer(__name__)


class Buffer:
    """Messages that have arrived and wait for the handler. Bounded by what is asked for, not by what is put in."""

    def __init__(self) -> None:
        self._messages: deque[Msg] = deque()
        self._arrived = asyncio.Event()
        self.size = 0  # bytes

    def __len__(self) -> int:
        return len(self._messages)

    def __iter__(self) -> Iterator[Msg]:
        return iter(self._messages)

    def put(self, message: Msg) -> None:
        self._messages.append(message)
        self.size += len(message.data)
        self._arrived.set()

    def empty(self) -> list[Msg]:
        """All that are there; none is left."""
        messages, self.size = list(self._messages), 0
        self._messages.clear()
        return messages

    async def take(self, most: int, size: int) -> list[Msg]:
        """One as soon as there is one, and all others that are there: `most` at most, and up to `size` bytes."""
        while not self._messages:
            self._arrived.clear()
            await self._arrived.wait()
        taken = [self._messages.popleft()]
        total = len(taken[0].data)
        while self._messages and len(taken) < most and (total := total + len(self._messages[0].data)) <= size:
            taken.append(self._messages.popleft())
        self.size -= sum(len(message.data) for message in taken)
        return taken


class Pull:
    """The pull request that stands at the server, and the next one when it has ended, for whatever reason."""

    def __init__(self, connection: Client, consumer: Consumer, buffer: Buffer) -> None:
        self._connection = connection
        self._consumer = consumer
        self._buffer = buffer
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{consumer.stream.name}.{consumer.durable}"
        self._inbox = connection.new_inbox()
        self._number = 0  # of the request that stands; answers to an older one end nothing
        self._open = 0  # messages it may still bring
        self._heard_at = 0.0
        self._reconnects = 0
        self._ended = asyncio.Event()
        self._pause = 0.0
        self._said = ""

    async def run(self) -> None:
        """Until it is cancelled."""
        subscription = await self._subscribe()
        try:
            while True:
                if not self._stands() and self._has_room():
                    await asyncio.sleep(self._pause)
                    await self._ask()
                self._ended.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._ended.wait(), LOOK)
        finally:
            with contextlib.suppress(nats.errors.Error):
                await subscription.unsubscribe()

    async def _subscribe(self) -> Subscription:
        return await self._connection.subscribe(
            f"{self._inbox}.*",
            cb=self._receive,
            # Requests bound what arrives; the client's own limits would drop messages in silence.
            pending_msgs_limit=-1,
            pending_bytes_limit=-1,
        )

    def _stands(self) -> bool:
        """Whether the request is still there, as far as we can know."""
        alive = time.monotonic() - self._heard_at < SILENCE
        return self._open > 0 and alive and self._reconnects == self._connection.stats["reconnects"]

    def _has_room(self) -> bool:
        """For half a batch at least, so that requests stay few, and for the largest message."""
        return (
            self._connection.is_connected
            and len(self._buffer) <= self._consumer.batch // 2
            and self._buffer.size <= BUFFER_BYTES - 2 * MAX_PAYLOAD
        )

    async def _ask(self) -> None:
        self._number += 1
        self._open = self._consumer.batch - len(self._buffer)
        self._heard_at = time.monotonic()
        self._reconnects = self._connection.stats["reconnects"]
        request = {
            "batch": self._open,
            "max_bytes": BUFFER_BYTES - self._buffer.size,
            "expires": int(EXPIRES * 1e9),
            "idle_heartbeat": int(HEARTBEAT * 1e9),
        }
        try:
            await self._connection.publish(self._subject, orjson.dumps(request), reply=f"{self._inbox}.{self._number}")
        except (nats.errors.Error, OSError) as error:
            self._end(PAUSE, repr(error))

    async def _receive(self, message: Msg) -> None:
        self._heard_at = time.monotonic()
        if not message.subject.startswith(self._inbox):  # a message of the stream keeps its own subject
            self._pause, self._said = 0.0, ""
            self._buffer.put(message)
            self._open -= 1
            if self._open <= 0:
                self._ended.set()
            return
        status = (message.headers or {}).get("Status", "")
        words = (message.headers or {}).get("Description", "")
        if status == "100" or message.subject != f"{self._inbox}.{self._number}":
            return  # a sign of life, or the end of a request that was given up
        as_asked = status == "408" or words in AS_ASKED
        self._end(0.0 if as_asked else PAUSE, "" if as_asked else f"{status} {words}")

    def _end(self, pause: float, words: str) -> None:
        """The request has ended. Why is said once, not twice a second: the consumer is gone, the server restarts, …"""
        if words and words != self._said:
            log.warning("pull.refused", consumer=self._consumer.durable, status=words)
        self._open, self._pause, self._said = 0, pause, words
        self._ended.set()


async def pull(bus: Bus, consumer: Consumer, buffer: Buffer) -> None:
    """Bring in what there is for `consumer`, until it is cancelled; NATS away is waited for."""
    while True:
        connection = await _connected(bus)
        try:
            await Pull(connection, consumer, buffer).run()
        except (nats.errors.Error, OSError) as error:
            log.warning("pull.failed", consumer=consumer.durable, error=repr(error))
            await asyncio.sleep(PAUSE)


async def _connected(bus: Bus) -> Client:
    while True:
        with contextlib.suppress(IncorrectState):
            connection = bus.broker.connection
            if connection.is_connected:
                return connection
        await asyncio.sleep(LOOK)


class Consuming:
    """Handles the messages of `consumer` in batches, from `start` to `stop`.

    `handle(messages)` answers, for each message in order, None or why it alone could not be settled. Whatever it
    raises is about all of them: then it must have left nothing behind.
    """

    def __init__(self, bus: Bus, consumer: Consumer, handle: Handle, at_once: int = AT_ONCE) -> None:
        self._bus = bus
        self._consumer = consumer
        self._handler = handle
        self._at_once = at_once
        self._most = consumer.batch  # messages in a batch: less after one that was too much
        self._buffer = Buffer()
        self._in_hand: dict[int, list[Msg]] = {}  # by worker
        self._idle = asyncio.Event()
        self._idle.set()
        self._undertaker = Undertaker(bus.bury)
        self._failures = Failures()
        self._alone: set[tuple[str, int]] = set()  # messages that failed, or were cut off with others
        self._pulling: list[asyncio.Task[None]] = []
        self._workers: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._pulling = [
            asyncio.create_task(pull(self._bus, self._consumer, self._buffer), name="pull"),
            asyncio.create_task(self._keep(), name="keep messages"),
        ]
        self._workers = [asyncio.create_task(self._work(number), name="batches") for number in range(self._at_once)]

    async def stop(self) -> None:
        """Take no more, and give back what waits here; what is under way may end, within limits."""
        await _cancel(self._pulling)
        for message in self._buffer.empty():
            with contextlib.suppress(nats.errors.Error, OSError):  # then it comes again when its `ack_wait` is over
                await message.nak()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), STOP_TIMEOUT)
        await _cancel(self._workers)

    async def _keep(self) -> None:
        """Say of every message that waits here or is being handled that we still have it: nobody else shall get it."""
        before: set[int] = set()  # here at the last look: what is settled within a moment needs no notice
        while True:
            await asyncio.sleep(KEEP)
            held = {id(each): each for each in (*self._buffer, *chain.from_iterable(self._in_hand.values()))}
            for message in [held[each] for each in held.keys() & before]:
                if message.is_acked:
                    continue  # one that was sent back would have its delay made an `ack_wait`
                with contextlib.suppress(nats.errors.Error, OSError):  # then it is redelivered, which costs nothing
                    await message.in_progress()
            before = set(held)

    async def _work(self, number: int) -> None:
        while True:
            messages = await self._buffer.take(self._most, BATCH_BYTES)
            self._in_hand[number] = messages
            self._idle.clear()
            try:
                await self.step(messages)
            except Exception:  # (the worker must outlive what nobody foresaw; the messages are redelivered)
                log.exception("batch.broke", consumer=self._consumer.durable, messages=len(messages))
            finally:
                del self._in_hand[number]
                if not self._in_hand:
                    self._idle.set()

    async def step(self, messages: Sequence[Msg]) -> None:
        """Handle what has come, and settle each message. What has failed before comes alone, after the others."""
        BATCHES.labels(self._consumer.durable).observe(len(messages))
        if not self._alone:
            await self._handle(messages)
            return
        suspects = [message for message in messages if _key(message) in self._alone]
        if others := [message for message in messages if _key(message) not in self._alone]:
            await self._handle(others)
        for suspect in suspects:
            await self._handle([suspect])

    async def _handle(self, messages: Sequence[Msg]) -> None:
        errors = await self._outcomes(messages)
        if isinstance(errors, Exception) and len(messages) > 1 and not waits(errors):
            middle = len(messages) // 2
            await self._handle(messages[:middle])
            await self._handle(messages[middle:])
            return
        each = [errors] * len(messages) if isinstance(errors, Exception) else errors
        for message, error in zip(messages, each, strict=True):
            await self._settle(message, error)

    async def _outcomes(self, messages: Sequence[Msg]) -> Sequence[Exception | None] | Exception:
        """What the handler says of each message, or what it raised, which is about all of them."""
        try:
            with _traced(self._consumer, messages):
                async with asyncio.timeout(delivery.HANDLER_DEADLINE):
                    errors = await self._handler(messages)
        except Exception as error:  # noqa: BLE001 (the one place where an error becomes an outcome)
            # A server that is too slow for so many looks as if it were away: the same number would never be settled.
            self._most = max(1, min(self._most, len(messages)) // 2)
            return error
        self._most = min(self._consumer.batch, self._most * 2)
        return errors

    async def _settle(self, message: Msg, error: Exception | None) -> None:
        try:
            if error is None:
                await self._acknowledge(message)
                return
            outcome = self._decide(message, error)
            if isinstance(outcome, Retry):
                await self._retry(message, outcome, error)
            else:
                await self._bury(message, outcome)
        except (nats.errors.Error, OSError) as failure:
            # Not said, so the server delivers it again; every step can be repeated.
            log.warning("message.not_settled", subject=message.subject, error=repr(failure))

    def _decide(self, message: Msg, error: Exception) -> Retry | Bury:
        key = _key(message)
        if not isinstance(error, Unavailable | Occupied):
            self._alone.add(key)
        failures = 0 if waits(error) else self._failures.count(key)
        return decide(error, message.metadata.num_delivered, failures)

    async def _acknowledge(self, message: Msg) -> None:
        if self._alone:
            self._forget(message)
        await message.ack()
        DELIVERIES.labels(self._consumer.durable, "acknowledged").inc()

    async def _retry(self, message: Msg, outcome: Retry, error: Exception) -> None:
        await message.nak(outcome.delay)
        DELIVERIES.labels(self._consumer.durable, "waiting" if outcome.waiting else "retried").inc()
        log.warning(
            "message.waiting" if outcome.waiting else "message.retried",
            subject=message.subject,
            delivery=message.metadata.num_delivered,
            delay=outcome.delay,
            error=repr(error),
            exc_info=None if delivery.is_named(error) else error,
        )

    async def _bury(self, message: Msg, outcome: Bury) -> None:
        try:
            await self._undertaker.bury(message, outcome)
        except Exception:
            log.exception("message.not_buried", subject=message.subject, reason=outcome.reason)
            await message.nak(delivery.MAX_DELAY)
            return
        self._forget(message)
        await message.term()
        DELIVERIES.labels(self._consumer.durable, "buried").inc()
        deliveries = message.metadata.num_delivered
        log.error("message.buried", subject=message.subject, reason=outcome.reason, deliveries=deliveries)

    def _forget(self, message: Msg) -> None:
        key = _key(message)
        self._alone.discard(key)
        self._failures.forget(key)


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    await asyncio.gather(*map(end, tasks))


def _key(message: Msg) -> tuple[str, int]:
    about = message.metadata
    return about.stream, about.sequence.stream


@contextlib.contextmanager
def _traced(consumer: Consumer, messages: Sequence[Msg]) -> Iterator[None]:
    """Where traces are exported: one message goes on with its own trace, a batch is linked to those of all of its."""
    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        yield
        return
    contexts = [propagate.extract(message.headers or {}) for message in messages]
    links = [trace.Link(trace.get_current_span(context).get_span_context()) for context in contexts]
    parent, links = (contexts[0], []) if len(contexts) == 1 else (None, links)
    name = f"{consumer.stream.name} process"
    with tracer.start_as_current_span(name, context=parent, kind=trace.SpanKind.CONSUMER, links=links):
        yield
