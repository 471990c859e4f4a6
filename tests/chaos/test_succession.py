"""A syncer is killed after it committed a change and before it said so: how long is the old one served?"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import httpx2
import psutil
import pytest
from nats.js.errors import NotFoundError
from redis.asyncio import Redis
from waiting import eventually
from whole_system import READY_WITHIN, Running

from sandbox.processes import Process, answers
from sandbox.servers import free_port
from shared.tags import event_tag
from shared.topology import PROJECTIONS

AFTERMATH = 3.0  # seconds, of a syncer that has started
OLD_FOR = 1.0  # seconds after the next syncer is there; promise P5. (Its messages come again after 6.)


@asynccontextmanager
async def another(running: Running, name: str) -> AsyncIterator[tuple[Process, str]]:
    """A process like the one of that name, and its address."""
    first, port = running.process(name), free_port()
    url = f"http://127.0.0.1:{port}"
    env = {**first.env, "PORT": str(port)}
    second = Process(f"{name} 2", first.command, log=first.log, env=env, ready=answers(f"{url}/readyz", timeout=4.0))
    await asyncio.to_thread(second.start, READY_WITHIN)
    try:
        yield second, url
    finally:
        await asyncio.to_thread(second.stop)


@pytest.fixture(scope="module")
async def reader(one_system: Running) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a second read-api."""
    async with (
        another(one_system, "read_api") as (_, url),
        httpx2.AsyncClient(base_url=url, trust_env=False) as client,
    ):
        yield client


async def test_a_change_whose_syncer_was_killed_before_it_announced_it_is_seen_everywhere_once_another_starts(
    running: Running, reader: httpx2.AsyncClient
) -> None:
    event_id = (await running.new_event("Before"))["id"]
    await remembers(reader, event_id, "Before")
    async with stuck_before_announcing(running, event_id, "After"):
        await running.kill(running.process("syncer"))
    await forget_in_redis(running, event_id)
    await running.reads(event_id, title="After")  # by the first process, which had to load it: visible
    await running.restart(running.process("syncer"))
    assert await until_it_shows(reader, event_id, "After") < OLD_FOR


async def test_with_two_syncers_the_other_one_announces_at_once_what_a_killed_one_had_committed(
    running: Running, reader: httpx2.AsyncClient
) -> None:
    event_id = (await running.new_event("Before"))["id"]
    async with another(running, "syncer") as (second, _):
        there = time.monotonic()
        await remembers(reader, event_id, "Before")
        # What it says once more because it has just started is over: it would wait for the same lock as the victim.
        await eventually(lambda: time.monotonic() - there > AFTERMATH + 1.0, within=AFTERMATH + 2.0)
        syncers = [running.process("syncer"), second]
        async with stuck_before_announcing(running, event_id, "After"):
            victim = await who_waits_for_the_lock(running, syncers)
            await running.kill(victim)
        try:
            assert await until_it_shows(reader, event_id, "After") < OLD_FOR
        finally:
            if victim is not second:
                await running.restart(victim)


async def remembers(reader: httpx2.AsyncClient, event_id: int, title: str) -> None:
    """It has this version in its own memory."""
    for _ in range(2):
        assert await title_at(reader, event_id) == title


async def title_at(reader: httpx2.AsyncClient, event_id: int) -> str:
    return str((await reader.get(f"/v1/events/{event_id}")).json()["title"])


async def until_it_shows(reader: httpx2.AsyncClient, event_id: int, title: str) -> float:
    """Seconds."""
    began = time.monotonic()

    async def shows() -> bool:
        return await title_at(reader, event_id) == title

    _: bool = await eventually(shows, within=OLD_FOR + 20)
    print(f"old for {time.monotonic() - began:.2f} s")  # noqa: T201 (a figure)
    return time.monotonic() - began


@asynccontextmanager
async def stuck_before_announcing(running: Running, event_id: int, title: str) -> AsyncIterator[None]:
    """A syncer has committed an edit, and then: Redis hangs, so it keeps the tags, in a table that is locked."""
    last = await announced(running, event_id)
    await asyncio.to_thread(running.valkey.pause)
    holder = await asyncpg.connect(running.dsn)
    try:
        async with holder.transaction():
            await holder.execute("LOCK TABLE unraised")
            await running.shop.edit(event_id, title=title)

            async def committed() -> bool:
                return bool(await running.sql("SELECT 1 FROM events WHERE id = $1 AND title = $2", event_id, title))

            _: bool = await eventually(committed)
            yield
            assert await announced(running, event_id) == last, "it was announced before it was killed"
    finally:
        await holder.close()
        await asyncio.to_thread(running.valkey.resume)


async def who_waits_for_the_lock(running: Running, syncers: list[Process]) -> Process:
    """The one that has committed and can't go on."""
    waiting = "SELECT client_port FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%unraised%'"

    async def found() -> list[Process]:
        ports = {row["client_port"] for row in await running.sql(waiting)}
        return [each for each in syncers if ports & ports_of(each)]

    [one] = await eventually(found)
    return one


def ports_of(process: Process) -> set[int]:
    """Its ends of its connections."""
    leader = psutil.Process(process.pid)
    family = [leader, *leader.children(recursive=True)]
    return {each.laddr.port for member in family for each in member.net_connections(kind="tcp")}


async def announced(running: Running, event_id: int) -> int:
    """The sequence number of the last announcement."""
    async with running.jetstream() as jetstream:
        try:
            message = await jetstream.get_last_msg(PROJECTIONS.name, f"projections.event.{event_id}")
        except NotFoundError:
            return 0
        return message.seq or 0


async def forget_in_redis(running: Running, event_id: int) -> None:
    """As an eviction does."""
    client = Redis.from_url(running.system.addresses.redis_url)
    await client.delete(f"understudy:{event_tag(event_id)}")
    await client.aclose()
