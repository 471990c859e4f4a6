"""End a task of our own, for certain."""

import asyncio
from typing import Any

PATIENCE = 0.25  # seconds until it is cancelled again
TRIES = 20


async def end(task: "asyncio.Task[Any] | None") -> None:
    """Cancel it, and wait until it is over; at most TRIES * PATIENCE seconds.

    One cancellation is not enough: before Python 3.12 `asyncio.wait_for`, which the clients of NATS and PostgreSQL are
    full of, loses one that comes in the very moment in which what it waits for is there.
    """
    if task is None:
        return
    for _ in range(TRIES):
        task.cancel()
        done, _ = await asyncio.wait((task,), timeout=PATIENCE)
        if done:
            return
