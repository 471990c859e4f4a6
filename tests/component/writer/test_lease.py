"""One dispatcher at a time: the lease, its epoch, and what a holder may still do that has lost it."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from waiting import eventually

from shared.migrations import migrate
from shared.postgres import PostgresUnavailable, close, connect
from shared.settings import PostgresSettings
from shared.shopify.clock import Clock
from writer.lease import Lease, LeaseLost, holding

SHORT = 0.5  # seconds

Pool = asyncpg.Pool


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    await migrate(database, "writer")
    settings = PostgresSettings(postgres_dsn=database, postgres_pool_size=4)
    made = await connect(settings, "test", longest_pause=0.3)
    yield made
    await close(made)


async def test_one_of_two_has_it(pool: Pool) -> None:
    one, other = Lease(pool, 30.0), Lease(pool, 30.0)
    await one.step()
    await other.step()
    assert (one.held, one.epoch) == (True, 1)
    assert not other.held


async def test_who_renews_keeps_the_epoch(pool: Pool) -> None:
    lease = Lease(pool, 30.0)
    await lease.step()
    before = lease.left()
    await lease.step()
    assert lease.epoch == 1
    assert lease.left() >= before - 0.1


async def test_it_passes_on_when_its_holder_is_silent_and_with_a_higher_epoch(pool: Pool) -> None:
    one, other = Lease(pool, SHORT), Lease(pool, 30.0)
    await one.step()

    async def taken() -> bool:
        await other.step()
        return other.held

    _: bool = await eventually(taken, 5.0, saying="the lease was taken over")
    assert other.epoch == 2
    await one.step()
    assert not one.held


async def test_who_let_it_expire_begins_a_new_epoch_though_nobody_took_it(pool: Pool) -> None:
    lease = Lease(pool, SHORT)
    await lease.step()

    async def expired() -> bool:
        return not lease.held

    _: bool = await eventually(expired, 5.0, saying="it expired")
    await lease.step()
    assert (lease.held, lease.epoch) == (True, 2)


async def test_what_is_left_counts_from_before_it_was_asked_for(pool: Pool) -> None:
    now = 100.0

    def clock() -> float:
        nonlocal now
        now += 1.0  # a second goes by at every look
        return now

    lease = Lease(pool, 30.0, Clock(monotonic=clock))
    await lease.step()
    assert lease.left() <= 29.0


async def test_given_back_it_is_there_for_the_next_at_once(pool: Pool) -> None:
    one, other = Lease(pool, 30.0), Lease(pool, 30.0)
    await one.step()
    await one.release()
    await other.step()
    assert not one.held
    assert (other.held, other.epoch) == (True, 2)


async def test_without_the_lease_no_transition_is_written(pool: Pool) -> None:
    one, other = Lease(pool, 30.0), Lease(pool, 30.0)
    await one.step()
    await one.release()
    await other.step()
    with pytest.raises(LeaseLost):
        async with holding(pool, one.epoch):
            raise AssertionError("it was let in")
    async with holding(pool, other.epoch) as connection:
        assert await connection.fetchval("SELECT 1") == 1


async def test_the_next_holder_waits_for_a_transition_under_way(pool: Pool) -> None:
    """Else it would look for open jobs, and miss the one that is being begun."""
    one, other = Lease(pool, 0.3), Lease(pool, 30.0)
    await one.step()
    async with holding(pool, one.epoch) as connection:
        taking = asyncio.create_task(take(other))
        await connection.execute("SELECT pg_sleep(0.6)")  # the lease is over, this transaction is not
        assert not other.held
    await taking
    assert other.epoch == 2


async def test_a_process_that_is_stopped_in_a_transition_does_not_keep_the_lease(pool: Pool) -> None:
    """Its locks are taken from it; the pool's `longest_pause` says when."""
    one, other = Lease(pool, 0.2), Lease(pool, 30.0)
    await one.step()
    begun, resumed = asyncio.Event(), asyncio.Event()

    async def stand_still() -> None:
        async with holding(pool, one.epoch):
            begun.set()
            await resumed.wait()

    stopped = asyncio.create_task(stand_still())
    await begun.wait()
    async with asyncio.timeout(5):
        await take(other)
    assert other.epoch == 2
    resumed.set()
    with pytest.raises(PostgresUnavailable):
        await stopped


async def take(lease: Lease) -> None:
    while not lease.held:
        await lease.step()
