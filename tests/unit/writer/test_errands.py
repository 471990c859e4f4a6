"""What many ask for at once is done once, and who leaves takes nothing along; events go one at a time."""

import asyncio

import pytest
from waiting import eventually

from writer.api.errands import Errands
from writer.api.turns import Crowded, Turns


class Work:
    def __init__(self) -> None:
        self.begun = 0
        self.go_on = asyncio.Event()

    async def __call__(self) -> int:
        self.begun += 1
        await self.go_on.wait()
        return self.begun


async def test_all_who_ask_at_once_share_what_comes_of_it():
    errands, work = Errands[int](), Work()
    asking = [asyncio.create_task(errands.share("a", work)) for _ in range(50)]
    await eventually(lambda: work.begun == 1)
    asking[0].cancel()
    await asyncio.wait(asking[:1])
    work.go_on.set()
    assert await asyncio.gather(*asking[1:]) == [(1, True)] * 49
    assert await errands.share("a", work) == (2, False)


async def test_other_things_are_not_waited_for():
    errands, slow, quick = Errands[int](), Work(), Work()
    quick.go_on.set()
    waiting = asyncio.create_task(errands.share("a", slow))
    assert await errands.share("b", quick) == (1, False)
    slow.go_on.set()
    assert await waiting == (1, False)


async def test_a_failure_is_everybodys_and_is_not_kept():
    errands = Errands[int]()

    async def fail() -> int:
        await asyncio.sleep(0)
        raise OSError("away")

    found = await asyncio.gather(*(errands.share("a", fail) for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in found] == [OSError] * 3
    work = Work()
    work.go_on.set()
    assert await errands.share("a", work) == (1, False)


async def test_turns_go_one_after_the_other_in_order_and_are_forgotten():
    queue, order = Turns(), []

    async def take(number: int) -> None:
        async with queue.of(42):
            order.append(number)
            await asyncio.sleep(0)
            order.append(number)

    await asyncio.gather(*(take(number) for number in range(5)))
    assert order == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert queue._locks == {}


async def test_whose_turn_does_not_come_is_told_so():
    queue = Turns(patience=0.01)
    async with queue.of(42), queue.of(43):
        with pytest.raises(Crowded):
            await queue.of(42).__aenter__()
    assert queue._locks == {}
