"""Take down what we started when we are gone, even by SIGKILL: a small process of its own that outlives ours.

It reads our wishes from a pipe; when the pipe ends, we have ended, and it does what is left of them. A pipe ends
however its writer dies. (Linux's PR_SET_PDEATHSIG would fire when the *thread* that started a child ends.)
"""

import atexit
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from functools import cache
from pathlib import Path

GRACE = 5.0  # seconds between asking and killing; PostgreSQL writes its last checkpoint in them
POLL = 0.02  # seconds between looks at who is left


def watch(pid: int, stop_signal: int = signal.SIGTERM) -> None:
    """Stop this process when we end: first by its signal, after `GRACE` with its whole process group by SIGKILL."""
    _wish(f"watch {pid} {int(stop_signal)}")


def unwatch(pid: int) -> None:
    """It has ended; its number may soon be somebody else's."""
    _wish(f"unwatch {pid}")


def remove_at_end(directory: Path) -> None:
    """Delete this directory when we end and its processes are down."""
    _wish(f"remove {directory}")


def removed(directory: Path) -> None:
    """It is gone already."""
    _wish(f"removed {directory}")


def _wish(line: str) -> None:
    # One write below PIPE_BUF is atomic: threads need no lock.
    os.write(_reaper(), f"{line}\n".encode())


@cache
def _reaper() -> int:
    """Start the reaper at the first wish; answers the pipe's writing end."""
    process = subprocess.Popen(  # noqa: S603  # our own interpreter on this very file
        [sys.executable, "-I", "-S", __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C in a terminal is for us alone
    )
    if process.stdin is None:
        raise RuntimeError("the reaper has no pipe")
    stdin = process.stdin

    def farewell() -> None:
        stdin.close()
        process.wait(timeout=3 * GRACE)

    atexit.register(farewell)
    return stdin.fileno()


def main() -> None:
    processes: dict[int, int] = {}
    directories: dict[str, None] = {}
    for line in sys.stdin:
        match line.rstrip("\n").split(" ", 1):
            case ["watch", rest]:
                pid, stop_signal = rest.split()
                processes[int(pid)] = int(stop_signal)
            case ["unwatch", pid]:
                processes.pop(int(pid), None)
            case ["remove", directory]:
                directories[directory] = None
            case ["removed", directory]:
                directories.pop(directory, None)
    _stop(processes)
    for directory in directories:
        shutil.rmtree(directory, ignore_errors=True)


def _stop(processes: dict[int, int]) -> None:
    for pid, stop_signal in processes.items():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, stop_signal)
    deadline = time.monotonic() + GRACE
    while _running(processes) and time.monotonic() < deadline:
        time.sleep(POLL)
    for pid in processes:
        # Every watched process leads its own group: this reaches its children too.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


def _running(pids: Iterable[int]) -> bool:
    for pid in pids:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            continue
        if not _is_zombie(pid):
            return True
    return False


def _is_zombie(pid: int) -> bool:
    """True when it ended and nobody has asked yet how. False where there is no /proc."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] == "Z"


if __name__ == "__main__":
    main()
