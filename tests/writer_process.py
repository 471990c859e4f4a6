"""A writer as a process of its own, that ends or stops itself at a named step of a job: nothing is left to luck.

What it is to do lies in a directory, one file for each time that a job comes to a step: "{job}.{step}.{time}", holding
`kill`, `stop` or `pass`. Whoever of the writers comes there first takes the file ("….{pid}"), and does it to itself.

`python tests/writer_process.py`: with the writer's own environment, PORT for its API, FATES for the directory.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import psutil  # type: ignore[import-untyped]  # ships no types

from sandbox.processes import Process, answers
from sandbox.servers import free_port
from sandbox.shopify.serving import serving

BEFORE_INTENT, AFTER_INTENT, AFTER_CALL = "before intent", "after intent", "after call"
AFTER_RECORD, BEFORE_ANNOUNCEMENT = "after record", "before announcement"
STEPS = (BEFORE_INTENT, AFTER_INTENT, AFTER_CALL, AFTER_RECORD, BEFORE_ANNOUNCEMENT)
KILL, STOP, PASS = "kill", "stop", "pass"
SIGNALS = {KILL: signal.SIGKILL, STOP: signal.SIGSTOP}


class Fates:
    """Both ends of the directory: a test decides, the writers obey."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def decide(self, job: str, step: str, *fates: str) -> None:
        """What happens to whoever comes there: the first time, the second …; afterwards, nothing."""
        for time, fate in enumerate(fates):
            (self.directory / f"{job}.{step}.{time}").write_text(fate)

    def met(self, job: str, step: str) -> int | None:
        """Who was killed or stopped there: its process id. None: nobody yet."""
        for taken in self.directory.glob(f"{job}.{step}.*.*"):
            if taken.read_text() in SIGNALS:
                return int(taken.name.rpartition(".")[2])
        return None

    def struck(self) -> int:
        """How often a writer was killed or stopped so far."""
        return sum(each.read_text() in SIGNALS for each in self.directory.iterdir() if each.name.count(".") > 2)

    def left(self) -> list[str]:
        """What nobody came to."""
        return sorted(each.name for each in self.directory.iterdir() if each.name.count(".") == 2)

    async def obey(self, step: str, job: UUID) -> None:
        for waiting in sorted(self.directory.glob(f"{job}.{step}.*")):
            if waiting.name.count(".") > 2:
                continue
            taken = waiting.with_name(f"{waiting.name}.{os.getpid()}")
            try:
                waiting.rename(taken)
            except FileNotFoundError:  # the other one was here
                continue
            if (fate := SIGNALS.get(taken.read_text())) is not None:
                os.kill(os.getpid(), fate)
            return


@dataclass
class WriterProcess:
    """One of several writers; `url`: its API."""

    process: Process
    url: str

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def stopped(self) -> bool:
        try:
            return self.process.alive and psutil.Process(self.pid).status() == psutil.STATUS_STOPPED
        except psutil.NoSuchProcess:
            return False

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)


def writer_process(name: str, directory: Path, fates: Fates, environment: Mapping[str, str]) -> WriterProcess:
    """Not started yet. It is ready when it answers; whether it dispatches is another question."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    process = Process(
        name,
        [sys.executable, __file__],
        log=directory / f"{name}.log",
        env={**environment, "PORT": str(port), "FATES": str(fates.directory)},
        ready=answers(f"{url}/livez"),
    )
    return WriterProcess(process, url)


async def main() -> None:
    from writer.app import create_app  # noqa: PLC0415 (only the child needs it)

    fates = Fates(Path(os.environ["FATES"]))
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with serving(create_app(at=fates.obey), int(os.environ["PORT"])):
        await ended.wait()


if __name__ == "__main__":
    asyncio.run(main())
