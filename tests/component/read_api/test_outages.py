"""What reads are without Redis, PostgreSQL or NATS, and that they recover by themselves."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from databases import fresh_database
from projected import Event, Shop
from waiting import eventually

from read_api.database import Database
from sandbox.servers import Postgres, Valkey, free_port
from shared.migrations import migrate
from shared.postgres import PostgresUnavailable

JAZZ = Event(42, handle="jazz-night")
PATHS = ["/v1/events/42", "/v1/events/42/tickets", "/v1/events/by-handle/jazz-night", "/v1/events", "/v1/categories"]


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    """A Redis of the test's own, to be killed."""
    with Valkey(tmp_path / "valkey") as server:
        yield server


async def degraded(api: httpx2.AsyncClient) -> list[str]:
    return (await api.get("/v1/status")).json()["degraded"]


async def test_without_redis_reads_come_from_postgresql_and_say_so(serve, shop: Shop):
    await shop.save(JAZZ)
    async with serve(redis_url=f"redis://127.0.0.1:{free_port()}/0") as api:
        for path in PATHS:
            answer = await api.get(path)
            assert (answer.status_code, answer.headers["Cache-Status"]) == (200, "understudy; fwd=bypass")
        assert await eventually(lambda: degraded(api)) == ["redis"]


async def test_a_redis_that_dies_and_returns(serve, shop: Shop, valkey: Valkey):
    await shop.save(JAZZ)
    async with serve(redis_url=valkey.url) as api:
        assert (await api.get(PATHS[0])).headers["Cache-Status"] == "understudy; fwd=miss; stored"
        valkey.kill()
        answers = await asyncio.gather(*(api.get(path) for path in PATHS * 40))
        assert {answer.status_code for answer in answers} == {200}
        valkey.start()

        async def used_again() -> bool:
            await api.get(PATHS[0])
            return "hit" in (await api.get(PATHS[0])).headers["Cache-Status"]

        await eventually(used_again)


async def test_a_redis_that_dies_while_nobody_reads_is_noticed(serve, valkey: Valkey):
    async with serve(redis_url=valkey.url) as api:
        assert "redis" not in await degraded(api)
        valkey.kill()

        async def said() -> bool:
            return "redis" in await degraded(api)

        await eventually(said)
        valkey.start()

        async def unsaid() -> bool:
            return "redis" not in await degraded(api)

        await eventually(unsaid)


async def test_a_redis_that_hangs_is_paid_for_once(serve, shop: Shop, valkey: Valkey):
    await shop.save(JAZZ)
    async with serve(redis_url=valkey.url) as api:
        await api.get(PATHS[0])
        valkey.pause()
        try:
            assert (await api.get(PATHS[0])).status_code == 200
            began = time.monotonic()
            for _ in range(50):
                assert (await api.get(PATHS[0])).status_code == 200
            assert time.monotonic() - began < 2.0
        finally:
            valkey.resume()


async def test_without_postgresql_what_redis_holds_is_served_and_the_rest_is_503(serve, tmp_path: Path):
    with Postgres(tmp_path / "postgres") as server:
        dsn = server.create_database("readings")
        await migrate(dsn, "syncer")
        async with serve(postgres_dsn=dsn) as api:
            assert (await api.get("/v1/categories")).status_code == 200
            await asyncio.to_thread(server.kill)
            assert (await api.get("/v1/categories")).headers["Cache-Status"] == "understudy; hit; detail=redis"
            cold = await asyncio.gather(*(api.get("/v1/events") for _ in range(50)))
            assert {answer.status_code for answer in cold} == {503}
            assert {answer.headers["Cache-Control"] for answer in cold} == {"no-store"}
            assert all(int(answer.headers["Retry-After"]) > 0 for answer in cold)
            assert (await api.get("/readyz")).status_code == 200  # it still serves what Redis holds
            assert (await api.get("/livez")).status_code == 200
            assert "postgres" in await eventually(lambda: degraded(api))
            await asyncio.to_thread(server.start)
            await eventually(lambda: ok(api, "/v1/events"), within=10)
            assert (await api.get("/readyz")).status_code == 200


async def test_it_starts_before_anything_else_does(serve):
    nowhere = free_port()
    dsn = f"postgresql://nobody@127.0.0.1:{nowhere}/nothing"
    away = {"postgres_dsn": dsn, "redis_url": f"redis://127.0.0.1:{nowhere}", "nats_url": f"nats://127.0.0.1:{nowhere}"}
    async with serve(ready=False, **away) as api:
        assert (await api.get("/livez")).status_code == 200
        assert "postgres" in (await api.get("/readyz")).json()["problems"]
        assert (await api.get("/v1/events/42")).status_code == 503
        assert await eventually(lambda: degraded(api)) is not None
        assert set((await api.get("/v1/status")).json()["degraded"]) >= {"postgres", "nats"}


async def test_a_database_that_is_migrated_later_is_read_then(serve, postgres_dsn: str):
    async with fresh_database(postgres_dsn) as empty, serve(ready=False, postgres_dsn=empty) as api:
        await eventually(lambda: unmigrated(api))
        assert (await api.get("/v1/events")).status_code == 503
        await migrate(empty, "syncer")
        await eventually(lambda: ok(api, "/v1/events"))


async def test_read_api_can_only_select(settings):
    database = Database(settings())
    try:
        assert await database.step()
        assert await database.problem() is None
        for statement in ("UPDATE collections SET revision = 9", "DELETE FROM events", "CREATE TABLE x ()"):
            with pytest.raises(PostgresUnavailable):
                await database.fetch(statement, [])
        assert (await database.fetch("SELECT revision FROM collections", []))[0]["revision"] == 1
    finally:
        await database.close()


async def ok(api: httpx2.AsyncClient, path: str) -> bool:
    return (await api.get(path)).status_code == 200


async def unmigrated(api: httpx2.AsyncClient) -> bool:
    return (await api.get("/readyz")).json()["problems"] != {}


async def test_the_status_answers_at_once_though_postgresql_hangs(serve, tmp_path: Path):
    with Postgres(tmp_path / "postgres") as server:
        dsn = server.create_database("hanging")
        await migrate(dsn, "syncer")
        async with serve(postgres_dsn=dsn) as api:
            await asyncio.to_thread(server.pause)
            try:
                async with asyncio.timeout(5):
                    assert "postgres" in await eventually(lambda: degraded(api))
            finally:
                await asyncio.to_thread(server.resume)
            await eventually(lambda: recovered(api), within=15)


async def recovered(api: httpx2.AsyncClient) -> bool:
    return "postgres" not in (await api.get("/v1/status")).json()["degraded"]
