"""A reconcile ends when what it asked for was read and projected; it waits within bounds, and says for what."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from products import PRODUCT, Product, by_webhook
from waiting import eventually

from shared.postgres import transaction
from syncer.reconcile import settling as module
from syncer.reconcile.doubts import Doubts
from syncer.reconcile.reports import Reports
from syncer.reconcile.settling import ProjectionPending, ReadsPending, Settling
from syncer.runs import Run, Runs
from syncer.store import want

STATE = "SELECT stage, done, expected FROM runs WHERE id = $1"


@dataclass
class Line:
    """What waits on the bus."""

    waiting: int = 0

    async def last(self) -> int:
        return 100

    async def behind(self, target: int) -> int:
        assert target == 100
        return self.waiting


@pytest.fixture
async def run(pool) -> Run:
    await Runs(pool).ask("reconcile", "window", asked_by="operator")
    async with transaction(pool) as connection:
        row = await connection.fetchrow(
            "UPDATE runs SET state = 'running', started_at = now() "
            "RETURNING id, kind, scope, options, cursor, asked_by, asked_at, started_at, attempts"
        )
    return Run(**row)


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def settling(pool, line) -> Settling:
    return Settling(Runs(pool), Doubts(pool), line, 0.0)


async def said(pool, run) -> tuple[Any, ...]:
    async with transaction(pool) as connection:
        return tuple(await connection.fetchrow(STATE, run.id))


async def test_nothing_to_wait_for_is_no_wait(settling, run):
    await settling.answered(run)
    await settling.projected(run)


async def test_it_waits_until_the_last_doubt_is_answered_and_says_how_many_there_are(pool, books, settling, run):
    await Doubts(pool).named([1, 2, 3])
    waiting = asyncio.create_task(settling.answered(run))
    await eventually(lambda: _says(pool, run, ("reading", 0, 3)))
    await books.rows("DELETE FROM refetches WHERE id = 1 RETURNING id")
    await eventually(lambda: _says(pool, run, ("reading", 1, 3)))
    assert not waiting.done()
    await books.rows("DELETE FROM refetches RETURNING id")
    await asyncio.wait_for(waiting, 5)


async def _says(pool, run, expected) -> bool:
    return await said(pool, run) == expected


async def test_doubts_that_nobody_answers_end_the_wait(pool, settling, run, monkeypatch):
    monkeypatch.setattr(settling, "_stalled", 0.3)
    await Doubts(pool).named([1])
    with pytest.raises(ReadsPending, match="1 product"):
        await settling.answered(run)


async def test_a_doubt_whose_reads_fail_again_and_again_holds_nobody_and_is_named(pool, books, settling, run):
    await Doubts(pool).named([1, 2])
    refused = (
        "UPDATE refetches SET error = 'no', attempts = $2, due_at = now() + interval '300 s' WHERE id = $1 RETURNING id"
    )
    await books.rows(refused, 1, 5)
    await books.rows(refused, 2, 1)
    waiting = asyncio.create_task(settling.answered(run))
    await eventually(lambda: _says(pool, run, ("reading", 0, 1)))
    due = await books.rows("SELECT id FROM refetches WHERE due_at < now() + interval '10 s'")
    assert [row["id"] for row in due] == [2], "what the run waits for is tried again soon"
    await books.rows(refused, 2, 5)
    await asyncio.wait_for(waiting, 5)
    assert (await Reports(pool).of(run, None, 0))["unread"] == [1, 2]
    assert await books.wanted() == {("doubt", 1): "reconcile", ("doubt", 2): "reconcile"}


@pytest.mark.parametrize("claim", ["export", "reconcile", "rebuild"])
async def test_a_read_that_a_run_waits_for_keeps_its_reason_whoever_asks_later(pool, books, claim):
    async def ask(reason: str) -> None:
        async with transaction(pool) as connection:
            await want(connection, "product", PRODUCT, reason, datetime.now(UTC))

    await ask("tie")
    await books.rows("UPDATE refetches SET attempts = 9, error = 'no' RETURNING id")
    await ask(claim)
    assert await books.wanted() == {("product", PRODUCT): claim}
    assert await books.rows("SELECT attempts FROM refetches") == [{"attempts": 0}], (
        "what failed before counts for nothing"
    )
    await books.project(by_webhook(Product()))
    await ask("tie")
    assert await books.wanted() == {("product", PRODUCT): claim}


async def test_changes_that_are_not_projected_end_the_wait(settling, run, line, monkeypatch):
    monkeypatch.setattr(module, "PROJECTED_WITHIN", 0.3)
    line.waiting = 7
    with pytest.raises(ProjectionPending, match="7"):
        await settling.projected(run)


async def test_whoever_reads_the_doubts_is_woken(pool, line, run):
    woken = asyncio.Event()
    await Settling(Runs(pool), Doubts(pool), line, 0.0, woken.set).answered(run)
    assert woken.is_set()
