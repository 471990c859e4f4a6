"""`/livez`, `/readyz` and `/metrics`, the same on every service.

Liveness touches no dependency: a process that waits for PostgreSQL must not be restarted for it. Readiness asks only
for what the service can't work without.

Of several workers, whichever takes the connection answers: for all of them on `/metrics`, for itself on the others.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from granian.constants import Interfaces
from granian.server.embed import Server
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import PlainTextResponse, Response

from shared.settings import ServiceSettings
from shared.workers import scrape, several

CHECK_TIMEOUT = 3.0  # seconds for one check

Check = Callable[[], Awaitable[str | None]]  # the problem, or None


def install(app: FastAPI, settings: ServiceSettings, checks: Mapping[str, Check]) -> None:
    """Serve the probes on `app`, or on an internal port where one is set (see `internal`)."""
    target = app if settings.metrics_port is None else _internal_app()
    if target is not app:
        app.state.internal = target

    @target.get("/livez", include_in_schema=False)
    async def livez() -> Response:
        return PlainTextResponse("ok\n", headers={"Cache-Control": "no-store"})

    @target.get("/readyz", include_in_schema=False)
    async def readyz() -> Response:
        problems = await ask(checks)
        body = {"ready": not problems, "problems": problems}
        return JSONResponse(body, status_code=503 if problems else 200, headers={"Cache-Control": "no-store"})

    @target.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        # Adding up the files of several takes tens of milliseconds, which requests must not wait for.
        told = await asyncio.to_thread(scrape) if several() else scrape()
        return Response(told, media_type=CONTENT_TYPE_LATEST, headers={"Cache-Control": "no-store"})


async def ask(checks: Mapping[str, Check]) -> dict[str, str]:
    """The problems of all checks, by name, asked at once; each has a deadline."""
    answers = await asyncio.gather(*(_ask(check) for check in checks.values()))
    return {name: problem for name, problem in zip(checks, answers, strict=True) if problem is not None}


async def _ask(check: Check) -> str | None:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT):
            return await check()
    except TimeoutError:
        return f"no answer within {CHECK_TIMEOUT:.0f} s"
    except Exception as error:  # noqa: BLE001 (whatever it is, the answer to "ready?" is no, and says why)
        return repr(error)


def _internal_app() -> FastAPI:
    return FastAPI(docs_url=None, redoc_url=None, openapi_url=None)


@asynccontextmanager
async def internal(app: FastAPI, settings: ServiceSettings) -> AsyncIterator[None]:
    """Serve the probes on their own port for as long as the service runs, where `metrics_port` is set.

    Workers share it as they share the other one (SO_REUSEPORT).
    """
    if settings.metrics_port is None:
        yield
        return
    server = Server(
        app.state.internal, settings.host, settings.metrics_port, interface=Interfaces.ASGINL, log_enabled=False
    )
    task = asyncio.create_task(server.serve(), name="internal port")
    try:
        yield
    finally:
        server.stop()  # type: ignore[no-untyped-call]
        await asyncio.wait_for(task, timeout=5)
