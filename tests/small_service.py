"""A service of a few lines, for tests of what all services share: how they are served, watched and counted."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from prometheus_client import Counter, Gauge

from shared import health
from shared.settings import ServiceSettings

COMMAND = (
    "from shared.serving import serve; from shared.settings import ServiceSettings;"
    " serve('small_service:create_app', ServiceSettings())"
)
ASKED = Counter("small_asked_total", "Requests")
UP = Gauge("small_up", "1 while it runs")


def create_app() -> FastAPI:
    settings = ServiceSettings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with health.internal(app, settings):
            UP.set(1)
            yield

    app = FastAPI(lifespan=lifespan)
    health.install(app, settings, {})

    @app.get("/pid")
    async def pid() -> int:
        """Who answers."""
        ASKED.inc()
        return os.getpid()

    return app
