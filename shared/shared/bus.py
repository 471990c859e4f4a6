"""The seam to NATS: one way to connect, one way to publish."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import nats.errors
import nats.js.errors
import orjson
import structlog
from faststream.exceptions import IncorrectState
from faststream.nats import NatsBroker
from faststream.nats.opentelemetry import NatsTelemetryMiddleware
from nats.js import JetStreamContext
from opentelemetry import propagate

from shared import telemetry
from shared.contracts import Contract
from shared.ending import end
from shared.errors import Permanent, Unavailable
from shared.settings import NatsSettings
from shared.topology import DEAD_LETTERS, Consumer, Stream, address

log = structlog.get_logger()

PUBLISH_TIMEOUT = 3.0  # seconds for a durable acknowledgement; Shopify gives a webhook 5
AT_ONCE = 64  # publishes under way of one `publish_all`, where they can't go together
BATCH = 200  # messages that go together; the server takes 1,000
BATCH_BYTES = 4 << 20  # of their bodies
CONNECT_TIMEOUT = 5  # seconds
RECONNECT_WAIT = 0.5  # seconds between attempts, for ever
PING_INTERVAL = 5  # seconds; a server that hangs is left after two unanswered ones, not after the client's six minutes
START_AGAIN = 1.0  # seconds after a start that failed
STOP_TIMEOUT = 5.0  # seconds for what is still on its way, then the connection is cut
ANSWER_TIMEOUT = 2.0  # seconds for a question about a stream or a consumer


class BusUnavailable(Unavailable):
    """NATS did not acknowledge the message in time."""


class BusRefused(Permanent):
    """NATS refused the message."""


class Bus:
    """Publishes contracts. Each publish names its stream, its id and its timeout."""

    def __init__(self, broker: NatsBroker) -> None:
        self.broker = broker

    async def publish(self, message: Contract, timeout: float = PUBLISH_TIMEOUT) -> bool:  # noqa: ASYNC109 (the broker's own)
        """Return once the stream has stored it. False when the stream held this id already.

        Raises:
            BusUnavailable: no acknowledgement in time; it may have been stored all the same.
            BusRefused: too large, or no stream takes this subject.
        """
        stream, subject = address(message)
        acknowledged = await self._store(subject, message.headers(), message.body, stream.name, timeout)
        return not acknowledged

    async def publish_all(self, messages: Sequence[Contract]) -> None:
        """Publish many, in atomic batches: the server syncs its disk once for each of them, and not for each message.

        (Measured with `sync_interval: always`: 0.05 ms for each message instead of 1.6 ms.) Returns once the streams
        have stored all of them; what they held already is no error.

        Raises:
            BusUnavailable, BusRefused: as `publish`, of one of them; others may have been stored.
        """
        for stream, batch in _batches(messages):
            if len(batch) == 1 or not await self._store_together(stream, batch):
                await self._store_each(batch)

    async def _store_together(self, stream: Stream, messages: Sequence[Contract]) -> bool:
        """All or none of them. False: the stream takes no such batch, because it holds one of them already."""
        deadline, name = PUBLISH_TIMEOUT, secrets.token_hex(8)
        subject = address(messages[-1])[1]
        with _named(subject):
            async with asyncio.timeout(deadline + 0.5):
                connection = self.broker.connection
                for number, message in enumerate(messages, 1):
                    headers = _headers(message, stream)
                    headers |= {"Nats-Batch-Id": name, "Nats-Batch-Sequence": str(number)}
                    if number < len(messages):
                        await connection.publish(address(message)[1], message.body, headers=headers)
                headers["Nats-Batch-Commit"] = "1"
                answer = await connection.request(subject, messages[-1].body, timeout=deadline, headers=headers)
        return bool(orjson.loads(answer.data).get("count") == len(messages))

    async def _store_each(self, messages: Sequence[Contract]) -> None:
        for start in range(0, len(messages), AT_ONCE):
            some = messages[start : start + AT_ONCE]
            results = await asyncio.gather(*(self.publish(each) for each in some), return_exceptions=True)
            for result in results:
                if isinstance(result, BaseException):
                    raise result

    async def bury(self, subject: str, headers: dict[str, str], body: bytes) -> None:
        await self._store(subject, headers, body, DEAD_LETTERS.name, PUBLISH_TIMEOUT)

    async def _store(self, subject: str, headers: dict[str, str], body: bytes, stream: str, deadline: float) -> bool:
        """True when it was a duplicate."""
        with _named(subject):
            async with asyncio.timeout(deadline + 0.5):  # the client may wait for a buffer before its own clock starts
                ack = await self.broker.publish(body, subject, headers=headers, stream=stream, timeout=deadline)
        return bool(ack.duplicate)


def _batches(messages: Sequence[Contract]) -> Iterator[tuple[Stream, list[Contract]]]:
    """Of one stream each, in order, and bounded: the server keeps a batch in memory until it is whole."""
    batch: list[Contract] = []
    stream, size = None, 0
    for message in messages:
        of_message, size = address(message)[0], size + len(message.body)
        if batch and stream is not None and (of_message != stream or len(batch) == BATCH or size > BATCH_BYTES):
            yield stream, batch
            batch, size = [], len(message.body)
        stream = of_message
        batch.append(message)
    if batch and stream is not None:
        yield stream, batch


def _headers(message: Contract, stream: Stream) -> dict[str, str]:
    headers = message.headers() | {"Nats-Expected-Stream": stream.name}
    propagate.inject(headers)
    return headers


@contextmanager
def _named(subject: str) -> Iterator[None]:
    """Give every failure of a publish its name."""
    try:
        yield
    except nats.errors.MaxPayloadError as error:
        raise BusRefused("the message is larger than the server takes") from error
    except (nats.js.errors.NoStreamResponseError, nats.js.errors.NotFoundError) as error:
        raise BusUnavailable(f"no stream takes {subject}; was `understudy provision` run?") from error
    except IncorrectState as error:
        raise BusUnavailable("not connected to NATS yet") from error
    except (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError) as error:
        raise BusUnavailable(f"NATS did not store a message on {subject}: {error!r}") from error


def make_broker(settings: NatsSettings, service: str) -> NatsBroker:
    """A broker that reconnects for ever. It connects and publishes; messages are taken by `consuming`."""
    last_error = ""  # said once, not at each of two attempts a second

    async def on_disconnect() -> None:
        log.warning("nats.disconnected")

    async def on_reconnect() -> None:
        nonlocal last_error
        last_error = ""
        log.info("nats.reconnected")

    async def on_error(error: Exception) -> None:
        nonlocal last_error
        if repr(error) != last_error:
            last_error = repr(error)
            log.warning("nats.error", error=last_error)

    broker = NatsBroker(
        settings.nats_url.get_secret_value().split(","),
        name=service,
        connect_timeout=CONNECT_TIMEOUT,
        reconnect_time_wait=RECONNECT_WAIT,  # type: ignore[arg-type]  # whole seconds in the annotation, any in the client
        max_reconnect_attempts=-1,
        ping_interval=PING_INTERVAL,
        disconnected_cb=on_disconnect,
        reconnected_cb=on_reconnect,
        error_cb=on_error,
        logger=None,
    )
    # FastStream's own callback raises at some answers of a server ("maximum connections exceeded"), which ends the
    # client's reconnecting for good.
    broker._connection_kwargs["error_cb"] = on_error  # noqa: SLF001
    if telemetry.traces_leave():
        broker.add_middleware(NatsTelemetryMiddleware())
    return broker


@asynccontextmanager
async def running(broker: NatsBroker) -> AsyncIterator[None]:
    """Run the broker for as long as the block. It begins at once, and connects as soon as NATS is there."""
    starting = asyncio.create_task(_start(broker), name="connect to NATS")
    try:
        yield
    finally:
        await end(starting)
        await _stop(broker)


async def _start(broker: NatsBroker) -> None:
    while True:
        try:
            await broker.start()
        except Exception as error:  # noqa: BLE001 (whatever it is, readiness says that we are not connected)
            log.warning("nats.not_started", error=repr(error))
            await asyncio.sleep(START_AGAIN)
        else:
            log.info("nats.connected")
            return


async def _stop(broker: NatsBroker) -> None:
    try:
        connection = broker.connection
    except IncorrectState:
        return  # it never was there
    try:
        async with asyncio.timeout(STOP_TIMEOUT):
            await broker.stop()
    except (nats.errors.Error, TimeoutError) as error:  # it can't be drained while NATS is away
        log.warning("nats.cut", error=repr(error))
        await connection.close()


async def stream_problem(broker: NatsBroker, stream: Stream) -> str | None:
    """Why nothing can be stored in this stream, or None."""
    return await _problem(broker, f"the stream {stream.name}", lambda js: js.stream_info(stream.name))


async def consumer_problem(broker: NatsBroker, consumer: Consumer) -> str | None:
    """Why this consumer can't receive, or None. A deleted one leaves a service idle and silent, so ask the server."""
    name = f"the consumer {consumer.durable} of {consumer.stream.name}"
    return await _problem(broker, name, lambda js: js.consumer_info(consumer.stream.name, consumer.durable))


async def _problem(broker: NatsBroker, name: str, ask: Callable[[JetStreamContext], Awaitable[object]]) -> str | None:
    try:
        connection = broker.connection
    except IncorrectState:
        return "not connected to NATS yet"
    if not connection.is_connected:
        return "not connected to NATS"
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT):
            await ask(connection.jetstream())
    except nats.js.errors.NotFoundError:
        return f"{name} does not exist; run `understudy provision`"
    except (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError) as error:
        return f"NATS does not answer: {error!r}"
    return None
