"""Commands of one event: in their order, several edits at the cost of one, and each job says what became of it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from command_stage import CommandStage, Times, command_stage

from sandbox.servers import Servers


@pytest.fixture
async def stage(servers: Servers, database: str, tmp_path: Path) -> AsyncIterator[CommandStage]:
    """Its writer isn't started: what is accepted waits."""
    async with command_stage(servers, database, tmp_path, times=Times(lease=3.0, request=2.0), writers=0) as made:
        yield made


async def test_ten_edits_of_one_event_cost_one_mutation_and_each_says_what_became_of_it(stage: CommandStage) -> None:
    [event] = await stage.new_events(1)
    jobs = [
        await stage.edit(event, None, title=f"#{number}", **{FIELDS[number]: f"of {number}"}) for number in range(10)
    ]
    async with stage.writer_here():
        assert await stage.ended() == ["superseded"] * 9 + ["succeeded"]
    assert [entry["action"] for entry in await stage.shop.journal()] == ["productUpdate"]
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
    assert [entry["action"] for entry in await stage.shop.journal()] == [
        "productUpdate", "productUpdate", "productUpdate", "productUpdate", "publishablePublish",
        "productVariantsBulkUpdate", "productUpdate",
    ]  # fmt: skip


async def test_many_events_are_edited_at_once_and_one_event_one_after_the_other(stage: CommandStage) -> None:
    await stage.shop.turn(latency_min=0.4, latency_max=0.4)
    events = await stage.new_events(8)
    for event in events:
        await stage.edit(event)
        await stage.accept("event.unpublish", event)
    async with stage.writer_here():
        await stage.ended()
    assert await stage.verdict() == []
    calls = [call for given in stage.given for call in await stage.calls(given.job)]
    span = max(call["answered_at"] for call in calls) - min(call["sent_at"] for call in calls)
    assert span.total_seconds() < len(calls) * 0.4 / 4


async def test_a_cancelled_command_has_no_effect_and_those_behind_it_do(stage: CommandStage) -> None:
    [event] = await stage.new_events(1)
    first, second, third = [await stage.edit(event, title=f"#{number}") for number in range(3)]
    assert await stage.pool.fetchval("SELECT done FROM job_cancel($1::text::uuid)", second)
    async with stage.writer_here():
        await stage.ended()
        assert not await stage.pool.fetchval("SELECT done FROM job_cancel($1::text::uuid)", third)
    assert await stage.states(first, second, third) == ["superseded", "cancelled", "succeeded"]
    assert await stage.verdict() == []
