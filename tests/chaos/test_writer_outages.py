"""A server that is away loses no command and doubles none: the column of commands in ARCHITECTURE.md."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from command_stage import CommandStage, Times, command_stage
from databases import fresh_database
from lines import Line, line
from waiting import eventually

from sandbox.servers import Servers

TIMES = Times(lease=1.0, request=0.5, horizon=0.5)
EVENTS = 4
BACK_WITHIN = 20.0  # seconds


@pytest.fixture(scope="module")
async def one_stage(
    servers: Servers, postgres_dsn: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[CommandStage]:
    directory = tmp_path_factory.mktemp("stage")
    async with (
        fresh_database(postgres_dsn, template_database) as dsn,
        command_stage(servers, dsn, directory, times=TIMES, writers=0) as made,
    ):
        yield made


@pytest.fixture
async def stage(one_stage: CommandStage) -> CommandStage:
    return await one_stage.anew()


@asynccontextmanager
async def reached_by(stage: CommandStage, variable: str) -> AsyncIterator[Line]:
    """A writer that reaches one of the servers over a line of its own, and leads."""
    async with line(stage.environment[variable]) as own, stage.writer_here(**{variable.lower(): own.url}):
        await stage.leads()
        yield own


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    _: bool = await eventually(condition, BACK_WITHIN)


async def edit_all(stage: CommandStage) -> list[str]:
    return [await stage.edit(event) for event in stage.events.values()]


async def announced(stage: CommandStage) -> bool:
    return not await stage.pool.fetchval("SELECT count(*) FROM jobs WHERE version > announced")


@pytest.mark.bench  # measures nothing; takes its time
async def test_without_redis_commands_are_dispatched(stage: CommandStage) -> None:
    await stage.new_events(EVENTS)
    async with reached_by(stage, "REDIS_URL") as redis:
        await stage.ended(*await edit_all(stage))
        await redis.close()
        assert set(await stage.ended(*await edit_all(stage))) == {"succeeded"}
        await redis.open()
        assert set(await stage.ended(*await edit_all(stage))) == {"succeeded"}
    assert await stage.verdict() == []


async def test_without_nats_commands_are_dispatched_and_announced_when_it_is_back(stage: CommandStage) -> None:
    await stage.new_events(EVENTS)
    async with reached_by(stage, "NATS_URL") as nats:
        await stage.ended(*await edit_all(stage))
        await nats.close()
        assert set(await stage.ended(*await edit_all(stage))) == {"succeeded"}
        assert await stage.unannounced()
        await nats.open()
        await stage.announced(BACK_WITHIN)
    assert await stage.verdict() == []


async def test_postgresql_that_goes_away_under_a_call_makes_no_second_effect(stage: CommandStage) -> None:
    await stage.new_events(EVENTS)
    await stage.shop.turn(latency_min=0.2, latency_max=0.2)
    async with reached_by(stage, "POSTGRES_DSN") as postgres:
        await edit_all(stage)
        event = next(iter(stage.events.values()))
        await stage.accept("ticket.create", event, name="VIP", price="9.00", capacity=9)
        await stage.edit_ticket(event, capacity=150)

        async def under_way() -> bool:
            return bool(await stage.pool.fetchval("SELECT count(*) FROM calls WHERE outcome IS NULL"))

        await until(under_way)
        await postgres.close()

        async def effects() -> bool:
            return bool(await stage.effects())

        await until(effects)
        await postgres.open()
        assert set(await stage.ended(within=BACK_WITHIN)) == {"succeeded"}
    assert await stage.verdict() == []


async def test_shopify_that_is_away_delays_commands_and_no_more(stage: CommandStage) -> None:
    await stage.new_events(EVENTS)
    async with reached_by(stage, "SHOPIFY_ADMIN_URL") as shopify:
        await stage.ended(*await edit_all(stage))
        await shopify.close()
        jobs = await edit_all(stage)

        async def is_open() -> bool:
            return bool(await stage.pool.fetchval("SELECT breaker_until > clock_timestamp() FROM dispatcher"))

        await until(is_open)
        assert set(await stage.states(*jobs)) <= {"queued", "dispatching"}
        await shopify.open()
        assert set(await stage.ended(*jobs, within=BACK_WITHIN)) == {"succeeded"}
    assert await stage.verdict() == []
