"""Time and chance, through one door, so that a test can bring its own."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime


def _now() -> datetime:
    return datetime.now(UTC)


def _monotonic() -> float:
    """Where the system has it, the clock that goes on while the machine is suspended: deadlines do as well."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


@dataclass(frozen=True, slots=True)
class Clock:
    """`now` is aware UTC; `monotonic` and `sleep` are in seconds; `chance` is in [0, 1)."""

    now: Callable[[], datetime] = _now
    monotonic: Callable[[], float] = _monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    chance: Callable[[], float] = random.random
