"""A loop goes on, whatever its steps do."""

import asyncio

import pytest
from waiting import eventually

from shared import loops
from shared.errors import Unavailable
from shared.loops import Loop


class Steps:
    """Does what `plan` says, step by step: raise it, or return it. Afterwards there is nothing more to do."""

    def __init__(self, *plan):
        self.plan = list(plan)
        self.taken = 0

    async def __call__(self):
        self.taken += 1
        outcome = self.plan.pop(0) if self.plan else False
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


@pytest.fixture
def run():
    """Start a loop that is stopped after the test."""
    loops_made = []

    async def start(steps, interval=3600.0):
        loop = Loop("test", steps, interval)
        loop.start()
        loops_made.append(loop)
        return loop

    return start


async def test_while_there_is_more_it_goes_on_at_once(run):
    steps = Steps(True, True, True, False)
    loop = await run(steps)
    await eventually(lambda: steps.taken == 4)
    await loop.stop()
    assert steps.taken == 4


async def test_it_survives_every_error_of_its_steps(run, monkeypatch):
    monkeypatch.setattr(loops, "FIRST_PAUSE", 0.001)
    steps = Steps(Unavailable(), ValueError("a bug"), TimeoutError(), KeyError("x"))
    loop = await run(steps)
    await eventually(lambda: steps.taken == 5)
    await loop.stop()


async def test_a_wake_ends_its_pause(run):
    steps = Steps()
    loop = await run(steps)
    await eventually(lambda: steps.taken == 1)
    loop.wake()
    await eventually(lambda: steps.taken == 2)
    await loop.stop()


async def test_a_wake_during_a_step_is_not_lost(run):
    class Waking(Steps):
        async def __call__(self):
            if self.taken == 0:
                loop.wake()
            return await super().__call__()

    steps = Waking()
    loop = await run(steps)
    await eventually(lambda: steps.taken == 2)
    await loop.stop()


async def test_it_stops_in_the_middle_of_a_step_and_may_be_stopped_twice():
    began = asyncio.Event()

    async def forever():
        began.set()
        await asyncio.Event().wait()
        return True

    loop = Loop("test", forever, 1.0)
    await loop.stop()
    loop.start()
    await began.wait()
    await loop.stop()
    await loop.stop()
