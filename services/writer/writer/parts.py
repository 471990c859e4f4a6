"""The writer's parts, put together: what dispatches, and the loops that say what came of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import asyncpg

from shared.bus import Bus
from shared.loops import Loop
from shared.shopify import ShopifyClient
from shared.shopify.products import ProductReader
from writer.dispatcher import Dispatcher
from writer.execution import Checkpoint
from writer.herald import Herald
from writer.jobs import Jobs
from writer.lease import Lease
from writer.observer import Observer
from writer.settings import WriterSettings
from writer.shop_facts import Facts
from writer.switch import Switch
from writer.visibility import Visibility
from writer.wakeups import Wakeups

RENEWALS = 4  # in the time that a lease lasts
WAITING = 8  # executions that wait for points, so that none is left unused
OBSERVER_INTERVAL = 0.5  # seconds between looks for what a dead replica left unsaid
HERALD_INTERVAL = 0.5
VISIBILITY_INTERVAL = 0.25  # seconds; bounds how long after its readers a job says that it is visible
CLEANER_INTERVAL = 600.0  # seconds between looks for jobs that ended long ago
CLEANED_AT_ONCE = 1000
READ_AGAIN = 3600.0  # seconds; locations and publications come and go


@dataclass(frozen=True)
class Pools:
    """Apart, so that a flood of commands never keeps the lease or the dispatcher waiting."""

    api: "asyncpg.Pool[asyncpg.Record]"
    dispatch: "asyncpg.Pool[asyncpg.Record]"
    lease: "asyncpg.Pool[asyncpg.Record]"


@dataclass(frozen=True)
class Parts:
    lease: Lease
    dispatcher: Dispatcher
    loops: tuple[Loop, ...]
    announced: Callable[[str], None]  # to be called with each job that an announced revision is the effect of


def put_together(
    settings: WriterSettings, pools: Pools, client: ShopifyClient, bus: Bus, wakeups: Wakeups, at: Checkpoint
) -> Parts:
    """Nothing runs yet."""
    lease = Lease(pools.lease, settings.writer_lease)
    jobs = Jobs(pools.dispatch, settings.writer_horizon)
    facts = Facts(client, settings)

    async def tell(seconds: float, reason: str | None) -> None:
        await jobs.tell_breaker(lease.epoch, seconds, reason)

    dispatcher = Dispatcher(
        jobs=jobs,
        lease=lease,
        client=client,
        facts=facts,
        switch=Switch(client, tell, settings.shopify_request_timeout),
        wakeups=wakeups,
        at_once=settings.shopify_max_in_flight + WAITING,
        patience=settings.shopify_request_timeout,
        horizon=settings.writer_horizon,
        at=at,
    )
    observer = Observer(pools.api, bus, reader(client, settings), settings.shopify_shop)
    visibility = Visibility(pools.api, wakeups.changed)
    knowing = Loop("shop facts", facts.step, READ_AGAIN)
    herald = Loop("herald", Herald(pools.api, bus).step, HERALD_INTERVAL)
    observing = Loop("observer", observer.step, OBSERVER_INTERVAL)
    looking = Loop("looker", observer.look, OBSERVER_INTERVAL)
    showing = Loop("visibility", visibility.step, VISIBILITY_INTERVAL)
    for loop in (herald, observing, looking):
        wakeups.of_ours(loop.wake)

    def announced(job_id: str) -> None:
        visibility.announced(job_id)
        showing.wake()

    return Parts(
        lease,
        dispatcher,
        (knowing, herald, observing, looking, showing, Loop("cleaner", cleaner(jobs, settings), CLEANER_INTERVAL)),
        announced,
    )


def reader(client: ShopifyClient, settings: WriterSettings) -> ProductReader:
    """Of products, whole, with the points of commands: nobody calls a command done that readers don't see."""
    metafields = settings.metafields()
    return ProductReader(client, metafields.event.values(), metafields.ticket.values())


def cleaner(jobs: Jobs, settings: WriterSettings) -> Callable[[], Awaitable[bool]]:
    """Ended jobs go after so many days; what is in doubt stays until somebody has resolved it."""

    async def step() -> bool:
        return await jobs.forget(settings.writer_jobs_kept, CLEANED_AT_ONCE) == CLEANED_AT_ONCE

    return step
