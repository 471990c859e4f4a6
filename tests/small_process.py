"""`small_service` as a process of its own."""

import sys
from pathlib import Path

import psutil
import small_service

from sandbox.processes import Process, answers
from sandbox.servers import free_port


class Small(Process):
    """The service, as a process; `url` and `internal` are its two ports."""

    url: str
    internal: str

    @property
    def workers(self) -> set[int]:
        """Their process ids."""
        return {each.pid for each in psutil.Process(self.pid).children() if _works(each)}


def _works(process: psutil.Process) -> bool:
    """Not one that has just been killed, nor the process with which Python watches over their resources."""
    try:
        return "resource_tracker" not in " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return False


def small_process(directory: Path, workers: int) -> Small:
    """Not started yet. What it writes, it writes to `directory`."""
    port, internal = free_port(), free_port()
    process = Small(
        "small",
        [sys.executable, "-c", small_service.COMMAND],
        log=directory / "small.log",
        env={
            "PORT": str(port),
            "METRICS_PORT": str(internal),
            "WORKERS": str(workers),
            "TMPDIR": str(directory),
            "PYTHONPATH": str(Path(small_service.__file__).parent),
        },
        ready=answers(f"http://127.0.0.1:{internal}/readyz"),
    )
    process.url, process.internal = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{internal}"
    return process
