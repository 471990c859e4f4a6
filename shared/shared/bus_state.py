"""What NATS says of a stream and its consumers: how far they are, what they hold. For those who look after the bus."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import nats.errors
import nats.js.errors
from faststream.exceptions import IncorrectState
from faststream.nats import NatsBroker
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, ConsumerInfo, DeliverPolicy

from shared.bus import ANSWER_TIMEOUT, BusUnavailable
from shared.contracts import Contract, parse
from shared.topology import Consumer, Stream

WITHIN = 10.0  # seconds for one question; each of the calls that it takes has 5 of the client's own
INACTIVE = 10.0  # seconds until the server forgets a reader of ours that died


@dataclass(frozen=True)
class Standing:
    """What a consumer has before it: messages not sent to it yet, and those it has not answered. `oldest_at`: when the
    first of them was stored; None without any, or when it is gone.
    """

    pending: int
    unanswered: int
    oldest_at: datetime | None


async def standing(broker: NatsBroker, consumer: Consumer) -> Standing:
    """How far a consumer is.

    Raises:
        BusUnavailable
    """
    async with asking(broker) as jetstream:
        info = await jetstream.consumer_info(consumer.stream.name, consumer.durable)
        pending, unanswered = info.num_pending or 0, info.num_ack_pending or 0
        oldest = await _stored_at(jetstream, consumer.stream, settled_up_to(info) + 1) if behind(info) else None
        return Standing(pending, unanswered, oldest)


async def count(broker: NatsBroker, stream: Stream) -> int:
    """How many messages a stream holds.

    Raises:
        BusUnavailable
    """
    async with asking(broker) as jetstream:
        return (await jetstream.stream_info(stream.name)).state.messages


async def last(broker: NatsBroker, stream: Stream, subject: str) -> Contract | None:
    """The newest message of a subject, without its body; None when there is none.

    Raises:
        BusUnavailable
        UnknownContract: it is none of ours.
    """
    async with asking(broker) as jetstream:
        try:
            message = await jetstream.get_last_msg(stream.name, subject)
        except nats.js.errors.NotFoundError:
            return None
    return parse(message.headers, b"")


async def since(broker: NatsBroker, stream: Stream, subject: str, at: datetime, most: int) -> list[Contract]:
    """The messages of a subject that were stored since then, without their bodies, oldest first: `most` at most.

    Raises:
        BusUnavailable
        UnknownContract: one is none of ours.
    """
    config = ConsumerConfig(
        deliver_policy=DeliverPolicy.BY_START_TIME,
        opt_start_time=at,
        ack_policy=AckPolicy.NONE,
        headers_only=True,
        mem_storage=True,
        inactive_threshold=INACTIVE,
    )
    async with asking(broker) as jetstream:
        reader = await jetstream.pull_subscribe(subject, stream=stream.name, config=config)
        try:
            there = (await reader.consumer_info()).num_pending or 0
            messages = await reader.fetch(min(there, most), timeout=ANSWER_TIMEOUT) if there else []
        finally:
            await reader.unsubscribe()
    return [parse(message.headers, b"") for message in messages]


def behind(info: ConsumerInfo, target: int | None = None) -> int:
    """How many messages a consumer has not settled; of those up to the sequence number `target`, at most."""
    unsettled = (info.num_pending or 0) + (info.num_ack_pending or 0)
    return unsettled if target is None else min(unsettled, max(0, target - settled_up_to(info)))


def settled_up_to(info: ConsumerInfo) -> int:
    """The sequence number up to which everything is settled; 0: nothing is."""
    return info.ack_floor.stream_seq if info.ack_floor else 0


@asynccontextmanager
async def asking(broker: NatsBroker, within: float = WITHIN) -> AsyncIterator[JetStreamContext]:
    """Ask the server; all of the block within so many seconds.

    Raises:
        BusUnavailable: it does not answer, or has no such stream or consumer.
    """
    try:
        async with asyncio.timeout(within):
            yield broker.connection.jetstream()
    except IncorrectState as error:
        raise BusUnavailable("not connected to NATS yet") from error
    except nats.js.errors.NotFoundError as error:
        raise BusUnavailable("a stream or a consumer does not exist; run `understudy provision`") from error
    except (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError) as error:
        raise BusUnavailable(f"NATS does not answer: {error!r}") from error


async def _stored_at(jetstream: JetStreamContext, stream: Stream, sequence: int) -> datetime | None:
    try:
        return (await jetstream.get_msg(stream.name, sequence)).time
    except nats.js.errors.NotFoundError:
        return None
