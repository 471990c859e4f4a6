"""Wait for somebody else by our own pulse: while this process is too busy to look, nobody else is late."""

import asyncio
from collections.abc import Callable
from typing import Any

PULSE = 0.1  # seconds between two looks


async def in_time(awaited: "asyncio.Future[Any]", seconds: float, given_up: Callable[[], bool] = lambda: False) -> bool:
    """Whether it was done before so many seconds were over, and before `given_up()`. It is not cancelled.

    A deadline by the clock would blame PostgreSQL for a burst of 5,000 requests that keeps our loop busy for a second:
    its answer lies in the socket, and the timer is looked at first. A pulse that comes late counts as one all the same.
    """
    for _ in range(max(1, round(seconds / PULSE))):
        await asyncio.wait((awaited,), timeout=min(PULSE, seconds))
        if awaited.done():
            return True
        if given_up():
            return False
    return False
