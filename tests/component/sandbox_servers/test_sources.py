"""One fixture, three origins: what it hands out are real servers."""

import re

import asyncpg
import httpx2
import nats
import pytest
import redis.asyncio
import server_sources

from sandbox.servers import Nats, Servers


async def test_the_database_of_a_test_is_empty_and_its_own(database: str, postgres_dsn: str):
    connection = await asyncpg.connect(database)
    try:
        await connection.execute("CREATE TABLE mine (id int)")
        assert await connection.fetchval("SELECT current_database()") not in postgres_dsn
        assert await connection.fetchval("SELECT current_setting('server_version_num')::int / 10000") == 18
    finally:
        await connection.close()


async def test_nats_stores_with_fsync_before_it_acknowledges(servers: Servers):
    async with httpx2.AsyncClient(trust_env=False) as client:
        state = (await client.get(f"{servers.nats_monitor_url}/varz")).json()
    assert state["jetstream"]["config"]["sync_always"] is True
    assert state["max_payload"] == 8 * 1024 * 1024


async def test_the_embedded_nats_is_configured_as_every_other_one_is():
    def settings(text: str) -> dict[str, str]:
        lines = [line.partition("#")[0].strip() for line in text.splitlines()]
        return dict(re.split(r":\s*", line, maxsplit=1) for line in lines if ":" in line)

    own = {"listen", "http", "store_dir"}  # where it is
    shipped = settings((server_sources.NATS_CONFIGURATION / "nats.conf").read_text())
    with Nats() as server:
        embedded = settings((server.directory / "nats.conf").read_text())
    assert {name: value for name, value in embedded.items() if name not in own} == {
        name: value for name, value in shipped.items() if name not in own and not name.startswith("lame_duck")
    }


async def test_nats_and_redis_answer(nats_url: str, redis_url: str):
    client = await nats.connect(nats_url)
    assert (await client.jetstream().account_info()).memory >= 0
    await client.close()
    async with redis.asyncio.from_url(redis_url) as cache:
        assert await cache.ping()


async def test_given_addresses_are_used_as_they_are(monkeypatch: pytest.MonkeyPatch):
    given = Servers("nats://a:1", "http://a:2", "postgresql://u@b:3/c", "redis://d:4/0")
    for name, value in given.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("UNDERSTUDY_TEST_SERVERS", "given")
    with server_sources.open_servers() as servers:
        assert servers == given


async def test_an_unknown_source_is_refused_with_the_known_ones(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("UNDERSTUDY_TEST_SERVERS", "kubernetes")
    with pytest.raises(ValueError, match="wheels, docker, given"):
        server_sources.open_servers()
