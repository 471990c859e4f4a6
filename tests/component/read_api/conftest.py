"""A read-api on real servers, with projections of the test's own."""

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx2
import nats
import pytest
from nats.js import JetStreamContext
from projected import STATIC_KEYS, Shop
from waiting import eventually

from read_api.app import create_app
from read_api.settings import ReadApiSettings
from sandbox.processes import Process, answers
from sandbox.servers import Nats, free_port
from shared.migrations import migrate
from shared.provision import provision
from shared.settings import NatsSettings, RedisSettings
from shared.tags import Tags, connect
from shared.topology import PROJECTIONS

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
def bus(tmp_path: Path) -> Iterator[Nats]:
    """A NATS of the test's own, to be killed."""
    with Nats(tmp_path / "nats") as server:
        yield server


@pytest.fixture
async def jetstream(bus: Nats) -> AsyncIterator[JetStreamContext]:
    await provision(NatsSettings(nats_url=bus.url))
    client = await nats.connect(bus.url, max_reconnect_attempts=-1, reconnect_time_wait=0.05)
    yield client.jetstream(timeout=5)
    await client.close()


@pytest.fixture
async def _nothing_said(nats_url: str, _provisioned: None) -> None:
    """Who starts looks back, and the events of the test before have the same ids."""
    client = await nats.connect(nats_url)
    await client.jetstream().purge_stream(PROJECTIONS.name)
    await client.close()


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
def settings(
    projections: str, tags: Tags, own_redis_url: str, nats_url: str, _nothing_said: None
) -> Callable[..., ReadApiSettings]:
    assert tags is not None  # Redis was emptied

    def make(**changes: Any) -> ReadApiSettings:
        given: dict[str, Any] = {
            "postgres_dsn": projections, "redis_url": own_redis_url, "nats_url": nats_url,
            "auth_static_keys": STATIC_KEYS, "log_level": "error",
            "l1_max_bytes": 0,  # `shop` writes tables and Redis, and announces nothing; a test of L1 gives it room
        }  # fmt: skip
        return ReadApiSettings(**(given | changes))

    return make


@pytest.fixture
def serve(settings: Callable[..., ReadApiSettings]) -> Serve:
    """Run a read-api with changed settings, and wait until it is ready (`ready=False`: don't)."""

    @asynccontextmanager
    async def running(ready: bool = True, **changes: Any) -> AsyncIterator[httpx2.AsyncClient]:
        app = create_app(settings(**changes))
        transport = httpx2.ASGITransport(app)
        async with app.router.lifespan_context(app), httpx2.AsyncClient(transport=transport, base_url=BASE) as client:
            if ready:
                await eventually(lambda: is_ready(client))
            yield client

    return running


async def is_ready(client: httpx2.AsyncClient) -> bool:
    return (await client.get("/readyz")).status_code == 200


@pytest.fixture
async def api(serve: Serve) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of one read-api that is ready."""
    async with serve() as client:
        yield client


@pytest.fixture
def process(tmp_path: Path, settings) -> Iterator[Process]:
    made = settings()
    port = free_port()
    running = Process(
        "read-api",
        [sys.executable, "-m", "read_api"],
        log=tmp_path / "read-api.log",
        env={
            "NATS_URL": made.nats_url.get_secret_value(),
            "POSTGRES_DSN": made.postgres_dsn.get_secret_value(),
            "REDIS_URL": made.redis_url.get_secret_value(),
            "AUTH_STATIC_KEYS": STATIC_KEYS,
            "PORT": str(port),
        },
        ready=answers(f"http://127.0.0.1:{port}/readyz"),
    )
    running.url = f"http://127.0.0.1:{port}"  # type: ignore[attr-defined]
    running.start()
    yield running
    running.stop()
