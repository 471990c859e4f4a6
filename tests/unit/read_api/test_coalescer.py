"""Concurrent misses share one load."""

import asyncio
import time

import pytest
from waiting import eventually

from read_api.coalescer import HAND_OVER_WITHIN, Coalescer, LoadAbandoned, LoadOverdue, Overloaded


class Gate:
    """A load that waits to be let through, and counts how often it was begun."""

    def __init__(self, *outcomes: object) -> None:
        self.outcomes = list(outcomes)
        self.begun = 0
        self.opened = asyncio.Event()

    async def __call__(self) -> object:
        self.begun += 1
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        await self.opened.wait()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def coalescer(max_loads: int = 10, max_waiters: int = 20_000, deadline: float = 5.0) -> Coalescer[object]:
    return Coalescer(max_loads, max_waiters, deadline)


async def joined(shared: Coalescer[object], gate: Gate, callers: int) -> list[asyncio.Task[tuple[object, bool]]]:
    tasks = [asyncio.create_task(shared.join("key", gate)) for _ in range(callers)]
    await eventually(lambda: shared.waiting == callers)
    return tasks


async def test_ten_thousand_callers_make_one_load():
    shared, gate = coalescer(), Gate("document")
    tasks = await joined(shared, gate, 10_000)
    gate.opened.set()
    answers = await asyncio.gather(*tasks)
    assert gate.begun == 1
    assert sum(collapsed for _, collapsed in answers) == 9_999
    assert {document for document, _ in answers} == {"document"}
    assert shared.waiting == 0


async def test_the_next_caller_loads_again():
    shared, gate = coalescer(), Gate("old", "new")
    gate.opened.set()
    assert await shared.join("key", gate) == ("old", False)
    assert await shared.join("key", gate) == ("new", False)


async def test_different_keys_do_not_wait_for_each_other():
    shared, slow, quick = coalescer(), Gate("slow"), Gate("quick")
    quick.opened.set()
    task = asyncio.create_task(shared.join("slow", slow))
    assert await shared.join("quick", quick) == ("quick", False)
    slow.opened.set()
    assert await task == ("slow", False)


async def test_a_cancelled_leader_takes_nobody_along():
    shared, gate = coalescer(), Gate("document")
    leader, *waiters = await joined(shared, gate, 5)
    leader.cancel()
    await asyncio.wait([leader])
    gate.opened.set()
    assert [document for document, _ in await asyncio.gather(*waiters)] == ["document"] * 4
    assert leader.cancelled()
    assert gate.begun == 1


async def test_a_load_whose_callers_all_left_fails_in_silence_and_leaves_nothing():
    shared, gate = coalescer(), Gate(RuntimeError("nobody hears this"), "document")
    tasks = await joined(shared, gate, 3)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    gate.opened.set()
    await eventually(lambda: not shared._loads)
    assert await shared.join("key", gate) == ("document", False)


async def test_a_leader_that_fails_hands_over():
    shared, gate = coalescer(), Gate(RuntimeError("first"), "document")
    tasks = await joined(shared, gate, 5)
    gate.opened.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [str(answer) for answer in answers if isinstance(answer, Exception)] == ["first"]
    assert [answer[0] for answer in answers if isinstance(answer, tuple)] == ["document"] * 4
    assert gate.begun == 2


async def test_a_load_that_always_fails_is_tried_twice_however_many_wait():
    shared, gate = coalescer(), Gate(RuntimeError("away"))
    tasks = await joined(shared, gate, 100)
    gate.opened.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(answer, RuntimeError) for answer in answers)
    assert gate.begun == 2


async def test_a_load_that_took_long_to_fail_is_not_tried_again():
    """Or whoever waited for it would wait as long once more, and PostgreSQL's queue with them."""
    shared, gate = coalescer(), Gate(RuntimeError("too late"), "document")
    tasks = await joined(shared, gate, 5)
    began = time.monotonic()
    await eventually(lambda: time.monotonic() - began > HAND_OVER_WITHIN)
    gate.opened.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(answer, RuntimeError) for answer in answers)
    assert gate.begun == 1


async def test_a_load_that_hangs_ends_for_everyone_at_the_deadline():
    shared, gate = coalescer(deadline=0.05), Gate("never")
    answers = await asyncio.gather(*(shared.join("key", gate) for _ in range(5)), return_exceptions=True)
    assert all(isinstance(answer, LoadOverdue) for answer in answers)
    await eventually(lambda: not shared._loads)


async def test_a_caller_too_many_is_refused_at_once():
    shared, gate = coalescer(max_waiters=2), Gate("document")
    tasks = await joined(shared, gate, 2)
    with pytest.raises(Overloaded):
        await shared.join("key", gate)
    gate.opened.set()
    await asyncio.gather(*tasks)
    assert (await shared.join("key", gate))[0] == "document"


async def test_a_load_too_many_is_refused_but_those_under_way_take_more_callers():
    shared, gate = coalescer(max_loads=1), Gate("document")
    tasks = await joined(shared, gate, 1)
    with pytest.raises(Overloaded):
        await shared.join("another key", gate)
    tasks += [asyncio.create_task(shared.join("key", gate))]
    gate.opened.set()
    assert len(await asyncio.gather(*tasks)) == 2


async def test_a_service_that_stops_keeps_nobody_waiting():
    shared, gate = coalescer(), Gate("never")
    tasks = await joined(shared, gate, 3)
    await shared.close()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(answer, LoadAbandoned) for answer in answers)
