"""Hear what is said on the bus, to be woken by it: whoever hears nothing looks in time, so nothing is acknowledged."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import nats.errors
import structlog
from faststream.exceptions import IncorrectState
from faststream.nats import NatsBroker
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from shared.contracts import PREFIX
from shared.ending import end

log = structlog.get_logger()

JOBS, PROJECTIONS = "jobs.*", "projections.event.*"
CAUSED_BY = PREFIX + "causedby"
AT_MOST = 10_000  # messages that wait to be heard; what comes then is not
LOOK_AGAIN = 0.2  # seconds between looks whether NATS is there; a subscription then outlives every reconnection


@asynccontextmanager
async def hearing_jobs(broker: NatsBroker, changed: Callable[[str], None]) -> AsyncIterator[None]:
    """Call `changed` with each job that is announced, by whichever replica, for as long as the block."""

    async def heard(message: Msg) -> None:
        changed(message.subject.rpartition(".")[2])

    async with _hearing(broker, JOBS, heard):
        yield


@asynccontextmanager
async def hearing_effects(broker: NatsBroker, announced: Callable[[str], None]) -> AsyncIterator[None]:
    """Call `announced` with each job that a revision is announced to be the effect of."""

    async def heard(message: Msg) -> None:
        if job_id := (message.headers or {}).get(CAUSED_BY):
            announced(job_id)

    async with _hearing(broker, PROJECTIONS, heard):
        yield


@asynccontextmanager
async def _hearing(broker: NatsBroker, subject: str, heard: Callable[[Msg], Awaitable[None]]) -> AsyncIterator[None]:
    made: list[Subscription] = []
    subscribing = asyncio.create_task(_subscribe(broker, subject, heard, made), name=f"hear {subject}")
    try:
        yield
    finally:
        await end(subscribing)
        for subscription in made:
            with suppress(nats.errors.Error):  # the connection may be closed by now
                await subscription.unsubscribe()


async def _subscribe(
    broker: NatsBroker, subject: str, heard: Callable[[Msg], Awaitable[None]], made: list[Subscription]
) -> None:
    while True:
        try:
            made.append(await broker.connection.subscribe(subject, cb=heard, pending_msgs_limit=AT_MOST))
        except (IncorrectState, nats.errors.Error):  # not connected yet
            await asyncio.sleep(LOOK_AGAIN)
        else:
            log.info("bus.heard", subject=subject)
            return
