"""Operators look at jobs and move them: `understudy jobs` and what is below it, on the writer's own tables."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from command_line import Said, understudy
from databases import fresh_database
from projected import Event, save
from waiting import eventually

from ops import jobs_in_words
from ops.database import postgres as connected
from ops.failures import NotFound, Refused, SettingWrong
from ops.job import Story
from ops.jobs import Jobs
from sandbox.servers import free_port
from shared.migrations import migrate

EVENT = 42
DOUBT = {"code": "in_doubt", "message": "Shopify gave no answer 5 times", "errors": []}
COLUMNS = {"command", "merged", "error", "observation"}  # jsonb


@dataclass
class Table:
    """The writer's table, filled as its API and its dispatcher do."""

    connection: "asyncpg.Connection[asyncpg.Record]"
    dsn: str

    async def add(self, state: str = "queued", kind: str = "event.edit", **columns: Any) -> UUID:
        row = {"id": uuid4(), "kind": kind, "event_id": EVENT, "command": {"title": "Late"}, "owner": "key:organizer"}
        row |= {"state": state} | columns
        values = [json.dumps(value) if name in COLUMNS else value for name, value in row.items()]
        places = ", ".join(f"${place}" for place in range(1, len(row) + 1))
        ended = "now()" if state not in ("queued", "dispatching") else "NULL"
        await self.connection.execute(
            f"INSERT INTO jobs ({', '.join(row)}, finished_at) VALUES ({places}, {ended})",  # noqa: S608 (names of ours)
            *values,
        )
        job_id: UUID = row["id"]  # type: ignore[assignment]  # of a dict of many types
        return job_id

    async def call(self, job: UUID, number: int, document: str = "event_edit", **columns: Any) -> None:
        row = {"variables": "{}", "request_hash": b"", "retry": "natural", "epoch": 3, "within": 10.0} | columns
        places = ", ".join(f"${place}" for place in range(4, len(row) + 4))
        await self.connection.execute(
            f"INSERT INTO calls (job_id, number, document, {', '.join(row)}) VALUES ($1, $2, $3, {places})",  # noqa: S608
            job, number, document, *row.values(),
        )  # fmt: skip

    async def state(self, job: UUID) -> tuple[str, str | None]:
        row = await self.connection.fetchrow("SELECT state, note FROM jobs WHERE id = $1", job)
        assert row is not None
        return row["state"], row["note"]

    async def command(self, *words: str) -> Said:
        return await understudy("jobs", *words, env={"POSTGRES_DSN": self.dsn, "COLUMNS": "200"})


@pytest.fixture(scope="module")
async def tables(postgres_dsn: str) -> AsyncIterator[str]:
    async with fresh_database(postgres_dsn) as dsn:
        await migrate(dsn, "syncer")
        await migrate(dsn, "writer")
        yield dsn


@pytest.fixture
async def table(tables: str) -> AsyncIterator[Table]:
    connection = await asyncpg.connect(tables)
    await connection.execute("TRUNCATE jobs, calls, events CASCADE")
    yield Table(connection, tables)
    await connection.close()


@pytest.fixture
async def jobs(table: Table) -> AsyncIterator[Jobs]:
    async with connected(table.dsn) as database:
        yield Jobs(database)


async def test_a_list_says_how_many_there_are_in_each_state_and_who_dispatches(table: Table):
    for state in ("queued", "queued", "succeeded", "failed", "in_doubt"):
        await table.add(state, error=DOUBT if state == "in_doubt" else None, event_id=EVENT)
    other = await table.add(event_id=43, due_at=await table.connection.fetchval("SELECT now() + interval '30 s'"))
    await table.connection.execute(
        "UPDATE dispatcher SET owner = 'writer-1', epoch = 7, expires_at = now() + interval '1 h',"
        " breaker_until = now() + interval '1 h', breaker_reason = 'Shopify answered 503'"
    )
    said = await table.command()
    assert said.code == 0, said.err
    head, closed, *_ = said.out.splitlines()
    assert head.startswith(
        "3 queued, 0 dispatching, 1 succeeded, 1 failed, 1 in doubt; dispatched by writer-1 (epoch 7"
    )
    assert closed.startswith("nothing is sent to Shopify for ")
    assert closed.endswith(": Shopify answered 503")
    row = next(line for line in said.out.splitlines() if line.startswith(str(other)))
    assert "event.edit 43" in row
    assert "queued, parked" in row
    found = (await table.command("--json", "--state", "queued", "--state", "failed", "--event", "42")).answer
    assert [job["state"] for job in found["jobs"]] == ["failed", "queued", "queued"]
    assert found["counts"] | {"in_doubt": 1} == found["counts"]
    assert (found["dispatcher"]["owner"], found["dispatcher"]["held"]) == ("writer-1", True)


async def test_the_story_of_a_job_in_doubt_ends_with_what_an_operator_can_do(table: Table):
    await save(table.connection, Event(EVENT, title="Early"))
    first = await table.add("in_doubt", command={"subtitle": "B"})
    job = await table.add("in_doubt", error=DOUBT, merged={"title": "Late", "subtitle": "B"}, attempts=2, cost=10.0)
    await table.connection.execute("UPDATE jobs SET superseded_by = $2 WHERE id = $1", first, job)
    refused = json.dumps({"userErrors": [{"field": ["title"], "message": "Title is too long", "code": None}]})
    await table.call(job, 0, outcome="refused", answer=refused, cost=10.0, discarded=True)
    await table.call(job, 1, late=True)
    await table.connection.execute("UPDATE calls SET gave_up_at = now() WHERE job_id = $1 AND number = 1", job)
    said = await table.command("show", str(job)[:13])
    assert said.code == 0, said.err
    lines = [" ".join(line.split()) for line in said.out.splitlines()]
    assert f"job {job}" in lines
    assert f"took in job {first}" in lines
    assert "requests 2, 10 points" in lines
    assert "error Shopify gave no answer 5 times (in_doubt)" in lines
    assert "title Late Early" in lines, "what is wanted, beside what readers have"
    assert any(line.startswith("0 event_edit natural") and "refused 10 Title is too long" in line for line in lines)
    assert any("no answer - answered after the lease was lost; given up at" in line for line in lines)
    assert f"Look in Shopify's admin, /admin/products/{EVENT}, whether it is as wanted above." in lines
    assert f"It is not: understudy jobs retry {job} (it looks once more itself before it sends anything)" in lines
    answer = (await table.command("show", str(job), "--json")).answer
    assert [call["outcome"] for call in answer["calls"]] == ["refused", None]
    assert (answer["event_id"], answer["took_in"], answer["parked_until"]) == ("42", [str(first)], None)
    assert "each of those that it took in is retried by itself" in answer["advice"][-1]


async def test_a_create_in_doubt_is_looked_for_by_the_handle_that_it_chose(table: Table, jobs: Jobs):
    job = await table.add("in_doubt", "event.create", event_id=None, command={"title": "Jazz Night"}, error=DOUBT)
    by_title = await advice(jobs, job)
    assert any("a product with the title Jazz Night" in line for line in by_title)
    await table.call(job, 0, "event_create", variables=json.dumps({"input": {"handle": "jazz-night"}}))
    by_handle = await advice(jobs, job)
    assert any("a product with the handle jazz-night" in line for line in by_handle)
    assert any(f"its metafield understudy.job says {job}" in line for line in by_handle)
    assert any("--as succeeded --event ID" in line for line in by_handle)


async def test_a_create_that_succeeded_is_resolved_with_the_event_that_it_made(table: Table):
    job = await table.add("in_doubt", "event.create", event_id=None, error=DOUBT)
    words = ("resolve", str(job), "--as", "succeeded", "--note", "seen in the admin", "--yes")
    nameless = await table.command(*words)
    assert (nameless.code, nameless.err) == (
        1,
        "understudy: an event was created: say which, with --event and its id in Shopify\n",
    )
    done = await table.command(*words, "--event", "77", "--json")
    assert (done.code, done.answer["state"], done.answer["event_id"]) == (0, "succeeded", "77")
    assert await table.state(job) == ("succeeded", "seen in the admin")
    seen = await table.connection.fetchval("SELECT observation FROM jobs WHERE id = $1", job)
    assert json.loads(seen) == {"what": "whole", "product_id": 77}


async def test_moves_that_a_state_does_not_allow_are_refused_and_change_nothing(table: Table, jobs: Jobs):
    states = ("queued", "dispatching", "succeeded", "failed", "in_doubt", "cancelled", "superseded")
    for state in states:
        job = await table.add(state, event_id=states.index(state) + 1)
        allowed = {
            "cancel": state == "queued",
            "retry": state in ("failed", "in_doubt"),
            "resolve": state == "in_doubt",
        }
        if not allowed["cancel"]:
            with pytest.raises(
                Refused, match=f"is {state.replace('_', ' ')}; only jobs that are queued can be cancelled"
            ):
                await jobs.cancel(job)
        if not allowed["resolve"]:
            with pytest.raises(Refused, match="only jobs that are in doubt"):
                await jobs.resolve(job, "failed", "looked", None)
        if not allowed["retry"]:
            with pytest.raises(Refused, match="only jobs that failed or are in doubt can be retried"):
                await jobs.retry(job, None)
        assert await table.state(job) == (state, None)
    with pytest.raises(NotFound):
        await jobs.cancel(uuid4())


async def test_what_failed_is_queued_again_and_what_is_queued_is_taken_back(table: Table):
    job = await table.add("failed", error={"code": "refused", "message": "no such tag", "errors": []})
    unasked = await table.command("retry", str(job))
    assert (unasked.code, unasked.err) == (2, "understudy: nobody is here to be asked: say --yes\n")
    assert await table.state(job) == ("failed", None)
    again = await table.command("retry", str(job), "--yes", "--note", "the tag is there now")
    assert (again.code, again.out) == (0, f"job {job} (event.edit): queued again\n")
    assert await table.state(job) == ("queued", "the tag is there now")
    back = await table.command("cancel", str(job), "--yes", "--json")
    assert (back.code, back.answer["state"]) == (0, "cancelled")


async def test_what_cannot_be_done_is_said_before_anybody_is_asked_whether_they_are_sure(table: Table):
    job = await table.add("succeeded")
    for move, only in (("retry", "failed or are in doubt can be retried"), ("cancel", "are queued can be cancelled")):
        said = await table.command(move, str(job))
        words = f"understudy: job {job} (event.edit) is succeeded; only jobs that {only}\n"
        assert (said.code, said.err) == (1, words)


async def test_options_in_front_of_a_command_are_not_lost_in_silence(table: Table):
    said = await table.command("--port", "9000", "list")
    assert (said.code, "options go behind `list`" in said.err) == (2, True)


async def test_without_an_address_it_is_said_where_one_is_to_be_had():
    port = str(free_port())
    said = await understudy("jobs", "list", "--port", port, env={"POSTGRES_DSN": ""})
    assert said.code == 2
    assert said.err.startswith("understudy: POSTGRES_DSN is not set, and no `understudy up` of yours is ready on port")
    assert port in said.err


async def test_what_jobs_wait_for_is_listed_and_told_with_its_story(table: Table):
    due = await table.connection.fetchval("SELECT now() + interval '1 h'")
    because = "Shopify gave no answer within 10 s"
    job = await table.add("dispatching", waits_for="unknown_outcome", waits_because=because, due_at=due)
    listed = await table.command()
    assert any("dispatching, waits for what was sent" in line for line in listed.out.splitlines())
    shown = await table.command("show", str(job))
    assert f"{because}; next look in " in shown.out
    answer = (await table.command("show", str(job), "--json")).answer
    assert (answer["waits_for"], answer["waits_because"]) == ("unknown_outcome", because)


async def test_status_knows_how_many_commands_wait_and_whether_they_get_through(table: Table):
    words = ("status", "--port", str(free_port()), "--nats", "nats://127.0.0.1:9")
    for state in ("queued", "dispatching", "in_doubt", "succeeded"):
        await table.add(state, event_id=len(state))
    await table.connection.execute("UPDATE jobs SET created_at = now() - interval '21 h' WHERE state = 'dispatching'")
    await table.connection.execute(
        "UPDATE dispatcher SET owner = 'host/7/ab', epoch = 7, expires_at = now() + interval '1 h',"
        " breaker_until = now() + interval '1 h', breaker_reason = 'HTTP 503'"
    )
    env = {"POSTGRES_DSN": table.dsn, "COLUMNS": "200"}
    said = (await understudy(*words, env=env)).out
    assert "2 open, 1 in doubt, the oldest 21 h old" in said
    assert "dispatcher  host/7/ab (epoch 7" in said
    assert "nothing is sent to Shopify for " in said
    told = (await understudy(*words, "--json", env=env)).answer["commands"]
    assert (told["open"], told["in_doubt"], told["dispatcher"]) == (2, 1, "host/7/ab")
    assert told["oldest_seconds"] > 75_000
    assert (told["breaker_reason"], told["breaker_in"] > 0) == ("HTTP 503", True)
    unknown = await understudy(*words, "--json", env={"POSTGRES_DSN": ""})
    assert unknown.answer["commands"] is None
    away = await understudy(*words, "--json", env={"POSTGRES_DSN": "postgresql://u:p@127.0.0.1:9/d"})
    assert (away.answer["commands"], "nothing is known of commands" in away.err) == (None, True)


async def test_an_id_may_be_given_by_its_beginning_as_long_as_that_is_one_jobs_alone(table: Table, jobs: Jobs):
    one = await table.add(id=UUID("0199aaaa-0000-7000-8000-000000000001"), event_id=1)
    await table.add(id=UUID("0199aaaa-0000-7000-8000-000000000002"), event_id=2)
    other = await table.add(id=UUID("0199aaaa-1000-7000-8000-000000000001"), event_id=3)
    assert await jobs.find("0199AAAA-1") == other
    assert await jobs.find(str(one)) == one
    with pytest.raises(Refused, match="several jobs begin with 0199aaaa-0; say more of the id"):
        await jobs.find("0199aaaa-0")
    with pytest.raises(NotFound):
        await jobs.find("0199bbbb")
    for nonsense in ("0199", "no-such-thing", "0" * 33):
        with pytest.raises(SettingWrong):
            await jobs.find(nonsense)


async def test_a_job_is_followed_until_readers_see_it_and_how_it_ended_is_the_exit_code(table: Table):
    job = await table.add("dispatching", attempts=1)
    command = asyncio.create_task(table.command("wait", str(job)))
    await eventually(lambda: looked(table), within=10)
    await table.connection.execute("UPDATE jobs SET state = 'succeeded', finished_at = now() WHERE id = $1", job)
    await eventually(lambda: looked(table), within=10)
    assert not command.done(), "done is visible"
    await table.connection.execute("UPDATE jobs SET visible_revision = 9 WHERE id = $1", job)
    said = await command
    assert said.code == 0
    assert said.out.startswith(f"job {job} (event.edit): succeeded after ")
    assert said.out.endswith(", visible from revision 9 on\n")
    assert [line.removeprefix(f"job {job} (event.edit): ") for line in said.err.splitlines()] == [
        "dispatching, 1 request", "succeeded, 1 request, readers don't see it yet", "succeeded, 1 request",
    ]  # fmt: skip
    failed = await table.add("failed", error=DOUBT, event_id=43)
    ended = await table.command("wait", str(failed), "--json")
    assert (ended.code, ended.answer["state"]) == (5, "failed")
    waits = await table.add(event_id=44)
    still = await table.command("wait", str(waits), "--within", "0")
    assert (still.code, "is not over within 0 s, and goes on: it is queued" in still.err) == (3, True)


async def advice(jobs: Jobs, job: UUID) -> list[str]:
    story: Story = await jobs.story(job)
    return jobs_in_words.advice(story)


async def looked(table: Table) -> bool:
    """Whether a command has looked at its job since that ended, or was accepted."""
    return bool(
        await table.connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'understudy' AND query LIKE '%due_in%'"
            " AND datname = current_database() AND state = 'idle'"
            " AND query_start > (SELECT max(coalesce(finished_at, created_at)) FROM jobs)"
        )
    )
