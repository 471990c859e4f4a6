"""read-api: serves projections. No read calls Shopify."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI

from read_api import openapi, routes
from read_api.audience import Audience
from read_api.budget import Budget
from read_api.cache_policy import CachePolicy
from read_api.catalogue import Catalogue
from read_api.circuit import Circuit
from read_api.coalescer import Coalescer
from read_api.database import Database
from read_api.edge import Edge
from read_api.feed import Feed
from read_api.floors import Floors
from read_api.reader import Answer, Reader
from read_api.settings import ReadApiSettings
from read_api.status import StatusBoard
from read_api.visibility import Visibility
from shared import health, problems, telemetry
from shared.auth import authenticator
from shared.tags import Tags, connect

SERVICE = "read-api"
DESCRIPTION = """\
A shop's events and tickets, read in milliseconds and never from Shopify.

- Ids are strings of digits, money is a string, times are RFC 3339 in UTC, and what is unknown is null.
- Every answer has an `ETag`: send it as `If-None-Match`, and what has not changed costs no body.
- Errors are RFC 9457 problems. Unknown, repeated and malformed parameters are 400 and say which.
- `/v1/events…` shows active events to everyone; `/v1/manage/events…` shows all, with a token of scope `events:read`.
"""


def create_app(settings: ReadApiSettings | None = None) -> FastAPI:
    """Reads the environment when no settings are given. Starts whatever is down; `/v1/status` says what."""
    settings = settings or ReadApiSettings()
    telemetry.configure(settings, SERVICE)
    redis = connect(settings)
    tags = Tags(redis)
    circuit = Circuit(tags)
    database = Database(settings)
    coalescer: Coalescer[Answer] = Coalescer(settings.max_loads, settings.max_waiters)
    floors, visibility = Floors(), Visibility()
    catalogue = Catalogue(Reader(tags, circuit, coalescer, floors), database)
    feed = Feed(settings, [floors, visibility])
    budget = Budget(redis, circuit, settings.shopify_shop)
    board = StatusBoard(database, circuit, feed, visibility, budget)
    policy = CachePolicy(settings.cache_control_public, settings.cache_control_cdn, settings.cache_control_organizer)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as running:
            app.state.authenticator = await running.enter_async_context(authenticator(settings))
            await running.enter_async_context(health.internal(app, settings))
            for closing in (redis.aclose, database.close, circuit.close, board.close, coalescer.close, feed.close):
                running.push_async_callback(closing)
            for start in (database.start, circuit.start, feed.start):
                start()
            yield

    app = FastAPI(
        title="Understudy",
        version="1",
        description=DESCRIPTION,
        lifespan=lifespan,
        redirect_slashes=False,
        redoc_url=None,
    )
    problems.install(app)
    app.include_router(routes.events(catalogue, policy, Audience.PUBLIC))
    app.include_router(routes.events(catalogue, policy, Audience.ORGANIZER))
    app.include_router(routes.overview(catalogue, policy, board))
    openapi.install(app)
    health.install(app, settings, {"postgres": database.start_problem})
    telemetry.instrument(app, settings)
    app.add_middleware(Edge, cors_origin=settings.cors_origin)
    return app
