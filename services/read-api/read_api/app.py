"""read-api: serves projections. No read calls Shopify."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import structlog
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from read_api import routes
from read_api.answers import Answers
from read_api.audience import Audience
from read_api.budget import Budget
from read_api.cache_policy import CachePolicy
from read_api.catalogue import Catalogue
from read_api.circuit import Circuit
from read_api.coalescer import Coalescer
from read_api.database import Database
from read_api.edge import MANNERS
from read_api.feed import Feed
from read_api.floors import Floors
from read_api.hot_path import HotPath
from read_api.l1 import L1
from read_api.live import endpoint as live
from read_api.live.hub import Hub
from read_api.live.stopping import told_to_stop
from read_api.news import News
from read_api.reader import Answer, Reader
from read_api.settings import ReadApiSettings
from read_api.status import StatusBoard
from read_api.visibility import Visibility
from read_api.vitals import Vitals
from shared import health, openapi, problems, telemetry
from shared.auth import authenticator
from shared.edge import Edge
from shared.garbage import collect_rarely
from shared.tags import Tags, connect

log = structlog.get_logger()

SERVICE = "read-api"
DESCRIPTION = """\
A shop's events and tickets, read in milliseconds and never from Shopify.

- Ids are strings of digits, money is a string, times are RFC 3339 in UTC, and what is unknown is null.
- Every answer has an `ETag`: send it as `If-None-Match`, and what has not changed costs no body.
- Errors are RFC 9457 problems. Unknown, repeated and malformed parameters are 400 and say which.
- `/v1/events…` shows active events to everyone; `/v1/manage/events…` shows all, with a token of scope `events:read`.
"""


class Application(FastAPI):
    """FastAPI behind the hot path. A middleware comes after five layers of FastAPI's, which cost more than a hit."""

    def __init__(self, hot_path: HotPath, **told: Any) -> None:
        super().__init__(**told)
        self._hot_path = hot_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            hit = self._hot_path.hit(scope)
        except Exception:  # what the hot path can't answer, the application can
            log.exception("hot_path.failed")
            hit = None
        if hit is None:
            scope[live.SERVER_SEND] = send
            await super().__call__(scope, receive, send)
            return
        start, body = hit
        await send(start)
        await send(body)


def create_app(settings: ReadApiSettings | None = None) -> FastAPI:
    """Reads the environment when no settings are given. Starts whatever is down; `/v1/status` says what."""
    settings = settings or ReadApiSettings()
    telemetry.configure(settings, SERVICE)
    redis = connect(settings)
    tags = Tags(redis)
    circuit = Circuit(tags)
    database = Database(settings)
    coalescer: Coalescer[Answer] = Coalescer(settings.max_loads, settings.max_waiters)
    feed = Feed(settings)
    floors, visibility, news, l1 = Floors(), Visibility(), News(), L1(settings.l1_max_bytes, feed)
    hub = Hub(settings, feed, settings)
    for listener in (floors, l1, visibility, news, hub):  # who is told then finds floors and L1 as they must be
        feed.listen(listener)
    reader = Reader(tags, circuit, database.circuit, coalescer, floors, l1, news)
    spare_for = {Audience.PUBLIC: settings.stale_if_error, Audience.ORGANIZER: 0.0}
    catalogue = Catalogue(reader, database, floors, spare_for)
    budget = Budget(redis, circuit, settings.shopify_shop)
    board = StatusBoard(database, circuit, feed, visibility, budget, Vitals(feed, l1, hub))
    policy = CachePolicy(
        settings.cache_control_public,
        settings.cdn_policy,
        settings.cache_control_organizer,
        settings.cache_control_surrogate,
    )
    opened = MANNERS.cors(settings.cors_origin)
    answers = Answers(policy, l1, opened)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as running:
            app.state.authenticator = await running.enter_async_context(authenticator(settings))
            await running.enter_async_context(health.internal(app, settings))
            for closing in (
                redis.aclose,
                database.close,
                circuit.close,
                board.close,
                coalescer.close,
                feed.close,
                hub.close,
            ):
                running.push_async_callback(closing)
            for start in (database.start, circuit.start, hub.start, feed.start):
                start()
            running.enter_context(told_to_stop(hub.stop))
            collect_rarely()  # a look at all that L1 holds takes 0.2 s for each 20,000 documents (measured)
            yield

    app = Application(
        HotPath(l1),
        title="Understudy",
        version="1",
        description=DESCRIPTION,
        lifespan=lifespan,
        redirect_slashes=False,
        redoc_url=None,
    )
    problems.install(app)
    app.include_router(routes.events(catalogue, answers, Audience.PUBLIC))
    app.include_router(routes.events(catalogue, answers, Audience.ORGANIZER))
    app.include_router(routes.overview(catalogue, answers, board))
    app.include_router(live.routes(hub))
    openapi.install(app)
    health.install(app, settings, {"postgres": database.start_problem})
    telemetry.instrument(app, settings)
    app.add_middleware(Edge, manners=MANNERS, cors=opened)
    return app
