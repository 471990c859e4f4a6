"""The dispatcher keeps its head: while Shopify is down, when it is stopped, when it breaks, when PostgreSQL blinks."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
from command_stage import CommandStage, Times, command_stage
from databases import fresh_database
from waiting import eventually

from sandbox.servers import Servers
from sandbox.shopify.serving import serving
from shared import loops
from shared.migrations import migrate
from shared.postgres import PostgresBusy, close, connect
from shared.settings import PostgresSettings
from writer import breaker, dispatcher, rests
from writer.app import DISPATCH_POOL, create_app
from writer.dispatcher import MOST_BREAKS
from writer.execution import Checkpoint
from writer.lease import Lease, holding
from writer.procedures.steps import MOST_WRITES
from writer.settings import WriterSettings

TIMES = Times(lease=6.0, request=0.4, horizon=0.1)
AT_ONCE = 2  # requests under way; as many as wait for their turn are under way as executions, too
PROBE = "shop"


@pytest.fixture(scope="module")
async def one_stage(
    servers: Servers, postgres_dsn: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[CommandStage]:
    directory = tmp_path_factory.mktemp("stage")
    async with (
        fresh_database(postgres_dsn, template_database) as dsn,
        command_stage(servers, dsn, directory, times=TIMES, writers=1, SHOPIFY_MAX_IN_FLIGHT=str(AT_ONCE)) as made,
    ):
        yield made


@pytest.fixture
async def stage(one_stage: CommandStage, monkeypatch: pytest.MonkeyPatch) -> CommandStage:
    """Of a dispatcher that is in a hurry."""
    monkeypatch.setattr(dispatcher, "LOOK", 0.05)
    monkeypatch.setattr(rests, "FIRST_REST", 0.02)
    monkeypatch.setattr(rests, "LONGEST_REST", 0.05)
    return await one_stage.anew()


@asynccontextmanager
async def writer(stage: CommandStage, at: Checkpoint) -> AsyncIterator[None]:
    known = {name.lower(): value for name, value in stage.environment.items()}
    settings: dict[str, Any] = {name: value for name, value in known.items() if name in WriterSettings.model_fields}
    async with serving(create_app(WriterSettings(**settings), at=at)):
        yield


# Shopify is down


async def test_while_shopify_fails_commands_wait_and_only_the_cheapest_query_is_asked(
    stage: CommandStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that was burnt on each probe was in doubt after a while, with nothing wrong but the weather."""
    monkeypatch.setattr(breaker, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(breaker, "LONGEST_PAUSE", 0.05)
    events = await stage.new_events(20)
    async with stage.writer_here():
        await stage.ended(await stage.edit(events[0]))
        await stage.shop.fails_before(times=1000)
        await stage.shop.fault(query=PROBE, effect="none", answer="error", status=503, times=1000)
        jobs = [await stage.edit(event) for event in events]
        _: bool = await eventually(lambda: is_probed(stage, 1), 10.0)
        before = await burnt(stage)
        _ = await eventually(lambda: is_probed(stage, MOST_WRITES + 5), 10.0)
        assert await burnt(stage) == before
        # What is answered while the failure before it is written down has been sent already.
        assert before <= breaker.THRESHOLD + 2 * AT_ONCE < len(events)
        assert set(await stage.states(*jobs)) <= {"queued", "dispatching"}
        assert "503" in (await told(stage))["breaker_reason"]
        await stage.shop.clear_faults()
        assert await stage.ended(*jobs) == ["succeeded"] * len(jobs)
        assert (await told(stage))["breaker_reason"] is None
    assert await stage.verdict() == []


async def test_a_shop_that_is_not_ready_is_asked_now_and_then_and_clients_are_told_why(
    stage: CommandStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loops, "FIRST_PAUSE", 0.1)
    location = await stage.shop.add_location("Hall")
    await stage.shop.close_location(location)
    [event] = await stage.new_events(1)
    began, before = time.monotonic(), await stage.shop.state()
    async with stage.writer_here(shopify_location_id=location):
        job = await stage.edit(event)

        async def three_looks() -> bool:
            asked: int = (await stage.shop.state())["requests"]["requests"]
            return asked - int(before["requests"]["requests"]) >= 9

        _: bool = await eventually(three_looks)
        took, after = time.monotonic() - began, await stage.shop.state()
        assert took > 0.1 + 0.2
        assert after["points_spent"] - before["points_spent"] < 100
        reason: str = await eventually(lambda: breaker_reason(stage))
        assert f"SHOPIFY_LOCATION_ID is {location}" in reason
        assert await stage.states(job) == ["queued"]
        await stage.shop.open_location(location)
        assert await stage.ended(job) == ["succeeded"]
        assert (await told(stage))["breaker_reason"] is None
    await stage.shop.close_location(location)


async def is_probed(stage: CommandStage, times: int) -> bool:
    return sum(PROBE in one["fields"] for one in await stage.shop.struck()) >= times


async def burnt(stage: CommandStage) -> int:
    """Mutations that were sent in vain."""
    return sum(PROBE not in one["fields"] for one in await stage.shop.struck())


async def told(stage: CommandStage) -> dict[str, Any]:
    row = await stage.pool.fetchrow("SELECT * FROM dispatcher")
    assert row is not None
    return dict(row)


async def breaker_reason(stage: CommandStage) -> str:
    return (await told(stage))["breaker_reason"] or ""


# It is stopped


async def test_a_stop_under_load_leaves_nothing_unknown_and_the_next_writer_goes_on_at_once(
    stage: CommandStage,
) -> None:
    await stage.shop.turn(latency_min=0.1, latency_max=0.2)
    [one] = stage.writers
    events = await stage.new_events(20)
    for event in events:
        await stage.edit(event)
    await stage.start(one)

    async def under_load() -> bool:
        under_way = "SELECT count(*) FROM calls WHERE outcome IS NULL AND gave_up_at IS NULL"
        return bool(await stage.pool.fetchval(under_way)) and await ended(stage) > 2

    _: bool = await eventually(under_load, 10.0)
    epoch = await stage.epoch()
    assert await asyncio.to_thread(one.process.stop, 10.0)
    assert await stage.pool.fetchval("SELECT expires_at = '-infinity' FROM dispatcher")
    mine = await stage.pool.fetch("SELECT * FROM calls WHERE epoch = $1", epoch)
    assert 0 < len(mine) < len(events)
    assert [row for row in mine if row["outcome"] is None and row["gave_up_at"] is None] == []
    await stage.shop.turn(latency_min=0, latency_max=0)
    async with stage.writer_here():
        assert set(await stage.ended(within=TIMES.lease)) == {"succeeded"}
    assert await stage.epoch() == epoch + 1
    assert await stage.verdict() == []


async def ended(stage: CommandStage) -> int:
    states = await stage.states(*(given.job for given in stage.given))
    return states.count("succeeded")


# It breaks


class Hiccups:
    """What comes in the way of the next calls, one each; afterwards, nothing."""

    def __init__(self, *errors: Exception) -> None:
        self.left = list(errors)

    async def __call__(self, step: str, _job: UUID) -> None:
        if step == "before intent" and self.left:
            raise self.left.pop(0)


def ordinary() -> list[Exception]:
    return [PostgresBusy("deadlock detected") for _ in range(MOST_BREAKS)]


def unexpected(times: int) -> list[Exception]:
    return [RuntimeError("nobody expected that") for _ in range(times)]


async def test_one_unexpected_error_after_ordinary_failures_ends_no_job(stage: CommandStage) -> None:
    [event] = await stage.new_events(1)
    hiccups = Hiccups(*ordinary(), *unexpected(MOST_BREAKS - 1), *ordinary(), *unexpected(1))
    async with writer(stage, hiccups):
        assert await stage.ended(await stage.edit(event)) == ["succeeded"]
    assert hiccups.left == []
    assert await stage.verdict() == []


async def test_unexpected_errors_one_after_the_other_end_a_job_with_words_and_hold_up_nobody(
    stage: CommandStage,
) -> None:
    [event] = await stage.new_events(1)
    hiccups = Hiccups(*unexpected(MOST_BREAKS))
    async with writer(stage, hiccups):
        job = await stage.edit(event)
        assert await stage.ended(job) == ["failed"]
        assert hiccups.left == []
        error = (await stage.job(job))["error"]
        assert (error["code"], error["message"]) == ("broke", "it broke again and again; the writer's log says where")
        assert await stage.ended(await stage.edit(event)) == ["succeeded"]
    assert await stage.verdict() == []


# PostgreSQL blinks


async def test_an_answer_in_hand_is_written_down_though_every_connection_broke_meanwhile(stage: CommandStage) -> None:
    [event] = await stage.new_events(1)
    broken: list[int] = []

    async def at(step: str, _job: UUID) -> None:
        if step == "after call" and not broken:
            broken.append(
                await stage.pool.fetchval(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                    " WHERE application_name LIKE 'writer%' AND datname = current_database()"
                )
            )

    async with writer(stage, at):
        job = await stage.edit(event)
        assert await stage.ended(job) == ["succeeded"]
    assert broken[0] >= 2
    [call] = await stage.calls(job)
    assert (call["outcome"], call["gave_up_at"], call["late"]) == ("done", None, False)
    assert await stage.verdict() == []


async def test_the_lease_is_renewed_under_transitions_and_taken_over_only_after_them(database: str) -> None:
    await migrate(database, "writer")
    settings = PostgresSettings(postgres_dsn=database, postgres_pool_size=DISPATCH_POOL)
    async with AsyncExitStack() as stack:
        pool = await connect(settings, "dispatch")
        stack.push_async_callback(close, pool)
        leases = await connect(settings.model_copy(update={"postgres_pool_size": 3}), "lease")
        stack.push_async_callback(close, leases)
        one, other = Lease(leases, 30.0), Lease(leases, 30.0)
        await one.step()
        before = one.left()
        async with AsyncExitStack() as transitions:
            for _ in range(DISPATCH_POOL):
                await transitions.enter_async_context(holding(pool, one.epoch))
            async with asyncio.timeout(2):
                await one.step()
            assert (one.held, one.epoch) == (True, 1)
            assert one.left() > before - 2
            await leases.execute("UPDATE dispatcher SET expires_at = '-infinity'")
            taking = asyncio.create_task(other.step())
            waiting = (
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'lease' AND wait_event_type = 'Lock'"
            )
            assert await eventually(lambda: leases.fetchval(waiting)) == 1
            assert not other.held
        await taking
    assert (other.held, other.epoch) == (True, 2)
