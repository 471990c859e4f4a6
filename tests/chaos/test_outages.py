"""A server that is away holds up as little as it must, loses nothing, and nobody is shown what was older."""

import asyncio

from waiting import eventually
from whole_system import Running
from witness import readers

EDITED = 5  # events
EDITS = 20  # in each phase
VISIBLE_WITHIN = 10.0  # seconds, with a server away on a busy machine
BACK_WITHIN = 30.0  # seconds for everything that waited
AWAY = 503


async def events(running: Running) -> list[int]:
    return [(await running.new_event(f"Outage {number}"))["id"] for number in range(EDITED)]


async def edit_all(running: Running, event_ids: list[int], phase: str) -> str:
    """Several edits of each; the last title."""
    for number in range(EDITS):
        await running.shop.edit(event_ids[number % EDITED], title=f"{phase} {number // EDITED}")
    return f"{phase} {EDITS // EDITED - 1}"


async def all_read(running: Running, event_ids: list[int], title: str, within: float = VISIBLE_WITHIN) -> None:
    await asyncio.gather(*(running.reads(event_id, within=within, title=title) for event_id in event_ids))


async def all_raised(running: Running) -> None:
    """Every tag that Redis did not hear of was raised in it."""

    async def nothing_is_left() -> bool:
        return not await running.sql("SELECT tag FROM unraised")

    _: bool = await eventually(nothing_is_left, BACK_WITHIN)


async def buried(running: Running) -> int:
    return len(await running.dead_letters())


async def test_without_redis_edits_are_readable_and_with_it_again_nothing_older_comes_back(running: Running) -> None:
    event_ids = await events(running)
    async with readers(running, event_ids) as witness:
        await all_read(running, event_ids, await edit_all(running, event_ids, "Before"))

        await running.kill(running.valkey)
        await all_read(running, event_ids, await edit_all(running, event_ids, "Without"))
        await running.restart(running.valkey)
        await all_read(running, event_ids, await edit_all(running, event_ids, "After"))

        await all_raised(running)
        await running.equal(event_ids)
    witness.never_went_back(event_ids)


async def test_redis_that_hangs_holds_up_no_edit_for_long(running: Running) -> None:
    event_ids = await events(running)
    async with readers(running, event_ids) as witness:
        await asyncio.to_thread(running.valkey.pause)
        try:
            await all_read(running, event_ids, await edit_all(running, event_ids, "Frozen"))
        finally:
            await asyncio.to_thread(running.valkey.resume)
        await all_read(running, event_ids, await edit_all(running, event_ids, "Thawed"))

        await all_raised(running)
        await running.equal(event_ids)
    witness.never_went_back(event_ids)


async def test_what_was_edited_while_postgresql_was_away_is_projected_and_nothing_is_buried(running: Running) -> None:
    event_ids, before = await events(running), await buried(running)
    async with readers(running, event_ids, allowed={200, AWAY}) as witness:
        await edit_all(running, event_ids, "Before")

        await running.kill(running.postgres)
        title = await edit_all(running, event_ids, "Without")
        await running.shop.flush()  # every webhook was answered 200 meanwhile
        await running.restart(running.postgres)

        await all_read(running, event_ids, title, BACK_WITHIN)
        await running.equal(event_ids)
    witness.never_went_back(event_ids)
    assert await buried(running) == before
