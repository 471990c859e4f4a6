"""The CPU that a program takes, its children included: what a rate hides when the load generator shares the cores."""

import contextlib
import time

import psutil  # type: ignore[import-untyped]  # ships no types

LOOK = 0.3  # seconds
IDLE = 0.2  # of a core
SETTLES_WITHIN = 30.0  # seconds


def seconds(pid: int) -> float:
    """User and system time of the process and all below it, since each began."""
    leader = psutil.Process(pid)
    spent = 0.0
    for process in [leader, *leader.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):  # a child may end while we look
            times = process.cpu_times()
            spent += times.user + times.system
    return spent


def settle(pid: int) -> None:
    """Wait until it has done what it was asked by somebody who has gone; not for ever."""
    deadline = time.monotonic() + SETTLES_WITHIN
    while time.monotonic() < deadline:
        before = seconds(pid)
        time.sleep(LOOK)
        if seconds(pid) - before < IDLE * LOOK:
            return
