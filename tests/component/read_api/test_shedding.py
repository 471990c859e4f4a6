"""PostgreSQL that is busy, hangs or is gone: who needs it is told so soon, who doesn't notices nothing."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager

import asyncpg
import httpx2
import pytest
from projected import Event, Shop
from waiting import eventually

from read_api.database import ANSWER_WITHIN, HEARTBEAT, SILENCE
from sandbox.servers import Postgres
from shared.migrations import migrate

HOT = Event(1)
COLD = range(1000, 1300)  # more than there are connections, and fewer than may be loaded at once
POOL = 10  # connections
SLACK = 5.0  # seconds, on a machine so busy that 300 requests at once take as long by themselves
AT_ONCE = 0.75  # seconds for a few answers that wait for nobody, on a busy machine
BACK_WITHIN = 10.0  # seconds


async def timed(api: httpx2.AsyncClient, path: str) -> tuple[httpx2.Response, float]:
    began = time.monotonic()
    return await api.get(path), time.monotonic() - began


async def misses(api: httpx2.AsyncClient, ids: Iterable[int]) -> tuple[list[httpx2.Response], float]:
    """All at once: their answers, and how long the slowest one took."""
    asked = await asyncio.gather(*(timed(api, f"/v1/events/{number}") for number in ids))
    return [answer for answer, _ in asked], max(seconds for _, seconds in asked)


def refused(answers: list[httpx2.Response]) -> bool:
    """Every one of them, cleanly."""
    statuses = {answer.status_code for answer in answers}
    assert statuses == {503}, statuses
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in answers)
    assert {answer.headers["Cache-Control"] for answer in answers} == {"no-store"}
    return True


async def hits_are_quick(api: httpx2.AsyncClient) -> None:
    seconds = []
    for _ in range(20):
        answer, took = await timed(api, f"/v1/events/{HOT.id}")
        assert answer.status_code == 200
        assert "hit" in answer.headers["Cache-Status"]
        seconds.append(took)
    assert sorted(seconds)[len(seconds) // 2] < AT_ONCE, seconds


async def readable(api: httpx2.AsyncClient, event_id: int) -> bool:
    return (await api.get(f"/v1/events/{event_id}")).status_code in {200, 404}


async def connections(watcher: "asyncpg.Connection[asyncpg.Record]", dsn: str) -> int:
    """Of read-api, but for the one that listens to the heartbeat."""
    database = dsn.rpartition("/")[2]
    counted = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'read-api' AND datname = $1"
    return int(await watcher.fetchval(counted, database))


@asynccontextmanager
async def locked(dsn: str) -> AsyncIterator[None]:
    """Every read of an event waits until the end of the block."""
    locker = await asyncpg.connect(dsn)
    try:
        async with locker.transaction():
            await locker.execute("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        await locker.close()


async def test_when_every_connection_is_taken_misses_are_shed_and_hits_go_on(serve, shop: Shop, projections: str):
    await shop.save(HOT)
    async with serve(postgres_pool_size=POOL) as api:
        assert await readable(api, HOT.id)
        async with locked(projections):
            crowded = [asyncio.ensure_future(timed(api, f"/v1/events/{number}")) for number in COLD]
            await hits_are_quick(api)
            await asyncio.wait(crowded, return_when=asyncio.FIRST_COMPLETED)
            # The queue has not been empty for a while: who comes now is turned away almost at once.
            answers, slowest = await misses(api, range(2000, 2020))
            assert refused(answers)
            assert slowest < ANSWER_WITHIN
            crowd = await asyncio.gather(*crowded)
            assert refused([answer for answer, _ in crowd])
            assert max(seconds for _, seconds in crowd) < ANSWER_WITHIN + SLACK
            assert await connections(shop.connection, projections) <= POOL
        await eventually(lambda: readable(api, COLD[0]), within=BACK_WITHIN)
        answers, _ = await misses(api, COLD)
        assert {answer.status_code for answer in answers} == {404}
        assert await connections(shop.connection, projections) <= POOL


async def test_connections_that_were_cut_are_replaced_and_no_reader_notices(serve, shop: Shop, projections: str):
    await shop.save(HOT)
    async with serve() as api:
        await misses(api, COLD)
        cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE 'read-api%'"
        assert await shop.connection.fetchval(f"{cut} AND datname = current_database()") > 0

        async def gone() -> bool:
            return await connections(shop.connection, projections) == 0

        await eventually(gone)
        answers, _ = await misses(api, range(2000, 2050))
        assert {answer.status_code for answer in answers} == {404}


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[Postgres]:
    with Postgres(durable=False) as server:
        yield server


async def test_a_postgresql_that_hangs_or_is_gone_costs_readers_nothing_but_what_only_it_has(
    serve, own_postgres: Postgres, tags
):
    dsn = own_postgres.create_database("hanging")
    await migrate(dsn, "syncer")
    connection = await asyncpg.connect(dsn)
    await Shop(connection, tags).save(HOT)
    async with serve(postgres_dsn=dsn, postgres_pool_size=POOL) as api:
        assert await readable(api, HOT.id)
        await misses(api, COLD)  # every connection of the pool is open

        await asyncio.to_thread(own_postgres.pause)
        try:
            answers, slowest = await misses(api, range(2000, 2050))
            assert refused(answers)
            assert slowest < HEARTBEAT + SILENCE + SLACK
            answers, slowest = await misses(api, range(2000, 2010))
            assert refused(answers)
            assert slowest < AT_ONCE
            await hits_are_quick(api)
        finally:
            await asyncio.to_thread(own_postgres.resume)
        await eventually(lambda: readable(api, 2001), within=BACK_WITHIN)
        answers, _ = await misses(api, range(3000, 3050))
        assert {answer.status_code for answer in answers} == {404}
        assert await connections(connection, dsn) <= POOL

        await asyncio.to_thread(own_postgres.kill)
        answers, slowest = await misses(api, range(4000, 4010))
        assert refused(answers)
        assert slowest < AT_ONCE
        await hits_are_quick(api)
        await asyncio.to_thread(own_postgres.start)
        await eventually(lambda: readable(api, 4001), within=BACK_WITHIN)
        answers, _ = await misses(api, range(5000, 5050))
        assert {answer.status_code for answer in answers} == {404}
        connection = await asyncpg.connect(dsn)
        assert await connections(connection, dsn) <= POOL
        await connection.close()
