"""Batches of one process that share an event go one after the other."""

import asyncio

import pytest
from waiting import eventually

from syncer.turns import Turns


async def test_batches_that_share_an_event_wait_for_each_other_and_others_pass():
    turns, open_up, inside = Turns(), asyncio.Event(), []

    async def batch(name: str, event_ids: set[int]) -> None:
        async with turns.of(event_ids):
            inside.append(name)
            await open_up.wait()

    batches = [
        asyncio.create_task(batch(name, event_ids))
        for name, event_ids in (("first", {1, 2}), ("shares", {2, 3}), ("other", {4}), ("nothing", set()))
    ]
    await eventually(lambda: inside == ["first", "other", "nothing"])
    open_up.set()
    await asyncio.gather(*batches)
    assert inside[-1] == "shares"


async def test_nobody_waits_in_a_circle():
    turns, done = Turns(), 0

    async def batch(event_ids: set[int]) -> None:
        nonlocal done
        async with turns.of(event_ids):
            await asyncio.sleep(0)
            done += 1

    async with asyncio.timeout(5):
        await asyncio.gather(*(batch({number % 3, (number + 1) % 3, 7}) for number in range(60)))
    assert done == 60


async def test_a_batch_that_fails_or_is_cancelled_leaves_its_turn():
    turns = Turns()
    with pytest.raises(ValueError, match="x"):
        async with turns.of({1}):
            raise ValueError("x")
    async with turns.of({1}):
        waiting = asyncio.create_task(turns.of({1}).__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
    async with asyncio.timeout(1), turns.of({1}):
        assert turns._taken == {1}
    assert not turns._taken
