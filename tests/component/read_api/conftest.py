"""A read-api on real servers, with projections of the test's own."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx2
import pytest
from projected import Shop
from waiting import eventually

from read_api.app import create_app
from read_api.settings import ReadApiSettings
from shared.auth import mint
from shared.migrations import migrate
from shared.provision import provision
from shared.settings import NatsSettings, RedisSettings
from shared.tags import Tags, connect

READER, READER_ENTRY = mint("reader", ["events:read"])
WRITER, WRITER_ENTRY = mint("writer", ["events:write"])
ORGANIZER = {"Authorization": f"Bearer {READER}"}
NOT_ALLOWED = {"Authorization": f"Bearer {WRITER}"}

BASE = "http://api"
Serve = Callable[..., AbstractAsyncContextManager[httpx2.AsyncClient]]


@pytest.fixture(scope="session")
def own_redis_url(redis_url: str) -> str:
    """A Redis database of these tests' own, which each of them empties."""
    return urlunsplit(urlsplit(redis_url)._replace(path="/7"))


@pytest.fixture(scope="session")
async def _provisioned(nats_url: str) -> None:
    await provision(NatsSettings(nats_url=nats_url))


@pytest.fixture
async def projections(database: str) -> str:
    await migrate(database, "syncer")
    return database


@pytest.fixture
async def tags(own_redis_url: str) -> AsyncIterator[Tags]:
    client = connect(RedisSettings(redis_url=own_redis_url))
    await client.flushdb()
    yield Tags(client)
    await client.aclose()


@pytest.fixture
async def shop(projections: str, tags: Tags) -> AsyncIterator[Shop]:
    connection = await asyncpg.connect(projections)
    yield Shop(connection, tags)
    await connection.close()


@pytest.fixture
def settings(projections: str, own_redis_url: str, nats_url: str, _provisioned: None) -> Callable[..., ReadApiSettings]:
    def make(**changes: Any) -> ReadApiSettings:
        given: dict[str, Any] = {
            "postgres_dsn": projections, "redis_url": own_redis_url, "nats_url": nats_url,
            "auth_static_keys": f"{READER_ENTRY},{WRITER_ENTRY}", "log_level": "error",
        }  # fmt: skip
        return ReadApiSettings(**(given | changes))

    return make


@pytest.fixture
def serve(settings: Callable[..., ReadApiSettings]) -> Serve:
    """Run another read-api with changed settings."""

    @asynccontextmanager
    async def running(**changes: Any) -> AsyncIterator[httpx2.AsyncClient]:
        app = create_app(settings(**changes))
        transport = httpx2.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx2.AsyncClient(transport=transport, base_url="http://api") as client,
        ):
            yield client

    return running


@pytest.fixture
async def api(serve: Serve) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of one read-api that is ready."""
    async with serve() as client:

        async def ready() -> bool:
            return (await client.get("/readyz")).status_code == 200

        await eventually(ready)
        yield client
