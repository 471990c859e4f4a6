"""Wait on a condition, never for a time."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

FIRST_PAUSE = 0.005  # seconds between two looks; grows, so that a long wait does not busy a core
LONGEST_PAUSE = 0.1  # seconds


async def eventually(condition: Callable[[], T | Awaitable[T]], within: float = 5.0, saying: str = "") -> T:
    """Call `condition` (sync or async) until it answers something true, and answer that.

    An AssertionError it raises means: not yet. Raises AssertionError after `within` seconds, with what was seen last.
    """
    deadline = time.monotonic() + within
    pause = FIRST_PAUSE
    while True:
        failure: AssertionError | None = None
        seen: object = None
        try:
            answer = condition()
            seen = await answer if inspect.isawaitable(answer) else answer
            if seen:
                return seen
        except AssertionError as error:
            failure = error
        if time.monotonic() > deadline:
            what = saying or getattr(condition, "__qualname__", repr(condition))
            raise AssertionError(f"not within {within:g} s: {what}; last seen: {failure or seen!r}") from failure
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE)
