"""The writer, put together: it takes commands while PostgreSQL is there, and dispatches while it has the lease."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import asyncpg
import structlog
from fastapi import FastAPI

from shared import health, postgres, problems, tags, telemetry
from shared.auth import authenticator
from shared.bus import Bus, make_broker, running
from shared.ending import end
from shared.errors import UnderstudyError
from shared.loops import Loop
from shared.shopify import ShopifyClient, shopify
from shared.shopify.bucket import Level
from writer import api
from writer.execution import Checkpoint, nowhere
from writer.hearing import hearing_effects, hearing_jobs
from writer.parts import RENEWALS, Parts, Pools, put_together
from writer.settings import WriterSettings
from writer.wakeups import Wakeups

log = structlog.get_logger()

SERVICE = "writer"
STILL = 3.0  # seconds that a transaction may stand still; a process that was stopped must not hold locks
ENDING = 12.0  # seconds for requests to Shopify that are under way when we stop
# Connections. With 8, a burst of Shopify's answers crowded out those who send commands: 99 % of these were accepted
# within 82 ms instead of 37, and nothing was dispatched faster (measured, 50 commands a second, 64 answers at once).
DISPATCH_POOL, LEASE_POOL = 3, 1
RENEWAL = 1.0  # seconds between renewals at most; so long a lease that was given away stays unused


def create_app(settings: WriterSettings | None = None, at: Checkpoint = nowhere) -> FastAPI:
    """Reads the environment when no settings are given. `at` is called at every named step of an execution."""
    settings = settings or WriterSettings()
    telemetry.configure(settings, SERVICE)
    writer = Writer(settings, at)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            app.state.authenticator = await stack.enter_async_context(authenticator(settings))
            await stack.enter_async_context(health.internal(app, settings))
            await stack.enter_async_context(writer.running())
            stack.push_async_callback(commands.close)
            yield

    app = FastAPI(title="Understudy commands", version="1", lifespan=lifespan, redirect_slashes=False, redoc_url=None)
    problems.install(app)
    commands = api.install(app, writer.desk())
    health.install(app, settings, {"postgres": writer.postgres_problem})
    telemetry.instrument(app, settings)
    return app


class Writer:
    """Everything that runs; all of it stops with `running`, the requests that are under way last."""

    def __init__(self, settings: WriterSettings, at: Checkpoint) -> None:
        self._settings = settings
        self._at = at
        self._broker = make_broker(settings, SERVICE)
        self.wakeups = Wakeups()
        self._pools: Pools | None = None
        self._client: ShopifyClient | None = None

    def desk(self) -> api.Desk:
        """What the command API lives on."""
        slots = self._settings.shopify_max_in_flight
        return api.Desk(self._pool, self.wakeups, self._settings, self._level, slots)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        settings = self._settings
        async with AsyncExitStack() as stack:
            pools = self._pools = await self._connect(stack)
            redis = tags.connect(settings)
            stack.push_async_callback(redis.aclose)
            client = self._client = await stack.enter_async_context(shopify(settings, redis=redis))
            await stack.enter_async_context(running(self._broker))
            parts = put_together(settings, pools, client, Bus(self._broker), self.wakeups, self._at)
            for loop in parts.loops:
                loop.start()
                stack.push_async_callback(loop.stop)
            await stack.enter_async_context(hearing_jobs(self._broker, self.wakeups.heard))
            await stack.enter_async_context(hearing_effects(self._broker, parts.announced))
            await stack.enter_async_context(dispatching(parts, settings.writer_lease))
            yield

    async def postgres_problem(self) -> str | None:
        """Nothing is accepted without it; without the rest, commands wait."""
        async with postgres.transaction(self._pool()) as connection:
            await connection.execute("SELECT FROM jobs LIMIT 1")
        return None

    def _pool(self) -> "asyncpg.Pool[asyncpg.Record]":
        if self._pools is None:
            raise postgres.PostgresUnavailable("not started yet")
        return self._pools.api

    async def _level(self) -> Level | None:
        return None if self._client is None else await self._client.level()

    async def _connect(self, stack: AsyncExitStack) -> Pools:
        """They connect when they are asked for something: the writer begins whatever is down."""

        async def pool(name: str, size: int) -> "asyncpg.Pool[asyncpg.Record]":
            sized = self._settings.model_copy(update={"postgres_pool_size": size})
            made = await postgres.connect(sized, f"{SERVICE} {name}", reset=False, eager=False, longest_pause=STILL)
            stack.push_async_callback(postgres.close, made)
            return made

        return Pools(
            api=await pool("api", self._settings.postgres_pool_size),
            dispatch=await pool("dispatch", DISPATCH_POOL),
            lease=await pool("lease", LEASE_POOL),
        )


@asynccontextmanager
async def dispatching(parts: Parts, lease_seconds: float) -> AsyncIterator[None]:
    """What was sent is answered and written down before the lease is given away."""
    every = min(RENEWAL, lease_seconds / RENEWALS)
    renewing = Loop("lease", parts.lease.step, every, longest_pause=every)
    renewing.start()
    task = asyncio.create_task(parts.dispatcher.run(), name="dispatcher")
    task.add_done_callback(_end_the_process)
    try:
        yield
    finally:
        idle = await parts.dispatcher.stop(ENDING)
        await end(task)
        await renewing.stop()
        if idle:  # else it runs out by itself, after everything that is under way
            with suppress(UnderstudyError):
                await parts.lease.release()


def _end_the_process(task: "asyncio.Task[None]") -> None:
    """A dispatcher that broke where nobody expected it must not keep others from having the lease."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("dispatcher.broke", exc_info=error)
        os.kill(os.getpid(), signal.SIGTERM)
