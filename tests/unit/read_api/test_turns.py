"""A burst may wait for a connection; a queue that never empties is turned away."""

import asyncio
import time
from contextlib import AsyncExitStack

import pytest
from waiting import eventually

from read_api import turns
from read_api.turns import CROWDED_AFTER, PATIENCE, Saturated, Turns


async def test_who_waits_has_the_next_turn():
    places, order = Turns(1), []

    async def one(number: int) -> None:
        async with places.one():
            order.append(number)
            await asyncio.sleep(0)

    await asyncio.gather(*(one(number) for number in range(50)))
    assert order == list(range(50))


async def test_a_burst_waits_for_a_while_and_then_newcomers_are_turned_away_at_once():
    places = Turns(2)
    async with AsyncExitStack() as taken:
        for _ in range(2):
            await taken.enter_async_context(places.one())
        began = time.monotonic()
        with pytest.raises(Saturated):
            async with places.one():
                pytest.fail("there is no place")
        assert time.monotonic() - began >= PATIENCE
        await eventually(lambda: time.monotonic() - began > CROWDED_AFTER)
        began = time.monotonic()
        with pytest.raises(Saturated):
            async with places.one():
                pytest.fail("there is no place")
        assert turns.CROWDED_PATIENCE <= time.monotonic() - began < PATIENCE


async def test_a_turn_that_nobody_took_is_not_lost():
    places = Turns(1)
    async with places.one():
        waiting = [asyncio.create_task(_pass(places)) for _ in range(20)]
        await asyncio.sleep(0)
        for task in waiting[::2]:
            task.cancel()
    done = await asyncio.gather(*waiting, return_exceptions=True)
    assert sum(isinstance(each, asyncio.CancelledError) for each in done) == 10
    await _pass(places)


async def _pass(places: Turns) -> None:
    async with places.one():
        await asyncio.sleep(0)
