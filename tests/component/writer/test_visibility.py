"""A job is visible once readers can see its effect, and knows in which revision; not before, and not never."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from ended_jobs import EndedJobs

from shared.postgres import close, connect, transaction
from shared.settings import PostgresSettings
from writer.visibility import SQL, WITHIN, Visibility


@pytest.fixture
async def jobs(writer_database: str) -> AsyncIterator[EndedJobs]:
    pool = await connect(PostgresSettings(postgres_dsn=writer_database, postgres_pool_size=4), "test")
    yield EndedJobs(pool)
    await close(pool)


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def visibility(jobs: EndedJobs, told: list[str]) -> Visibility:
    return Visibility(jobs.pool, told.append)


async def revision(jobs: EndedJobs, job: UUID) -> int | None:
    shown: int | None = (await jobs.get(job))["visible_revision"]
    return shown


async def older(jobs: EndedJobs, seconds: float) -> None:
    """Time passes."""
    await jobs.sql(
        "UPDATE jobs SET finished_at = finished_at - make_interval(secs => $1::float8) RETURNING id", seconds
    )
    await jobs.sql("UPDATE effects SET at = at - make_interval(secs => $1::float8) RETURNING job_id", seconds)


async def test_a_job_is_visible_when_its_revision_was_announced(
    jobs: EndedJobs, visibility: Visibility, told: list[str]
) -> None:
    job, other = await jobs.add(42), await jobs.add(43)
    await jobs.effect(job, 7)
    await visibility.step()
    assert await revision(jobs, job) is None, "committed, but readers may be shown the revision before"
    visibility.announced(str(job))
    await visibility.step()
    assert (await revision(jobs, job), await revision(jobs, other)) == (7, None)
    assert told == [str(job)]
    assert (await jobs.get(job))["version"] == 2, "its document says so"
    await visibility.step()
    assert told == [str(job)]


async def test_an_announcement_that_was_not_heard_costs_a_second(jobs: EndedJobs, visibility: Visibility) -> None:
    job = await jobs.add(42)
    await jobs.effect(job, 7)
    await older(jobs, WITHIN + 0.1)
    await visibility.step()
    assert await revision(jobs, job) == 7


async def test_an_effect_that_made_no_revision_stands_in_one_that_readers_see(
    jobs: EndedJobs, visibility: Visibility
) -> None:
    job = await jobs.add(42)
    await jobs.effect(job, 7, made=False)
    await visibility.step()
    assert await revision(jobs, job) == 7


async def test_an_announcement_that_overtakes_the_table_is_remembered(jobs: EndedJobs, visibility: Visibility) -> None:
    job = await jobs.add(42)
    visibility.announced(str(job))
    visibility.announced("no job of ours")
    await visibility.step()
    await jobs.effect(job, 7)
    await visibility.step()
    assert await revision(jobs, job) == 7


async def test_what_a_job_has_carried_along_is_visible_with_it(jobs: EndedJobs, visibility: Visibility) -> None:
    leader = await jobs.add(42)
    carried = [await jobs.add(42, state="superseded", superseded_by=leader) for _ in range(3)]
    await jobs.effect(leader, 9)
    visibility.announced(str(leader))
    await visibility.step()
    assert {await revision(jobs, job) for job in (leader, *carried)} == {9}


@pytest.mark.parametrize("state", ["failed", "in_doubt", "cancelled"])
async def test_what_did_not_succeed_is_not_visible_though_something_was_observed(
    jobs: EndedJobs, visibility: Visibility, state: str
) -> None:
    job = await jobs.add(42, state=state)
    await jobs.effect(job, 7, made=False)
    await visibility.step()
    assert await revision(jobs, job) is None


async def test_an_effect_of_before_the_job_ended_anew_does_not_count(jobs: EndedJobs, visibility: Visibility) -> None:
    """In doubt it was observed, too; since then somebody has said that it succeeded, and it is looked at again."""
    job = await jobs.add(42, state="in_doubt")
    await jobs.effect(job, 7, made=False)
    await jobs.sql("UPDATE jobs SET state = 'succeeded', finished_at = clock_timestamp() RETURNING id")
    await visibility.step()
    assert await revision(jobs, job) is None
    await jobs.effect(job, 8, made=False)
    await visibility.step()
    assert await revision(jobs, job) == 8


async def test_a_row_that_somebody_is_at_waits_for_the_next_look_and_holds_up_nobody(
    jobs: EndedJobs, visibility: Visibility
) -> None:
    job, other = await jobs.add(42), await jobs.add(43)
    await jobs.effect(job, 7, made=False)
    await jobs.effect(other, 3, made=False)
    async with transaction(jobs.pool) as connection:
        await connection.execute("SELECT FROM jobs WHERE id = $1 FOR UPDATE", job)
        await asyncio.wait_for(visibility.step(), 5)
        assert (await revision(jobs, job), await revision(jobs, other)) == (None, 3)
    await visibility.step()
    assert await revision(jobs, job) == 7


async def test_two_replicas_at_once_tell_each_job_once(jobs: EndedJobs, told: list[str]) -> None:
    for number in range(50):
        await jobs.effect(await jobs.add(42), number, made=False)
    await asyncio.gather(*(Visibility(jobs.pool, told.append).step() for _ in range(3)))
    assert (len(told), len(set(told))) == (50, 50)


async def test_looking_is_cheap_however_many_jobs_there_are(jobs: EndedJobs) -> None:
    """20,000 jobs, of which 500 are not visible yet, and 450 of them will not be: no table is read through."""
    await jobs.sql(
        "INSERT INTO jobs (id, kind, event_id, command, owner, state, finished_at, visible_revision) "
        "SELECT gen_random_uuid(), 'event.edit', 1 + n % 500, '{}', 'organizer', 'succeeded', "
        "now() - interval '1 hour', CASE WHEN n > 500 THEN 1 END FROM generate_series(1, 20000) AS n"
    )
    await jobs.sql(
        "INSERT INTO effects (job_id, event_id, revision, made) "
        "SELECT id, event_id, 1, false FROM jobs WHERE visible_revision IS NOT NULL OR event_id <= 50"
    )
    await jobs.sql("ANALYZE jobs")
    await jobs.sql("ANALYZE effects")
    async with transaction(jobs.pool) as connection:
        explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {SQL.show}"
        plans = [await connection.fetchval(explain, [uuid4()], WITHIN) for _ in range(2)]
    for scans in (list(_scans(plan[0]["Plan"])) for plan in plans):
        assert "jobs_invisible" in {scan.get("Index Name") for scan in scans}
        assert {scan["Node Type"] for scan in scans if scan.get("Relation Name") == "effects"} == {"Index Scan"}
    assert plans[1][0]["Plan"]["Shared Hit Blocks"] < 500 * 5, "pages, of a look that finds nothing"
    assert len(await jobs.sql("SELECT id FROM jobs WHERE visible_revision IS NULL")) == 450


def _scans(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "Scan" in node["Node Type"]:
        yield node
    for child in node.get("Plans", []):
        yield from _scans(child)
