"""The syncer's parts, put together: what consumes changes, and the loops that keep us in step with Shopify."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import asyncpg
import structlog
from redis.asyncio import Redis

from shared import postgres
from shared.bus import Bus
from shared.consuming import Consuming
from shared.errors import Permanent
from shared.loops import Loop
from shared.shopify import Share, ShopifyClient
from shared.tags import Tags
from shared.topology import SYNCER_CHANGES
from syncer.announcer import Announcer
from syncer.backfill import Backfill, was_read_whole
from syncer.backlog import Backlog
from syncer.doctor.doctor import Doctor
from syncer.doctor.registrar import Registrar
from syncer.doctor.rounds import Rounds
from syncer.doctor.subscriptions import wanted
from syncer.effects import Cleaner
from syncer.export import Export
from syncer.handlers import Projector
from syncer.purger.agent import Purger
from syncer.rebuild.due import Due
from syncer.rebuild.herald import Herald
from syncer.rebuild.rebuild import Rebuild
from syncer.rebuild.shadow import SEARCH_PATH
from syncer.rebuild.version import making
from syncer.reconcile.schedule import Schedule
from syncer.reconcile.works import margins, reconcile
from syncer.refetcher import ON_CHANGE, Refetcher, doubts
from syncer.runs import Runner, Runs, Work
from syncer.settings import SyncerSettings
from syncer.shop_reader import ShopReader
from syncer.store import Store
from syncer.succession import Succession

log = structlog.get_logger()

RELAY_INTERVAL = 0.5  # seconds; bounds how long a returning Redis may hold what it did not hear
PURGER_INTERVAL = 2.0  # seconds between looks whether nobody purges; bounds what a dead purger's successor waits
REFETCH_INTERVAL = 1.0  # seconds between looks for what other replicas ask for, and what was postponed
RUN_INTERVAL = 1.0  # seconds between looks for what operators ask for
SCHEDULE_INTERVAL = 5.0  # seconds between looks at what is due
SUBSCRIPTIONS_INTERVAL = 300.0  # seconds between looks for lost subscriptions
REBUILD_INTERVAL = 60.0  # seconds between looks whether a rebuild is due, or left something
CLEANER_INTERVAL = 600.0  # seconds between looks for effects that nobody asks about any more


@dataclass(frozen=True)
class Parts:
    consuming: Consuming
    loops: tuple[Loop, ...]


def put_together(
    settings: SyncerSettings,
    pool: "asyncpg.Pool[asyncpg.Record]",
    redis: Redis,
    client: ShopifyClient,
    bus: Bus,
    currency: str,
) -> Parts:
    """Nothing runs yet."""
    rules, shop, runs = settings.rules(), settings.shopify_shop, Runs(pool)
    store = Store(pool, rules, currency)
    announcer = Announcer(store, Tags(redis), bus)
    export = Export(pool, client, rules, settings.bulk_result_origins, settings.bulk_operations)

    def reader(share: Share) -> ShopReader:
        return ShopReader(client.acting_for(share), rules)

    doubt = doubts(settings.reconcile_grace)
    refetching = Loop("refetcher", Refetcher(pool, reader(Share.REFETCH), bus, shop, ON_CHANGE).step, REFETCH_INTERVAL)
    doubting = Loop("doubts", Refetcher(pool, reader(Share.RECONCILE), bus, shop, doubt).step, REFETCH_INTERVAL)

    doctors = client.acting_for(Share.REFETCH)
    needs = wanted(settings.webhook_public_url, rules.namespaces())
    registrar = Registrar(pool, doctors, needs, settings.shopify_api_version, settings.reconcile_grace)
    rebuild = Rebuild(pool, _shadow_pool(settings), export, bus, runs, rules, currency, shop)
    works: dict[str, Work] = {
        "backfill": Backfill(export, bus, Backlog(bus.broker), runs, rules, shop),
        "reconcile": reconcile(
            pool, client, export, bus, rules, shop,
            margins=margins(settings.reconcile_overlap, settings.reconcile_grace), wake=doubting.wake,
        ),
        "doctor": Doctor(pool, doctors, bus.broker, settings, registrar),
        "rebuild": rebuild,
    }  # fmt: skip
    schedule = Schedule(pool, settings.reconcile_interval, settings.reconcile_whole_interval)
    due = Due(runs, making(rules, currency), automatically=settings.rebuild_automatically)
    return Parts(
        Consuming(bus, SYNCER_CHANGES, Projector(store, announcer, refetching, export.noticed).handle),
        (
            Loop("succession", Succession(pool, announcer, bus).step, RELAY_INTERVAL, longest_pause=RELAY_INTERVAL),
            Loop("relay", announcer.step, RELAY_INTERVAL, longest_pause=RELAY_INTERVAL),
            refetching,
            doubting,
            Loop("subscriptions", _subscribe_then_read(registrar, runs), SUBSCRIPTIONS_INTERVAL),
            *(Loop(f"{kind} runs", Runner(kind, pool, work).step, RUN_INTERVAL) for kind, work in works.items()),
            Loop("reconcile schedule", schedule.step, SCHEDULE_INTERVAL),
            Loop("doctor's rounds", Rounds(runs, settings.doctor_interval).step, SCHEDULE_INTERVAL),
            Loop("rebuild due", due.step, REBUILD_INTERVAL),
            Loop("rebuild's leftovers", rebuild.tidy, REBUILD_INTERVAL),
            *((Loop("purger", Purger(settings, pool, bus).step, PURGER_INTERVAL),) if settings.cdn_provider else ()),
            Loop("herald", Herald(pool, announcer, bus).step, RUN_INTERVAL),
            Loop("effects' cleaner", Cleaner(pool).step, CLEANER_INTERVAL),
        ),
    )


def _subscribe_then_read(registrar: Registrar, runs: Runs) -> Callable[[], Awaitable[bool]]:
    """Subscriptions first: what changes while everything is read must come in as a webhook."""

    async def step() -> bool:
        try:
            await registrar.step()
        except Permanent as error:  # they may be somebody else's business; events must be readable all the same
            log.error("subscriptions.refused", error=str(error))  # noqa: TRY400 (its words say it all)
        if not await was_read_whole(runs.pool):
            await runs.ask("backfill", asked_by="start")
        return False

    return step


def _shadow_pool(settings: SyncerSettings) -> Callable[[], AbstractAsyncContextManager["asyncpg.Pool[asyncpg.Record]"]]:
    """Connections that look at the tables of a rebuild before those that readers use."""

    @asynccontextmanager
    async def opened() -> AsyncIterator["asyncpg.Pool[asyncpg.Record]"]:
        pool = await postgres.connect(settings, "syncer rebuild", search_path=SEARCH_PATH)
        try:
            yield pool
        finally:
            await postgres.close(pool)

    return opened
