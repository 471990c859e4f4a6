"""Look again and again until something is so; not for ever."""

import asyncio
from collections.abc import Awaitable, Callable

POLL = 0.25  # seconds


async def until(so: Callable[[], Awaitable[bool]], within: float, every: float = POLL) -> None:
    """Raises TimeoutError when it is not so `within` that many seconds."""
    async with asyncio.timeout(within):
        while True:
            if await so():
                return
            await asyncio.sleep(every)
