"""Who waits for somebody else does not blame them for its own sleep."""

import asyncio
import time

from read_api.patience import PULSE, in_time


async def test_what_is_done_in_time_is():
    assert await in_time(asyncio.ensure_future(asyncio.sleep(0)), 1.0)


async def test_what_takes_longer_is_not_and_goes_on():
    awaited = asyncio.get_running_loop().create_future()
    assert not await in_time(awaited, PULSE / 10)
    assert not awaited.done()


async def test_who_gives_up_waits_no_longer():
    awaited, began = asyncio.get_running_loop().create_future(), time.monotonic()
    assert not await in_time(awaited, 5.0, lambda: True)
    assert time.monotonic() - began < 1.0


async def test_a_loop_that_was_busy_for_longer_than_the_deadline_still_looks():
    """As when 5,000 requests arrive at once: the answer was there all the time."""
    loop = asyncio.get_running_loop()
    awaited = loop.create_future()
    waiting = asyncio.create_task(in_time(awaited, 2 * PULSE))
    await asyncio.sleep(0)
    time.sleep(4 * PULSE)  # noqa: ASYNC251 (that is what is tested)
    loop.call_soon(lambda: loop.call_soon(awaited.set_result, None))
    assert await waiting
