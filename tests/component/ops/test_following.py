"""Following a run: what is shown, what is said, and that a PostgreSQL that goes and comes back ends nothing."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import asyncpg
import pytest
from databases import fresh_database
from waiting import eventually

from ops.database import Database
from ops.following import StillOpen, follow
from ops.runs import Run, Runs
from shared.migrations import migrate


@dataclass
class Notebook:
    """A watcher that writes down what it is shown and told."""

    shown: list[Run] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def show(self, run: Run) -> None:
        self.shown.append(run)

    def say(self, sentence: str) -> None:
        self.said.append(sentence)


@pytest.fixture
async def tables(postgres_dsn: str) -> AsyncIterator[str]:
    async with fresh_database(postgres_dsn) as dsn:
        await migrate(dsn, "syncer")
        yield dsn


@pytest.fixture
async def connection(tables: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(tables)
    yield connection
    await connection.close()


@pytest.fixture
async def runs(tables: str) -> AsyncIterator[Runs]:
    database = Database(tables)
    yield Runs(database)
    await database.close()


async def test_a_lost_connection_is_made_again_and_the_run_followed_to_its_end(runs: Runs, connection):
    asked = await runs.ask("backfill", "", {})
    notebook = Notebook()
    following = asyncio.create_task(follow(runs, asked.id, notebook))
    await eventually(lambda: len(notebook.shown) > 1)
    cut = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'understudy' AND datname = current_database()"
    )
    assert await connection.fetchval(cut)
    seen = len(notebook.shown)
    await eventually(lambda: len(notebook.shown) > seen)
    await connection.execute("UPDATE runs SET state = 'succeeded', finished_at = now(), report = '{}'")
    assert (await following).state == "succeeded"


async def test_what_somebody_who_waits_should_know_is_said_once(runs: Runs, connection):
    first = await connection.fetchval(
        "INSERT INTO runs (kind, scope, asked_by, state, started_at, advanced_at)"
        " VALUES ('reconcile', 'whole', 'schedule', 'running', now(), now()) RETURNING id"
    )
    asked = await runs.ask("reconcile", "window", {})
    notebook = Notebook()
    following = asyncio.create_task(follow(runs, asked.id, notebook))
    name = f"reconcile {asked.id} (window)"
    await eventually(lambda: notebook.said == [f"{name} waits for run {first}, which goes first"])
    await connection.execute(
        "UPDATE runs SET state = 'running', error = 'ShopifyUnavailable: 502', attempts = 3 WHERE id = $1", asked.id
    )
    await eventually(lambda: notebook.said[1:] == ["attempt 3 failed, the syncer tries again: ShopifyUnavailable: 502"])
    await connection.execute(
        "UPDATE runs SET error = NULL, asked_at = now() - interval '1 h', due_at = now() - interval '1 h',"
        " advanced_at = now() - interval '61 s' WHERE id = $1",
        asked.id,
    )
    await eventually(lambda: len(notebook.said) > 2)
    assert notebook.said[2].startswith(f"nothing was heard of {name} for 60 s")
    seen = len(notebook.shown)
    await eventually(lambda: len(notebook.shown) > seen + 1)
    assert len(notebook.said) == 3
    following.cancel()
    await asyncio.wait((following,))


async def test_asking_again_for_one_that_waits_after_an_error_lets_it_try_at_once(runs: Runs, connection):
    run_id = await connection.fetchval(
        "INSERT INTO runs (kind, asked_by, state, error, due_at)"
        " VALUES ('backfill', 'start', 'running', 'ShopifyUnavailable: 502', now() + interval '1 min') RETURNING id"
    )
    asked = await runs.ask("backfill", "", {})
    assert (asked.id, asked.joined) == (run_id, True)
    assert await connection.fetchval("SELECT due_at <= now() FROM runs")
    with pytest.raises(StillOpen, match=rf"backfill {run_id} did not end within 0 s"):
        await follow(runs, run_id, Notebook(), within=0)
