"""Changes of one event wait for each other, and not for long."""

import asyncio

import pytest
from waiting import eventually

from syncer.turns import MAX_WAITING, EventBusy, Turns


async def test_one_event_is_changed_one_at_a_time_and_others_meanwhile():
    turns, inside, most = Turns(), 0, 0

    async def change(event_id: int) -> None:
        nonlocal inside, most
        async with turns.of(event_id):
            inside += event_id == 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= event_id == 1

    await asyncio.gather(*(change(event_id) for event_id in (1, 2, 1, 3, 1)))
    assert most == 1


async def test_who_finds_a_crowd_is_sent_away_and_comes_again():
    turns, open_up = Turns(), asyncio.Event()

    async def change() -> None:
        async with turns.of(1):
            await open_up.wait()

    crowd = [asyncio.create_task(change()) for _ in range(1 + MAX_WAITING)]
    await eventually(lambda: turns._present.get(1) == 1 + MAX_WAITING)
    with pytest.raises(EventBusy):
        async with turns.of(1):
            pass
    async with turns.of(2):
        open_up.set()
    await asyncio.gather(*crowd)
    async with turns.of(1):
        assert turns._present == {1: 1}
    assert not turns._locks


async def test_a_change_that_fails_or_is_cancelled_leaves_its_turn():
    turns = Turns()
    with pytest.raises(ValueError, match="x"):
        async with turns.of(1):
            raise ValueError("x")
    assert not turns._present
