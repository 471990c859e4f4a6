"""The syncer, put together."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TypeVar

import asyncpg
import stamina
import structlog
from fastapi import FastAPI

from shared import health, postgres, tags, telemetry
from shared.bus import Bus, consumer_problem, make_broker, running
from shared.errors import UnderstudyError
from shared.garbage import collect_rarely
from shared.postgres import queries, transaction
from shared.settings import load
from shared.shopify import shopify
from shared.topology import SYNCER_CHANGES
from syncer.parts import put_together
from syncer.settings import SyncerSettings
from syncer.shop_reader import ShopReader

log = structlog.get_logger()
SQL = queries("syncer")

LONGEST_WAIT = 10.0  # seconds between attempts to reach what is needed to start

T = TypeVar("T")


def create_app() -> FastAPI:
    settings = load(SyncerSettings)
    telemetry.configure(settings, "syncer")
    collect_rarely()
    syncer = Syncer(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with health.internal(app, settings), syncer.running():
            yield

    app = FastAPI(title="syncer", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    health.install(app, settings, {"started": syncer.start_problem, "consumer": syncer.consumer_problem})
    return app


class Syncer:
    """Waits until everything it lives on is there, then consumes. All of it stops with `running`."""

    def __init__(self, settings: SyncerSettings) -> None:
        self._settings = settings
        self._broker = make_broker(settings, "syncer")
        self._waiting_for: str | None = "its start"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._run(), name="syncer")
        task.add_done_callback(_end_the_process)
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def start_problem(self) -> str | None:
        return None if self._waiting_for is None else f"waiting for {self._waiting_for}"

    async def consumer_problem(self) -> str | None:
        return None if self._waiting_for else await consumer_problem(self._broker, SYNCER_CHANGES)

    async def _run(self) -> None:
        """Bring up one after the other what the next one needs, then stay."""
        settings = self._settings
        async with AsyncExitStack() as stack:
            pool = await self._wait_for("PostgreSQL", lambda: postgres.connect(settings, "syncer"))
            stack.push_async_callback(postgres.close, pool)
            redis = tags.connect(settings)
            stack.push_async_callback(redis.aclose)
            client = await stack.enter_async_context(shopify(settings, redis=redis))
            reader = ShopReader(client, settings.rules())
            currency = await self._wait_for("the shop's currency", lambda: _currency(pool, reader))
            parts = put_together(settings, pool, redis, client, Bus(self._broker), currency)
            await stack.enter_async_context(running(self._broker))
            parts.consuming.start()
            stack.push_async_callback(parts.consuming.stop)
            for loop in parts.loops:
                loop.start()
                stack.push_async_callback(loop.stop)
            self._waiting_for = None
            log.info("syncer.started", currency=currency)
            await asyncio.Event().wait()

    async def _wait_for(self, name: str, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try for as long as it takes; `/readyz` says what is waited for."""
        self._waiting_for = name
        async for trial in stamina.retry_context(
            on=UnderstudyError, attempts=None, timeout=None, wait_initial=0.2, wait_max=LONGEST_WAIT
        ):
            with trial:
                return await attempt()
        raise AssertionError("retried for ever")


async def _currency(pool: "asyncpg.Pool[asyncpg.Record]", reader: ShopReader) -> str:
    """The shop's currency as Shopify says it now; while Shopify is away, as it said last."""
    try:
        facts = await reader.shop()
    except UnderstudyError as error:
        async with transaction(pool) as connection:
            known: str | None = await connection.fetchval(SQL.get_currency)
        if known is None:
            raise
        log.warning("shop.not_read", error=str(error), currency=known)
        return known
    async with transaction(pool) as connection:
        await connection.execute(SQL.put_shop, facts.domain, facts.currency, facts.timezone)
    return facts.currency


def _end_the_process(task: "asyncio.Task[None]") -> None:
    """A syncer that broke where nobody expected it must not stay up, idle and silent."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("syncer.broke", exc_info=error)
        os.kill(os.getpid(), signal.SIGTERM)
