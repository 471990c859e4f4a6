"""A task of ours ends when the process does, though a cancellation was lost on its way."""

import asyncio

from shared.ending import end


async def test_a_task_that_lost_a_cancellation_is_ended_all_the_same():
    begun = asyncio.Event()
    lost = 0

    async def stubborn() -> None:
        """As a task behaves whose `wait_for` had its answer in the moment of the cancellation."""
        nonlocal lost
        while True:
            try:
                begun.set()
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                lost += 1
                if lost > 1:
                    raise

    task = asyncio.create_task(stubborn())
    await begun.wait()
    async with asyncio.timeout(5):
        await end(task)
    assert task.cancelled()


async def test_what_never_began_or_is_over_is_ended_already():
    await end(None)
    over = asyncio.create_task(asyncio.sleep(0))
    await over
    await end(over)
    assert not over.cancelled()
