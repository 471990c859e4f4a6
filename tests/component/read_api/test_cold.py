"""One cold document, very many readers, two processes: PostgreSQL is asked once, whoever dies or leaves meanwhile."""

import asyncio
import itertools
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import asyncpg
import orjson
import pytest
from projected import STATIC_KEYS, Event, Shop
from readers_load import Address, Connection, Reply, crowd, request
from waiting import eventually

from sandbox.processes import Process, answers
from sandbox.servers import Postgres, Valkey, free_port
from shared.migrations import migrate
from shared.settings import RedisSettings
from shared.tags import LEASE, Tags, connect

FIRST_ID = 42
QUESTION = "%visible, document AS body FROM events WHERE id%"  # how PostgreSQL remembers it
READERS = 400
ANSWERED_WITHIN = 5.0  # seconds, on a busy machine; nobody is held for longer whatever happens
PROGRAM = Path(sys.modules[crowd.__module__].__file__ or "")


class Counting(Postgres):
    """Counts every statement that it runs."""

    def _settings(self) -> dict[str, str]:
        return super()._settings() | {"shared_preload_libraries": "pg_stat_statements"}


class House:
    """Two read-apis on servers of their own."""

    def __init__(self, shop: Shop, dsn: str, processes: list[Process], addresses: list[Address]) -> None:
        self.shop, self.dsn, self.processes, self.addresses = shop, dsn, processes, addresses
        self._ids = itertools.count(FIRST_ID)

    async def cold(self) -> str:
        """The path of an event that nobody has read yet; PostgreSQL counts from 0."""
        event = Event(next(self._ids))
        await self.shop.save(event)
        await self.shop.connection.execute("SELECT pg_stat_statements_reset()")
        return f"/v1/events/{event.id}"

    async def asked(self) -> int:
        """How often PostgreSQL was asked for the document of an event."""
        statement = "SELECT coalesce(sum(calls), 0)::int FROM pg_stat_statements WHERE query LIKE $1"
        return int(await self.shop.connection.fetchval(statement, QUESTION))

    @asynccontextmanager
    async def held_up(self) -> AsyncIterator[Callable[[], object]]:
        """Whoever asks PostgreSQL for an event waits until the end of the block. Yields how many do."""
        locker, watcher = await asyncpg.connect(self.dsn), await asyncpg.connect(self.dsn)

        async def waiting() -> int:
            found = (
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'read-api' AND wait_event_type = 'Lock'"
            )
            return int(await watcher.fetchval(found))

        try:
            async with locker.transaction():
                await locker.execute("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
                yield waiting
        finally:
            await asyncio.gather(locker.close(), watcher.close())


@contextmanager
def read_api(directory: Path, name: str, **servers: str) -> Iterator[tuple[Process, Address]]:
    port = free_port()
    environment = servers | {"AUTH_STATIC_KEYS": STATIC_KEYS, "PORT": str(port), "LOG_LEVEL": "warning"}
    ready = answers(f"http://127.0.0.1:{port}/readyz")
    process = Process(
        name, [sys.executable, "-m", "read_api"], log=directory / f"{name}.log", env=environment, ready=ready
    )
    process.launch()
    try:
        yield process, ("127.0.0.1", port)
    finally:
        process.stop()


@pytest.fixture(scope="module")
async def one_house(
    tmp_path_factory: pytest.TempPathFactory, nats_url: str, _provisioned: None
) -> AsyncIterator[House]:
    directory = tmp_path_factory.mktemp("cold")
    with Counting(durable=False) as postgres, Valkey() as valkey:
        dsn = postgres.create_database("cold")
        await migrate(dsn, "syncer")
        postgres.sql("CREATE EXTENSION pg_stat_statements", "cold")
        client, connection = connect(RedisSettings(redis_url=valkey.url)), await asyncpg.connect(dsn)
        servers = {"POSTGRES_DSN": dsn, "REDIS_URL": valkey.url, "NATS_URL": nats_url}
        with read_api(directory, "first", **servers) as first, read_api(directory, "second", **servers) as second:
            processes = [first[0], second[0]]
            await asyncio.gather(*(asyncio.to_thread(process.wait_ready) for process in processes))
            yield House(Shop(connection, Tags(client)), dsn, processes, [first[1], second[1]])
        await asyncio.gather(client.aclose(), connection.close())


@pytest.fixture
async def house(one_house: House) -> House:
    for process in one_house.processes:
        if not process.alive:
            await asyncio.to_thread(process.start)
    return one_house


def told(replies: list[Reply]) -> set[tuple[int, bytes]]:
    return {(reply.status, reply.body) for reply in replies}


async def test_postgresql_counts_what_it_is_asked(house: House) -> None:
    await house.cold()
    async with crowd(house.addresses, 1) as readers:
        for asked in range(7):
            assert await house.asked() == asked
            tally, _ = await readers.all_at_once(f"/v1/events/{1000 + asked}")
            assert tally.statuses == {404: 1}


async def test_a_cold_document_is_asked_for_once_however_many_want_it_of_two_processes(house: House) -> None:
    path = await house.cold()
    async with crowd(house.addresses, READERS) as readers:
        tally, replies = await readers.all_at_once(path)
    assert tally.statuses == {200: READERS}, tally.in_words()
    assert await house.asked() == 1
    assert len(told(replies)) == 1


async def test_readers_who_leave_take_nobody_along(house: House) -> None:
    """The one whose request began the load is among them."""
    path = await house.cold()
    async with house.held_up() as waiting:
        leaving, staying = await connected(house, 50), await connected(house, 50)
        left = [asyncio.ensure_future(one.ask(request(path))) for one in leaving]
        await eventually(waiting)
        stayed = asyncio.gather(*(one.ask(request(path)) for one in staying))
        for one in leaving:
            one.close()
        await asyncio.gather(*left, return_exceptions=True)
    replies = await asyncio.wait_for(stayed, ANSWERED_WITHIN)
    assert {reply.status for reply in replies} == {200}
    assert await house.asked() == 1
    for one in staying:
        one.close()


async def test_when_the_process_that_loads_is_killed_the_other_one_loads_within_its_lease(house: House) -> None:
    path, (leader, other) = await house.cold(), house.addresses
    async with house.held_up() as waiting:
        own, others = await connected(house, 20, leader), await connected(house, 100, other)
        orphans = [asyncio.ensure_future(one.ask(request(path))) for one in own]
        await eventually(waiting)
        waiters = asyncio.gather(*(one.ask(request(path)) for one in others))
        os.kill(house.processes[0].pid, signal.SIGSTOP)  # or it would find time to hand its lease over
        await asyncio.to_thread(house.processes[0].kill)
    replies = await asyncio.wait_for(waiters, LEASE + ANSWERED_WITHIN)
    assert {reply.status for reply in replies} == {200}
    ended = await asyncio.gather(*orphans, return_exceptions=True)
    assert all(isinstance(error, Exception) for error in ended)  # at once, as of a server that is gone
    for one in (*own, *others):
        one.close()


@pytest.mark.bench
async def test_a_load_that_never_ends_is_given_up_for_all_who_wait_for_it(house: House) -> None:
    path = await house.cold()
    async with house.held_up(), crowd(house.addresses, 200) as readers:
        tally, _ = await readers.all_at_once(path)
    assert tally.statuses == {503: 200}, tally.in_words()
    assert tally.unhinted == 0
    assert tally.percentile(1.0, 503) < ANSWERED_WITHIN


@pytest.mark.bench
@pytest.mark.parametrize("readers", [2_000, 10_000])
async def test_ten_thousand_readers_of_one_cold_document(house: House, readers: int) -> None:
    """They are in a process of their own: 10,000 connections, of which each server has half."""
    path, addresses = await house.cold(), ",".join(f"{host}:{port}" for host, port in house.addresses)
    command = (sys.executable, str(PROGRAM), addresses, str(readers), path)
    asking = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(120):
        said, _ = await asking.communicate()
    result = orjson.loads(said)
    print(f"\n{result['words']}; PostgreSQL was asked {await house.asked()} times")  # noqa: T201
    assert result["statuses"] == {"200": readers}, result
    assert await house.asked() == 1
    assert result["bodies"] == 1


async def connected(house: House, number: int, *addresses: Address) -> list[Connection]:
    among = addresses or house.addresses
    opened = [Connection(among[each % len(among)]) for each in range(number)]
    await asyncio.gather(*(one.open() for one in opened))
    return opened
