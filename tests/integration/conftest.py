"""The services on the servers of fixture `servers`: from wheels, from Docker or from given addresses."""

import tempfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import nats
import pytest
from nats.js.errors import NotFoundError
from redis.asyncio import Redis
from whole_system import Running, whole_system

from sandbox.servers import Servers
from shared.topology import STREAMS

OWN_REDIS = "/9"  # of the databases that a server has; the other tests use the first


@pytest.fixture
async def services(servers: Servers, database: str) -> AsyncIterator[Running]:
    """webhook-ingest, syncer and read-api as processes, and a small shop, on a database and a bus without a past."""
    own = replace(
        servers,
        postgres_dsn=database,
        redis_url=urlunsplit(urlsplit(servers.redis_url)._replace(path=OWN_REDIS)),
    )
    await forget(own)
    with tempfile.TemporaryDirectory(prefix="understudy-tests-") as directory:
        async with whole_system(Path(directory), events=5, servers=own) as running:
            yield running


async def forget(servers: Servers) -> None:
    """What other tests left on the bus and in the cache."""
    client = await nats.connect(servers.nats_url)
    try:
        for stream in STREAMS:
            try:
                await client.jetstream().purge_stream(stream.name)
            except NotFoundError:
                continue  # nobody provisioned it yet
    finally:
        await client.close()
    async with Redis.from_url(servers.redis_url) as redis:
        await redis.flushdb()
