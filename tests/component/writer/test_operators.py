"""What an operator has retried is carried out, or ends and says why; what was merged into it stands for itself then."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import pytest
from command_stage import CommandStage, Times, command_stage
from databases import fresh_database
from shop_control import Json
from waiting import eventually

from sandbox.servers import Servers
from writer import dispatcher, rests

TIMES = Times(lease=2.0, request=0.4, horizon=0.15)
A_FEW = 12  # requests; a job that goes round and round has hundreds in a second


@pytest.fixture(scope="module")
async def one_stage(
    servers: Servers, postgres_dsn: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[CommandStage]:
    directory = tmp_path_factory.mktemp("stage")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dispatcher, "LOOK", 0.05)
        patch.setattr(rests, "FIRST_REST", 0.05)
        async with (
            fresh_database(postgres_dsn, template_database) as dsn,
            command_stage(servers, dsn, directory, times=TIMES, writers=0) as made,
            made.writer_here(),
        ):
            await made.leads()
            yield made


@pytest.fixture
async def stage(one_stage: CommandStage) -> CommandStage:
    return await one_stage.anew()


async def in_doubt(stage: CommandStage, event: Json) -> tuple[str, str]:
    """A price that was merged into a capacity, whose stock was moved a day ago without an answer. Both are in doubt."""
    item = event["variants"][0]["inventory_item_id"]
    await stage.shop.fault("inventoryAdjustQuantities", answer="closed", match=f'/{item}"')
    async with at_a_standstill(stage):
        member = await stage.edit_ticket(event, price="30.00")
        leader = await stage.edit_ticket(event, capacity=130)
    await sent(stage, leader)
    await stage.pool.execute("UPDATE calls SET sent_at = sent_at - interval '1 day' WHERE job_id = $1", UUID(leader))
    assert await stage.ended(member, leader) == ["in_doubt", "in_doubt"]
    assert str((await stage.job(member))["superseded_by"]) == leader
    return member, leader


async def test_what_was_merged_into_a_job_in_doubt_is_retried_for_itself_and_what_is_behind_it_too(
    stage: CommandStage,
) -> None:
    [event] = await stage.new_events(1)
    member, leader = await in_doubt(stage, event)
    await stage.retry(member)
    behind = await stage.edit(event, title="behind it")
    assert await stage.ended(member, behind) == ["succeeded", "succeeded"]
    assert await stage.states(leader) == ["in_doubt"]
    product = await stage.shop.product(event["id"])
    assert (product["title"], product["variants"][0]["price"]) == ("behind it", "30.00")


async def test_a_retry_that_is_still_in_doubt_ends_there_and_what_is_behind_it_goes_on(stage: CommandStage) -> None:
    [event] = await stage.new_events(1)
    member, leader = await in_doubt(stage, event)
    asked = await requests(stage)
    await stage.retry(leader)
    behind = await stage.edit(event)
    assert await stage.ended(leader, behind) == ["in_doubt", "succeeded"]
    assert await requests(stage) - asked <= A_FEW
    assert (await stage.shop.product(event["id"]))["variants"][0]["inventory_quantity"] == 130  # it was moved once
    assert await stage.states(member) == ["in_doubt"]
    assert (await stage.job(member))["superseded_by"] is None


async def test_the_retry_of_a_merged_job_whose_event_is_gone_ends(stage: CommandStage) -> None:
    [event] = await stage.new_events(1)
    await stage.shop.fault("productUpdate", effect="none", answer="closed", match=f'/{event["id"]}"')
    async with at_a_standstill(stage):
        member, leader = await stage.edit(event, title="one"), await stage.edit(event, title="two")
    await sent(stage, leader)
    await stage.shop.delete(event["id"])
    assert await stage.ended(member, leader) == ["failed", "failed"]
    assert str((await stage.job(member))["superseded_by"]) == leader
    asked = await requests(stage)
    await stage.retry(leader)
    assert await stage.ended(leader) == ["failed"]
    await stage.retry(member)
    assert await stage.ended(member) == ["failed"]
    assert {(await stage.job(job))["error"]["code"] for job in (member, leader)} == {"gone"}
    assert await requests(stage) - asked <= A_FEW


async def test_a_retry_that_is_committed_while_a_later_edit_is_under_way_blocks_nothing(stage: CommandStage) -> None:
    """Its place in the order is before the edit's, which has begun: that goes first."""
    event, other = await stage.new_events(2)
    retried = await stage.edit(event, handle=other["handle"])
    assert await stage.ended(retried) == ["failed"]
    await stage.shop.delete(other["id"])
    await stage.shop.fault("productUpdate", answer="hangs", effect="none", match=f'/{event["id"]}"')
    async with stage.pool.acquire() as operator, operator.transaction():
        await operator.execute("SELECT job_retry($1, 'looked at it')", UUID(retried))
        second = await stage.edit(event)
        await sent(stage, second)
    third = await stage.edit(event)
    assert await stage.ended(retried, second, third) == ["succeeded", "succeeded", "succeeded"]


async def test_a_retry_takes_its_place_in_the_order_as_whoever_accepts_a_command(stage: CommandStage) -> None:
    event, other = await stage.new_events(2)
    job = await stage.edit(event, handle=other["handle"])
    assert await stage.ended(job) == ["failed"]
    async with stage.pool.acquire() as operator, stage.pool.acquire() as client, client.transaction():
        async with operator.transaction():
            await operator.execute("SELECT job_retry($1, 'looked at it')", UUID(job))
            assert not await client.fetchval("SELECT pg_try_advisory_xact_lock($1)", event["id"])
            assert await client.fetchval("SELECT pg_try_advisory_xact_lock($1)", other["id"])
        assert await client.fetchval("SELECT pg_try_advisory_xact_lock($1)", event["id"])
    assert await stage.ended(job) == ["failed"]


async def test_what_became_of_a_job_in_doubt_became_of_what_was_merged_into_it(stage: CommandStage) -> None:
    [event] = await stage.new_events(1)
    member, leader = await in_doubt(stage, event)
    assert await resolve(stage, leader, "succeeded")
    assert await stage.states(member, leader) == ["superseded", "succeeded"]
    assert (await stage.job(leader))["error"] is None
    assert not await resolve(stage, member, "failed")


async def test_what_was_merged_into_a_job_that_succeeded_after_all_has_no_error(stage: CommandStage) -> None:
    [event] = await stage.new_events(1)
    member, leader = await in_doubt(stage, event)
    assert await resolve(stage, leader, "succeeded")
    assert (await stage.job(member))["error"] is None


async def test_what_became_of_a_merged_job_says_nothing_of_the_one_that_carried_it(stage: CommandStage) -> None:
    [event] = await stage.new_events(1)
    member, leader = await in_doubt(stage, event)
    assert await resolve(stage, member, "failed")
    assert await stage.states(member, leader) == ["failed", "in_doubt"]
    assert await resolve(stage, leader, "succeeded")
    assert await stage.states(member, leader) == ["failed", "succeeded"]


async def test_a_capacity_behind_one_that_is_in_doubt_fails_and_nothing_is_sold_twice(stage: CommandStage) -> None:
    [event] = await stage.new_events(1)
    ticket = event["variants"][0]
    _, doubtful = await in_doubt(stage, event)
    await stage.shop.sell(ticket["id"], 10)
    behind = await stage.edit_ticket(event, capacity=140)
    assert await stage.ended(behind) == ["failed"]
    error = (await stage.job(behind))["error"]
    assert error["code"] == "stock_in_doubt"
    assert doubtful in error["message"]
    assert await available(stage, event) == 120
    # An operator looks, puts it right, and says so: then it is carried out, and what was sold is not sold again.
    known = {"namespace": "ticket", "key": "capacity", "type": "number_integer", "value": "130"}
    await stage.shop.edit(event["id"], variants=[{"id": ticket["id"], "metafields": [known]}])
    assert await resolve(stage, doubtful, "succeeded")
    await stage.retry(behind)
    assert await stage.ended(behind) == ["succeeded"]
    assert await available(stage, event) == 130
    assert len(await stage.shop.journal("inventoryAdjustQuantities", after=stage.since)) == 2


# As a client, as an operator, as a merchant


@asynccontextmanager
async def at_a_standstill(stage: CommandStage) -> AsyncIterator[None]:
    """Nothing that is accepted in the block is begun before its end."""
    async with stage.pool.acquire() as connection, connection.transaction():
        # Whoever begins a job proves that the lease is its own, and that waits for this lock.
        await connection.execute("SELECT FROM dispatcher FOR UPDATE")
        yield


async def sent(stage: CommandStage, job: str) -> None:
    async def was_sent() -> bool:
        return bool(await stage.calls(job))

    _: bool = await eventually(was_sent)


async def resolve(stage: CommandStage, job: str, became: str) -> bool:
    done: bool = await stage.pool.fetchval(
        "SELECT done FROM job_resolve($1, $2, 'looked at it', NULL)", UUID(job), became
    )
    return done


async def available(stage: CommandStage, event: Json) -> int:
    [ticket] = (await stage.shop.product(event["id"]))["variants"]
    return int(ticket["inventory_quantity"])


async def requests(stage: CommandStage) -> int:
    """How many Shopify ever had."""
    return int((await stage.shop.state())["requests"]["requests"])
