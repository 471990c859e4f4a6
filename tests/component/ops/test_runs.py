"""Operators ask for long works and follow them: `understudy backfill`, `reconcile`, `doctor`, `rebuild`, `runs`.

The tests play the syncer: they move the rows of `runs` as it does.
"""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from command_line import Said, understudy
from databases import fresh_database
from waiting import eventually

from shared.migrations import migrate

FOUND = [
    {"check": "scopes", "state": "failed", "says": "read_locations is missing", "todo": "grant it"},
    {"check": "clock", "state": "ok", "says": "0.1 s apart", "todo": None},
]


@dataclass
class Syncer:
    """Plays it: takes up runs, and moves them on."""

    connection: "asyncpg.Connection[asyncpg.Record]"
    dsn: str

    async def asked(self, kind: str) -> int:
        """The id of the run of this kind that somebody asks for, or will in a moment."""
        query = "SELECT id FROM runs WHERE kind = $1 AND state = 'asked'"
        found: int = await eventually(lambda: self.connection.fetchval(query, kind), within=10)
        return found

    async def advance(self, run_id: int, stage: str, done: int, expected: int | None = None) -> None:
        await self.connection.execute(
            "UPDATE runs SET state = 'running', started_at = coalesce(started_at, now()), advanced_at = now(),"
            " stage = $2, done = $3, expected = $4 WHERE id = $1",
            run_id, stage, done, expected,
        )  # fmt: skip

    async def end(self, run_id: int, state: str = "succeeded", report: Any = None, error: str | None = None) -> None:
        await self.connection.execute(
            "UPDATE runs SET state = $2, report = $3, error = $4, finished_at = now() WHERE id = $1",
            run_id, state, None if report is None else json.dumps(report), error,
        )  # fmt: skip

    async def open_run(self, kind: str, scope: str = "", state: str = "running", **options: str) -> int:
        """As a schedule asks, and another replica carries it out."""
        run_id: int = await self.connection.fetchval(
            "INSERT INTO runs (kind, scope, asked_by, state, options, started_at, advanced_at)"
            " VALUES ($1, $2, 'schedule', $3, $4, now(), now()) RETURNING id",
            kind, scope, state, json.dumps(options),
        )  # fmt: skip
        return run_id

    async def run(self, run_id: int) -> asyncpg.Record:
        row = await self.connection.fetchrow("SELECT * FROM runs WHERE id = $1", run_id)
        assert row is not None
        return row

    async def command(self, *words: str) -> Said:
        return await understudy(*words, env={"POSTGRES_DSN": self.dsn})


@pytest.fixture(scope="module")
async def tables(postgres_dsn: str) -> AsyncIterator[str]:
    async with fresh_database(postgres_dsn) as dsn:
        await migrate(dsn, "syncer")
        yield dsn


@pytest.fixture
async def syncer(tables: str) -> AsyncIterator[Syncer]:
    connection = await asyncpg.connect(tables)
    await connection.execute("DELETE FROM runs")
    yield Syncer(connection, tables)
    await connection.close()


async def test_a_run_is_asked_for_followed_and_ends_with_its_report(syncer: Syncer):
    command = asyncio.create_task(syncer.command("backfill", "--json"))
    run_id = await syncer.asked("backfill")
    await syncer.advance(run_id, "reading", 3, 10)
    assert (await syncer.run(run_id))["asked_by"] == "operator"
    await eventually(lambda: looked(syncer))
    await syncer.end(run_id, report={"products": 10})
    said = await command
    assert said.code == 0, said.err
    answer = said.answer
    assert (answer["id"], answer["state"], answer["report"]) == (run_id, "succeeded", {"products": 10})
    assert (answer["error"], answer["joined"]) == (None, False)
    assert answer["seconds"] >= 0
    seen = [json.loads(line) for line in said.err.splitlines()]
    assert seen[-1]["state"] == "succeeded"
    assert ("reading", 3, 10) in [(each["stage"], each["done"], each["expected"]) for each in seen]


async def test_an_open_run_is_joined_and_one_that_fails_has_a_code_of_its_own(syncer: Syncer):
    run_id = await syncer.open_run("reconcile", "whole")
    command = asyncio.create_task(syncer.command("reconcile", "--whole"))
    await eventually(lambda: looked(syncer))
    await syncer.end(run_id, "failed", error="ExportTruncated: 3 products of 10 are missing")
    said = await command
    assert said.code == 5
    assert f"reconcile {run_id} (whole) was asked for already by the schedule" in said.err
    assert f"reconcile {run_id} (whole): failed in" in said.out
    assert "understudy: ExportTruncated: 3 products of 10 are missing" in said.err
    assert await syncer.connection.fetchval("SELECT count(*) FROM runs") == 1


async def test_one_that_is_asked_for_in_passing_is_listed_joined_and_cancelled(syncer: Syncer):
    first = (await syncer.command("rebuild", "--detach", "--json")).answer
    assert (first["state"], first["joined"]) == ("asked", False)
    again = await syncer.command("rebuild", "--detach")
    assert (again.code, again.out.split(";")[0]) == (0, f"rebuild {first['id']} was asked for already")
    listed = (await syncer.command("runs", "--json")).answer["runs"]
    assert [(run["id"], run["kind"], run["state"]) for run in listed] == [(first["id"], "rebuild", "asked")]
    run_id = str(first["id"])
    assert (await syncer.command("runs", "cancel", run_id)).out == f"rebuild {run_id}: cancelled\n"
    twice = await syncer.command("runs", "cancel", run_id)
    assert (twice.code, twice.err) == (1, f"understudy: rebuild {run_id} is over already: cancelled\n")
    followed = await syncer.command("runs", "follow", run_id, "--json")
    assert (followed.code, followed.answer["state"]) == (5, "cancelled")
    assert (await syncer.command("runs", "follow", "999999")).code == 4
    table = (await syncer.command("runs")).out
    assert "cancelled" in table


async def test_ctrl_c_ends_the_following_and_not_the_run(syncer: Syncer):
    run_id = await syncer.open_run("backfill")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "ops",
        "backfill",
        stdout=PIPE,
        stderr=PIPE,
        env={**os.environ, "POSTGRES_DSN": syncer.dsn},
    )
    await eventually(lambda: looked(syncer))
    process.send_signal(signal.SIGINT)
    async with asyncio.timeout(10):
        out, err = await process.communicate()
    assert (process.returncode, out) == (130, b"")
    assert f"`understudy runs follow {run_id}` follows it again" in err.decode()
    assert (await syncer.run(run_id))["state"] == "running"


async def test_a_syncer_that_is_not_there_is_said_and_the_wait_has_the_end_that_was_asked_for(syncer: Syncer):
    await syncer.connection.execute(
        "INSERT INTO runs (kind, asked_by, asked_at, due_at)"
        " VALUES ('backfill', 'start', now() - interval '11 s', now() - interval '11 s')"
    )
    # Asking again does not make it younger.
    said = await syncer.command("backfill", "--within", "0.1", "--json")
    assert said.code == 3
    notes = [json.loads(line) for line in said.err.splitlines()]
    assert any("is the syncer running?" in note.get("note", "") for note in notes)
    assert "did not end within 0.1 s, and goes on" in notes[-1]["error"]
    assert said.out == ""


async def test_the_doctors_findings_are_a_table_and_one_that_failed_is_a_failure(syncer: Syncer):
    command = asyncio.create_task(syncer.command("doctor", "--canary"))
    run_id = await syncer.asked("doctor")
    assert (await syncer.run(run_id))["scope"] == "canary"
    await syncer.end(run_id, report={"findings": FOUND})
    said = await command
    assert said.code == 5
    lines = [line.split() for line in said.out.splitlines() if line.strip()]
    assert lines[1][:2] == ["clock", "ok"]
    assert lines[2] == ["scopes", "failed", "read_locations", "is", "missing", "grant", "it"]
    assert f"doctor {run_id} (canary): done in" in said.out
    assert "1 ok, 1 failed" in said.out


async def test_a_window_of_ones_own_waits_for_another_that_is_open(syncer: Syncer):
    other = await syncer.open_run("reconcile", "window")
    refused = await syncer.command("reconcile", "--since", "2h", "--detach")
    assert (refused.code, "with other options" in refused.err) == (1, True)
    command = asyncio.create_task(syncer.command("reconcile", "--since", "2h", "--json"))
    await eventually(lambda: looked(syncer))
    await syncer.end(other, report={})
    own = await syncer.asked("reconcile")
    since = datetime.fromisoformat(json.loads((await syncer.run(own))["options"])["since"])
    assert abs(datetime.now(UTC) - timedelta(hours=2) - since) < timedelta(seconds=30)
    await syncer.end(own, report={"checked": 2, "repaired": 0})
    assert (await command).answer["id"] == own
    future = await syncer.command("reconcile", "--since", "2999-01-01")
    assert (future.code, future.err) == (2, "understudy: --since must be before --until, and before now\n")


async def test_a_list_of_runs_names_an_error_and_leaves_its_words_to_the_run_itself(syncer: Syncer):
    run_id = await syncer.open_run("backfill")
    await syncer.end(
        run_id, "failed", error="ExportTruncated: 3 products of 10 are missing between 42 and 8012346137653"
    )
    said = await understudy("runs", env={"POSTGRES_DSN": syncer.dsn, "COLUMNS": "80"})
    lines = said.out.splitlines()
    assert len(lines) == 3
    assert lines[-1].rstrip().endswith(" ExportTruncated")
    assert all(len(line) <= 80 for line in lines)
    assert "3 products of 10 are missing" in (await syncer.command("runs", "follow", str(run_id))).err


async def test_what_came_of_a_rebuild_and_a_backfill_is_said_in_an_operators_words(syncer: Syncer):
    run_id = await syncer.open_run("rebuild")
    await syncer.end(run_id, report={"events": 33, "equal": 32, "changed": 1, "locked_ms": 4.5})
    said = await syncer.command("runs", "follow", str(run_id))
    assert said.out.rstrip().endswith(": 33 events, 32 equal, 1 changed, locked 4 ms")
    run_id = await syncer.open_run("backfill")
    seconds = {"hand": 0.1, "stage": 0.1, "assemble": 0.1, "shopify": 8.1, "download": 4.2}
    await syncer.end(run_id, report={"products": 33, "operations": 1, "seconds": seconds})
    said = await syncer.command("runs", "follow", str(run_id))
    assert said.out.rstrip().endswith(": 33 products, 1 operation (Shopify 8.1 s, download 4.2 s)")


async def test_a_database_that_is_away_foreign_or_not_named_is_one_line(postgres_dsn: str):
    unnamed = await understudy("backfill", env={"POSTGRES_DSN": ""})
    assert unnamed.code == 2
    assert unnamed.err.startswith("understudy: POSTGRES_DSN is not set")
    wrong = await understudy("drift", "--json", "--postgres", "postgresql://u:canary7f3a#x@127.0.0.1/db")
    assert (wrong.code, "canary7f3a" in wrong.err) == (2, False)
    away = await understudy("backfill", "--postgres", "postgresql://u:canary7f3a@127.0.0.1:9/db")
    assert away.code == 3
    assert away.err.startswith("understudy: PostgreSQL does not answer at 127.0.0.1:9: ")
    assert "canary7f3a" not in away.err
    nowhere = await understudy("runs", "--postgres", f"{postgres_dsn.rpartition('/')[0]}/no_such_database")
    assert (nowhere.code, "does not answer" in nowhere.err) == (1, False)
    assert 'refused: database "no_such_database" does not exist' in nowhere.err
    foreign = await understudy("runs", env={"POSTGRES_DSN": postgres_dsn})
    assert (foreign.code, "run `understudy migrate`" in foreign.err) == (3, True)


async def looked(syncer: Syncer) -> bool:
    """Whether a command that follows has looked at its run since the syncer moved it last."""
    return bool(
        await syncer.connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'understudy' AND query LIKE '%behind%'"
            " AND datname = current_database() AND query_start > (SELECT max(advanced_at) FROM runs)"
        )
    )
