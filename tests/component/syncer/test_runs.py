"""What somebody asks for is carried out once, by one process at a time, and its end is told."""

import asyncio
from collections.abc import Mapping
from typing import Any, TypeAlias

import asyncpg
import pytest
from waiting import eventually

from shared.errors import Permanent, Unavailable
from shared.postgres import transaction
from syncer import runs
from syncer.runs import Run, RunCancelled, Runner, Runs, Work

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"


async def row(pool: Pool, run_id: int) -> dict[str, Any]:
    async with transaction(pool) as connection:
        found = await connection.fetchrow("SELECT * FROM runs WHERE id = $1", run_id)
        assert found is not None
        return dict(found)


async def due_now(pool: Pool) -> None:
    async with transaction(pool) as connection:
        await connection.execute("UPDATE runs SET due_at = now()")


async def at_once(run: Run) -> Mapping[str, object]:
    return {"seen": run.options.get("n"), "cursor": run.cursor}


def failing(error: Exception) -> Work:
    async def work(_: Run) -> Mapping[str, object]:
        raise error

    return work


async def test_a_run_that_ends_says_what_came_out(pool: Pool) -> None:
    run_id = await Runs(pool).ask("backfill", asked_by="operator", options={"n": 3})
    await Runner("backfill", pool, at_once).step()
    ended = await row(pool, run_id)
    assert (ended["state"], ended["report"]) == ("succeeded", {"seen": 3, "cursor": None})
    assert ended["finished_at"] is not None
    last = await Runs(pool).last("backfill")
    assert last is not None
    assert last["id"] == run_id


async def test_who_asks_for_what_is_asked_for_already_joins(pool: Pool) -> None:
    asked = Runs(pool)
    first = await asked.ask("reconcile", "window", asked_by="schedule")
    assert await asked.ask("reconcile", "window", asked_by="operator") == first
    assert await asked.ask("reconcile", "whole", asked_by="operator") != first


async def test_nobody_carries_out_another_kind(pool: Pool) -> None:
    run_id = await Runs(pool).ask("rebuild", asked_by="operator")
    await Runner("backfill", pool, failing(AssertionError("not mine"))).step()
    assert (await row(pool, run_id))["state"] == "asked"


async def test_one_process_at_a_time_carries_out_a_run(pool: Pool) -> None:
    began, end, times = asyncio.Event(), asyncio.Event(), 0

    async def work(_: Run) -> Mapping[str, object]:
        nonlocal times
        times += 1
        began.set()
        await end.wait()
        return {}

    await Runs(pool).ask("backfill", asked_by="start")
    first = asyncio.create_task(Runner("backfill", pool, work).step())
    await asyncio.wait_for(began.wait(), 5)
    await Runner("backfill", pool, work).step()
    end.set()
    await first
    await Runner("backfill", pool, work).step()
    assert times == 1


async def test_a_successor_goes_on_from_the_cursor_at_once(pool: Pool) -> None:
    asked = Runs(pool)

    async def half(run: Run) -> Mapping[str, object]:
        await asked.progress(run, "reading", 5, 10, cursor={"after": 5})
        await asyncio.Event().wait()
        return {}

    run_id = await asked.ask("backfill", asked_by="start")
    dying = asyncio.create_task(Runner("backfill", pool, half).step())

    async def halfway() -> bool:
        return bool((await row(pool, run_id))["cursor"] == {"after": 5})

    await eventually(halfway, 5)
    dying.cancel()
    await asyncio.wait({dying})
    await Runner("backfill", pool, at_once).step()
    assert (await row(pool, run_id))["report"] == {"seen": None, "cursor": {"after": 5}}


async def test_what_is_away_is_waited_for_without_end(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "MAX_ATTEMPTS", 2)
    run_id = await Runs(pool).ask("backfill", asked_by="start")
    for _ in range(4):
        await Runner("backfill", pool, failing(Unavailable("Shopify is away"))).step()
        put_off = await row(pool, run_id)
        assert put_off["state"] == "running"
        assert "Shopify is away" in put_off["error"]
        assert put_off["due_at"] > put_off["advanced_at"]
        await due_now(pool)
    await Runner("backfill", pool, at_once).step()
    ended = await row(pool, run_id)
    assert (ended["state"], ended["error"]) == ("succeeded", None)


async def test_a_permanent_failure_ends_the_run_and_says_so(pool: Pool) -> None:
    class Truncated(Permanent):
        """Lines are missing."""

    run_id = await Runs(pool).ask("backfill", asked_by="start")
    await Runner("backfill", pool, failing(Truncated("12 of 13 products"))).step()
    ended = await row(pool, run_id)
    assert (ended["state"], ended["error"]) == ("failed", "Truncated: 12 of 13 products")
    assert await Runs(pool).last("backfill") is None


async def test_a_cancelled_run_stops_soon(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "LOOK_AGAIN", 0.02)
    began, stopped = asyncio.Event(), asyncio.Event()

    async def work(_: Run) -> Mapping[str, object]:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return {}

    asked = Runs(pool)
    run_id = await asked.ask("rebuild", asked_by="operator")
    working = asyncio.create_task(Runner("rebuild", pool, work).step())
    await asyncio.wait_for(began.wait(), 5)
    async with transaction(pool) as connection:
        await connection.execute("UPDATE runs SET state = 'cancelled', finished_at = now() WHERE id = $1", run_id)
    await asyncio.wait_for(working, 5)
    assert stopped.is_set()
    assert (await row(pool, run_id))["state"] == "cancelled"
    gone = Run(run_id, "rebuild", "", {}, None, "operator", *((await row(pool, run_id))["asked_at"],) * 2, attempts=1)
    with pytest.raises(RunCancelled):
        await asked.progress(gone, "copying")


async def test_whoever_loses_its_connection_stops_working(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lock is gone with it: another process may have begun."""
    monkeypatch.setattr(runs, "LOOK_AGAIN", 0.02)
    began, stopped = asyncio.Event(), asyncio.Event()

    async def work(_: Run) -> Mapping[str, object]:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return {}

    run_id = await Runs(pool).ask("rebuild", asked_by="operator")
    working = asyncio.create_task(Runner("rebuild", pool, work).step())
    await asyncio.wait_for(began.wait(), 5)
    async with transaction(pool) as connection:
        holders = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = $1"
        await connection.execute(holders, runs.LOCKS)
    await asyncio.wait({working}, timeout=5)
    assert stopped.is_set()
    assert "PostgresUnavailable" in (await row(pool, run_id))["error"]
    await due_now(pool)
    await Runner("rebuild", pool, at_once).step()
    assert (await row(pool, run_id))["state"] == "succeeded"
