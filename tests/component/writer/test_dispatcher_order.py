"""Commands of one event: in their order, several edits at the cost of one, and each job says what became of it."""

from collections.abc import AsyncIterator

import pytest
from command_stage import CommandStage, Times, command_stage
from databases import fresh_database
from shop_control import Json

from sandbox.servers import Servers

TIMES = Times(lease=3.0, request=2.0)


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


async def test_ten_edits_of_one_event_cost_one_mutation_and_each_says_what_became_of_it(stage: CommandStage) -> None:
    [event] = await stage.new_events(1)
    jobs = [
        await stage.edit(event, None, title=f"#{number}", **{FIELDS[number]: f"of {number}"}) for number in range(10)
    ]
    async with stage.writer_here():
        assert await stage.ended() == ["superseded"] * 9 + ["succeeded"]
    assert await stage.effects() == ["productUpdate"]
    assert {str((await stage.job(job))["superseded_by"]) for job in jobs[:9]} == {jobs[9]}
    assert await stage.verdict() == []


FIELDS = ("subtitle", "organizer", "venue_name", "venue_city", "category") * 2


async def test_a_publish_does_not_overtake_an_edit_nor_an_edit_a_publish(stage: CommandStage) -> None:
    [event] = await stage.new_events(1)
    edits = [await stage.edit(event), await stage.edit(event)]
    draft = await stage.accept("event.unpublish", event)
    later = [await stage.edit(event), await stage.edit(event)]
    publish = await stage.accept("event.publish", event)
    price = [await stage.edit_ticket(event, price="30.00"), await stage.edit_ticket(event, price="31.00")]
    last = await stage.edit(event)
    async with stage.writer_here():
        await stage.ended()
    assert await stage.states(*edits, draft, *later, publish, *price, last) == [
        "superseded", "succeeded", "succeeded", "superseded", "succeeded", "succeeded", "superseded", "succeeded",
        "succeeded",
    ]  # fmt: skip
    assert await stage.verdict() == []
    assert await stage.effects() == [
        "productUpdate", "productUpdate", "productUpdate", "productUpdate", "publishablePublish",
        "productVariantsBulkUpdate", "productUpdate",
    ]  # fmt: skip


async def test_many_events_are_edited_at_once_and_one_event_one_after_the_other(stage: CommandStage) -> None:
    await stage.shop.turn(latency_min=0.2, latency_max=0.2)
    events = await stage.new_events(6)
    for event in events:
        await stage.edit(event)
        await stage.accept("event.unpublish", event)
    async with stage.writer_here():
        await stage.ended()
    await stage.shop.turn(latency_min=0, latency_max=0)
    assert await stage.verdict() == []
    calls = [(given, call) for given in stage.given for call in await stage.calls(given.job)]
    at_once = max(len({one.event_id for one, other in calls if _overlap(other, call)}) for _, call in calls)
    assert at_once > len(events) / 2
    alike = [(call, other) for one, call in calls for two, other in calls if one.event_id == two.event_id]
    assert not any(_overlap(call, other) for call, other in alike if call is not other)


def _overlap(call: Json, other: Json) -> bool:
    """Whether both were under way at some moment."""
    return bool(call["sent_at"] < other["answered_at"] and other["sent_at"] < call["answered_at"])


async def test_a_cancelled_command_has_no_effect_and_those_behind_it_do(stage: CommandStage) -> None:
    [event] = await stage.new_events(1)
    first, second, third = [await stage.edit(event, title=f"#{number}") for number in range(3)]
    assert await stage.pool.fetchval("SELECT done FROM job_cancel($1::text::uuid)", second)
    async with stage.writer_here():
        await stage.ended()
        assert not await stage.pool.fetchval("SELECT done FROM job_cancel($1::text::uuid)", third)
    assert await stage.states(first, second, third) == ["superseded", "cancelled", "succeeded"]
    assert await stage.verdict() == []


async def test_edits_that_were_merged_with_a_bad_one_are_tried_alone(stage: CommandStage) -> None:
    event, other = await stage.new_events(2)
    good = await stage.edit(event, title="good")
    bad = await stage.edit(event, handle=other["handle"])
    last = await stage.edit(event, subtitle="last")
    async with stage.writer_here():
        assert await stage.ended(good, bad, last) == ["succeeded", "failed", "succeeded"]
    assert await stage.verdict() == []
