"""Whatever becomes of a job is announced: in order, the newest version at least, and though NATS was away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from buses import opened_bus, stored
from ended_jobs import EndedJobs
from waiting import eventually

from sandbox.servers.nats import Nats
from shared.bus import Bus, BusUnavailable
from shared.contracts import Contract, JobChangedV1
from shared.postgres import PostgresBusy, close, connect, transaction
from shared.settings import PostgresSettings
from shared.topology import JOBS
from writer.hearing import hearing_effects, hearing_jobs
from writer.herald import SQL, Herald


@pytest.fixture
async def jobs(writer_database: str) -> AsyncIterator[EndedJobs]:
    pool = await connect(PostgresSettings(postgres_dsn=writer_database, postgres_pool_size=6), "test")
    yield EndedJobs(pool)
    await close(pool)


@pytest.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    async with opened_bus(nats_url, JOBS) as bus:
        yield bus


async def said(bus: Bus) -> list[JobChangedV1]:
    return [each for each in await stored(bus, JOBS) if isinstance(each, JobChangedV1)]


async def test_a_job_is_announced_with_its_public_document_and_only_once(jobs: EndedJobs, bus: Bus) -> None:
    job = await jobs.add(42, owner="Zoë of the Blue Hall")
    herald = Herald(jobs.pool, bus)
    assert [await herald.step(), await herald.step()] == [False, False]
    [announced] = await said(bus)
    assert (announced.id, announced.job_id, announced.version) == (f"job:{job}:1", str(job), 1)
    assert (announced.owner, announced.state) == ("Zoë of the Blue Hall", "succeeded")
    document = orjson.loads(announced.body)
    assert (document["job_id"], document["event_id"], document["status"]) == (str(job), "42", "succeeded")
    assert (document["position"], document["eta_seconds"]) == (None, None)
    assert "command" not in document


async def test_of_several_changes_the_newest_version_is_said(jobs: EndedJobs, bus: Bus) -> None:
    job = await jobs.add(42, state="queued")
    for state in ("dispatching", "succeeded"):
        await jobs.sql("UPDATE jobs SET state = $2 WHERE id = $1 RETURNING id", job, state)
    await Herald(jobs.pool, bus).step()
    assert [(each.version, each.state) for each in await said(bus)] == [(3, "succeeded")]


async def test_however_many_replicas_announce_each_version_is_said_once_and_in_order(jobs: EndedJobs, bus: Bus) -> None:
    ids = [await jobs.add(42, state="queued") for _ in range(5)]
    replicas = [Herald(jobs.pool, bus) for _ in range(3)]

    async def change() -> None:
        for attempt in range(1, 9):
            for job in ids:
                await jobs.sql("UPDATE jobs SET attempts = $2 WHERE id = $1 RETURNING id", job, attempt)

    async def announce(herald: Herald) -> None:
        while not changing.done():
            await herald.step()

    changing = asyncio.create_task(change())
    await asyncio.gather(changing, *(announce(herald) for herald in replicas))
    await replicas[0].step()
    heard = await said(bus)
    for job in ids:
        versions = [each.version for each in heard if each.job_id == str(job)]
        assert versions == sorted(set(versions))
        assert versions[-1] == 9


async def test_a_version_that_came_while_another_was_said_is_said_next(jobs: EndedJobs, bus: Bus) -> None:
    job = await jobs.add(42, state="queued")
    busy = Interrupted(bus, lambda: jobs.sql("UPDATE jobs SET state = 'cancelled' WHERE id = $1 RETURNING id", job))
    await Herald(jobs.pool, busy.as_bus).step()
    await Herald(jobs.pool, bus).step()
    assert [(each.version, each.state) for each in await said(bus)] == [(1, "queued"), (2, "cancelled")]


async def test_a_job_that_somebody_is_at_holds_up_nobody(jobs: EndedJobs, bus: Bus) -> None:
    job, _ = await jobs.add(42), await jobs.add(43)
    async with transaction(jobs.pool) as connection:
        await connection.execute("SELECT FROM jobs WHERE id = $1 FOR UPDATE", job)
        await asyncio.wait_for(Herald(jobs.pool, bus).step(), 5)
    assert {each["announced"] for each in await jobs.sql("SELECT announced FROM jobs")} == {0, 1}
    await Herald(jobs.pool, bus).step()
    assert len(await said(bus)) == 2, "what was said twice is a duplicate"


async def test_a_replica_that_holds_the_word_is_not_waited_for_long(jobs: EndedJobs, bus: Bus) -> None:
    await jobs.add(42)
    async with transaction(jobs.pool) as connection:
        await connection.execute(SQL.take_the_word)
        with pytest.raises(PostgresBusy):
            await Herald(jobs.pool, bus).step()
    await Herald(jobs.pool, bus).step()
    assert len(await said(bus)) == 1


async def test_what_nats_refuses_holds_up_no_other(jobs: EndedJobs, bus: Bus) -> None:
    huge = await jobs.add(42, note="x" * (9 << 20))
    other = await jobs.add(43)
    await Herald(jobs.pool, bus).step()
    assert [each.job_id for each in await said(bus)] == [str(other)]
    assert (await jobs.get(huge))["announced"] == 1


async def test_while_nats_is_away_nothing_is_forgotten(jobs: EndedJobs, tmp_path: Path) -> None:
    job = await jobs.add(42)
    with Nats(tmp_path / "nats") as server:
        async with opened_bus(server.url) as bus:
            herald = Herald(jobs.pool, bus)
            server.kill()
            with pytest.raises(BusUnavailable):
                await herald.step()
            assert (await jobs.get(job))["announced"] == 0
            server.start()
            await eventually(lambda: _announced(herald), 20, saying="announced later")
            assert [each.job_id for each in await said(bus)] == [str(job)]


async def _announced(herald: Herald) -> bool:
    with suppress(BusUnavailable):
        await herald.step()
        return True
    return False


async def test_who_hears_is_woken_by_jobs_and_by_what_jobs_have_caused(jobs: EndedJobs, bus: Bus) -> None:
    changed: list[str] = []
    effects: list[str] = []
    job = await jobs.add(42)
    connection = bus.broker.connection
    async with hearing_jobs(bus.broker, changed.append), hearing_effects(bus.broker, effects.append):

        async def both() -> bool:
            await connection.publish(f"jobs.{job}", b"")
            await connection.publish("projections.event.42", b"", headers={"ce-eventid": "42"})
            await connection.publish("projections.event.42", b"", headers={"ce-causedby": str(job)})
            return bool(changed and effects)

        await eventually(both, saying="both are heard")
    assert (set(changed), set(effects)) == ({str(job)}, {str(job)})


@dataclass
class Interrupted:
    """The bus, but something happens before it publishes."""

    bus: Bus
    before: Any

    async def publish_all(self, messages: list[Contract]) -> None:
        await self.before()
        await self.bus.publish_all(messages)

    @property
    def as_bus(self) -> Any:
        return self
