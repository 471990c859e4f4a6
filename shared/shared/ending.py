"""End a task of our own, for certain."""

import asyncio
from typing import Any

PATIENCE = 0.25  # seconds until it is cancelled again
TRIES = 20


async def end(task: "asyncio.Task[Any] | None", patience: float = PATIENCE) -> None:
    """Cancel it, and wait until it is over; at most TRIES * patience seconds. What it raised is gone with it.

    One cancellation is not enough: before Python 3.12 `asyncio.wait_for`, which the clients of NATS and PostgreSQL are
    full of, loses one that comes in the very moment in which what it waits for is there. A task that has something to
    put away when it is cancelled needs more `patience`: the next cancellation interrupts that, too.
    """
    if task is None:
        return
    for _ in range(TRIES):
        task.cancel()
        done, _ = await asyncio.wait((task,), timeout=patience)
        if done:
            if not task.cancelled():
                task.exception()  # looked at; else the loop complains of it when it is collected
            return
