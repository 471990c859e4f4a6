"""What fails, fails alone; what is in doubt waits for an operator; Shopify as a whole is left alone while it fails."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from command_stage import CommandStage, Times, command_stage
from databases import fresh_database
from shop_control import Json
from waiting import eventually

from sandbox.servers import Servers

TIMES = Times(lease=2.0, request=0.4, horizon=0.5)


@pytest.fixture(scope="module")
async def one_stage(
    servers: Servers, postgres_dsn: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[CommandStage]:
    directory = tmp_path_factory.mktemp("stage")
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


async def test_what_shopify_refuses_fails_with_its_words_and_holds_up_nobody(stage: CommandStage) -> None:
    event, other = await stage.new_events(2)
    taken = await stage.edit(event, handle=other["handle"])
    behind, elsewhere = await stage.edit(event, title="behind it"), await stage.edit(other, title="elsewhere")
    states = await stage.ended(taken, behind, elsewhere)
    assert states == ["failed", "succeeded", "succeeded"]
    error = (await stage.job(taken))["error"]
    assert error["errors"][0]["pointer"] == "#/handle"
    assert await stage.verdict() == []


async def test_an_event_without_an_answer_waits_and_the_others_do_not(stage: CommandStage) -> None:
    event, other = await stage.new_events(2)
    await stage.shop.fault("productUpdate", answer="hangs", times=2, match=f'/{event["id"]}"')
    first = await stage.edit(event)
    elsewhere = [await stage.edit(other) for _ in range(3)]
    await stage.ended(*elsewhere)
    assert await stage.states(first) == ["dispatching"]
    assert await stage.ended(first) == ["succeeded"]
    assert await stage.verdict() == []


async def in_doubt(stage: CommandStage, event: Json) -> str:
    """Stock that was moved a day ago without an answer: Shopify has forgotten the key, and a read can't tell."""
    item = event["variants"][0]["inventory_item_id"]
    await stage.shop.fault("inventoryAdjustQuantities", answer="closed", match=f'/{item}"')
    job = await stage.edit_ticket(event, capacity=120)

    async def was_sent() -> bool:
        return bool(await stage.calls(job))

    _: bool = await eventually(was_sent)
    await stage.pool.execute("UPDATE calls SET sent_at = sent_at - interval '1 day' WHERE job_id = $1", UUID(job))
    assert await stage.ended(job) == ["in_doubt"]
    return job


async def test_what_is_in_doubt_is_retried_by_an_operator_and_holds_up_nobody(stage: CommandStage) -> None:
    [event] = await stage.new_events(1)
    job = await in_doubt(stage, event)
    behind = await stage.edit(event)
    assert await stage.ended(behind) == ["succeeded"]
    assert await stage.verdict(excused=[job]) == []
    assert (await stage.shop.product(event["id"]))["variants"][0]["inventory_quantity"] == 120


async def test_an_operator_says_what_became_of_a_job_in_doubt(stage: CommandStage) -> None:
    event, other = await stage.new_events(2)
    done, undone = await in_doubt(stage, event), await in_doubt(stage, other)
    for job, became in ((done, "succeeded"), (undone, "failed")):
        row = await stage.pool.fetchrow("SELECT * FROM job_resolve($1, $2, 'looked at it', NULL)", UUID(job), became)
        assert row is not None
        assert (row["found"], row["done"]) == ("in_doubt", True)
    assert await stage.states(done, undone) == ["succeeded", "failed"]
    assert {(await stage.job(job))["note"] for job in (done, undone)} == {"looked at it"}


async def test_a_job_that_failed_is_retried_behind_what_was_accepted_since(stage: CommandStage) -> None:
    event, other = await stage.new_events(2)
    taken = await stage.edit(event, handle=other["handle"])
    assert await stage.ended(taken) == ["failed"]
    await stage.shop.delete(other["id"])
    later = await stage.edit(event)
    await stage.retry(taken)
    assert await stage.ended(taken, later) == ["succeeded", "succeeded"]
    assert (await stage.shop.product(event["id"]))["handle"] == other["handle"]
    assert await stage.verdict() == []


async def test_a_deleted_event_fails_its_edits_and_is_not_in_doubt(stage: CommandStage) -> None:
    [event] = await stage.new_events(1)
    delete = await stage.accept("event.delete", event)
    assert await stage.ended(delete) == ["succeeded"]
    edit = await stage.edit(event)
    again = await stage.accept("event.delete", event)
    assert await stage.ended(edit, again) == ["failed", "succeeded"]
    assert (await stage.job(edit))["error"]["code"] == "gone"
    assert await stage.verdict() == []
