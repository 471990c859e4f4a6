"""webhook-ingest: verify, wrap, publish, answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from shared import health, problems, telemetry
from shared.bus import Bus, make_broker, running
from webhook_ingest import readiness, routes
from webhook_ingest.envelope import SERVICE
from webhook_ingest.ingest import Ingest
from webhook_ingest.settings import IngestSettings


def create_app(settings: IngestSettings | None = None) -> FastAPI:
    """Reads the environment when no settings are given. Starts without NATS: webhooks get 503 until it is there."""
    settings = settings or IngestSettings()
    telemetry.configure(settings, SERVICE)
    broker = make_broker(settings, SERVICE)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with running(broker), health.internal(app, settings):
            yield

    # A redirect is a failure to Shopify, so none is sent.
    app = FastAPI(title="webhook-ingest", lifespan=lifespan, redirect_slashes=False, docs_url=None, redoc_url=None)
    problems.install(app)
    routes.install_refusals(app)
    app.include_router(routes.router(Ingest(settings, Bus(broker))))
    health.install(app, settings, readiness.checks(settings, broker))
    telemetry.instrument(app, settings)
    return app
