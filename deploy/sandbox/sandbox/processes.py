"""Run a program as a child: started, ready when it answers, its output kept, stopped, killed, started again."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

import psutil  # type: ignore[import-untyped]  # ships no types

from sandbox import reaper

POLL = 0.02  # seconds between two questions to a starting process
TAIL = 4_000  # bytes of a log that an error shows
LOG_LIMIT = 50_000_000  # bytes; a longer log moves to `.old`, replacing the one before
FIRST_BACK_OFF = 0.5  # seconds until a crashed process is started again; doubles with each crash
LOOPBACK = "127.0.0.1"
LONGEST_BACK_OFF = 15.0  # seconds
HEALTHY_AFTER = 30.0  # seconds of life that forgive the crashes before

Ready = Callable[[], bool]


class ProcessError(Exception):
    """A process did not do what it was started for."""


class Died(ProcessError):
    """It ended before it was ready."""


class NotReady(ProcessError):
    """It runs, but did not answer in time."""


class Process:
    """One program in a process group of its own; it ends with us, even when we are killed.

    `ready` answers whether it serves; without it, a running process is ready. Output goes to `log` (appended).
    `stop_signal` asks it to end. `env` is added to our environment; a name with None is taken away.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str | None] | None = None,
        ready: Ready | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.name = name
        self.command = list(command)
        self.log = log
        self.env = dict(env or {})
        self.ready = ready or (lambda: True)
        self.stop_signal = stop_signal
        self.launched_at = 0.0
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Raises ProcessError when it was never launched."""
        if self._child is None:
            raise ProcessError(f"{self.name} was not started")
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs or before it was launched; minus the signal's number if one ended it."""
        self._settle()
        return None if self._child is None else self._child.returncode

    @property
    def alive(self) -> bool:
        self._settle()
        return self._child is not None and self._child.returncode is None

    @property
    def state(self) -> str:
        """`down`, `starting` (or no longer answering), `ready`. Asks the process."""
        if not self.alive:
            return "down"
        return "ready" if self.ready() else "starting"

    def listens_on(self, port: int) -> bool:
        """Whether it is really this process that has the port, and not another that answers there."""
        try:
            connections = psutil.Process(self.pid).net_connections(kind="tcp")
        except psutil.NoSuchProcess:
            return False
        return any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in connections)

    def start(self, within: float = 30.0) -> None:
        """Launch it and wait until it is ready. Raises Died, NotReady."""
        self.launch()
        self.wait_ready(within)

    def launch(self) -> None:
        """Start it and don't wait."""
        if self.alive:
            raise ProcessError(f"{self.name} runs already")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._child = subprocess.Popen(  # noqa: S603  # a command of our own, no shell
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={name: value for name, value in {**os.environ, **self.env}.items() if value is not None},
                start_new_session=True,  # Ctrl-C is for us; we stop our children in order
            )
        reaper.watch(self._child.pid, self.stop_signal)
        self.launched_at = time.monotonic()

    def wait_ready(self, within: float = 30.0) -> None:
        """Raises Died or NotReady, each with the end of the log."""
        deadline = time.monotonic() + within
        while True:
            if not self.alive:
                raise Died(f"{self.name} ended with exit code {self.exit_code} before it was ready\n{self.tail()}")
            if self.ready():
                return
            if time.monotonic() > deadline:
                raise NotReady(f"{self.name} was not ready within {within:g} s\n{self.tail()}")
            time.sleep(POLL)

    def stop(self, within: float = 10.0) -> bool:
        """Ask it to end; kill it when it has not within so many seconds. False when it had to be killed."""
        return stop_all([self], within)

    def ask_to_end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, self.stop_signal)
            os.kill(self.pid, signal.SIGCONT)  # a paused process hears it only then

    def kill(self) -> None:
        """SIGKILL, to it and its children: as a crash, or the machine's power, would end it."""
        _kill_all(self._family())
        while self.alive:
            time.sleep(POLL)

    def pause(self) -> None:
        """SIGSTOP it and its children: alive, its ports open, but it answers nothing."""
        for process in self._family():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()

    def resume(self) -> None:
        for process in self._family():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()

    def tail(self) -> str:
        """The end of its log, at most `TAIL` bytes."""
        try:
            with self.log.open("rb") as log:
                log.seek(max(0, self.log.stat().st_size - TAIL))
                return log.read(TAIL).decode(errors="replace").strip()
        except FileNotFoundError:
            return ""

    def trim_log(self) -> None:
        """Move an overlong log aside. The process appends, so it goes on writing at the file's new beginning."""
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT:
            shutil.copyfile(self.log, self.log.with_name(f"{self.log.name}.old"))
            os.truncate(self.log, 0)

    def _family(self) -> list[psutil.Process]:
        """It and all below it, itself first. psutil knows a process by its start time too: no stranger is killed."""
        if not self.alive:
            return []
        try:
            leader = psutil.Process(self.pid)
            return [leader, *leader.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _settle(self) -> None:
        """Once it has ended: kill what it left in its group, and take note of its exit code."""
        child = self._child
        if child is None or child.returncode is not None:
            return
        if os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return
        # Not reaped yet, so the group's number is still ours and no stranger's.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        reaper.unwatch(child.pid)


class Supervisor:
    """Start again what crashes, each time a little later. A loop that is driven from outside: call `step` often."""

    def __init__(self, processes: Iterable[Process], clock: Callable[[], float] = time.monotonic) -> None:
        self.processes = list(processes)
        self.restarts = {process.name: 0 for process in self.processes}
        self._crashes = {process.name: 0 for process in self.processes}
        self._not_before: dict[str, float] = {}
        self._clock = clock

    def step(self) -> None:
        for process in self.processes:
            process.trim_log()
            if process.alive:
                continue
            if process.name not in self._not_before:
                self._plan(process)
            elif self._clock() >= self._not_before[process.name]:
                del self._not_before[process.name]
                self.restarts[process.name] += 1
                process.launch()

    def _plan(self, process: Process) -> None:
        lived = self._clock() - process.launched_at
        crashes = 0 if lived > HEALTHY_AFTER else self._crashes[process.name]
        self._crashes[process.name] = crashes + 1
        self._not_before[process.name] = self._clock() + min(FIRST_BACK_OFF * 2**crashes, LONGEST_BACK_OFF)


def answers(url: str, timeout: float = 1.0) -> Ready:
    """Ready when a GET on the http `url` is answered with 200 within `timeout` seconds. No proxy is asked."""
    parts = urlsplit(url)

    def ready() -> bool:
        connection = HTTPConnection(parts.hostname or LOOPBACK, parts.port, timeout=timeout)
        with closing(connection):
            try:
                connection.request("GET", f"{parts.path}?{parts.query}")
                return connection.getresponse().status == HTTPStatus.OK
            except (OSError, HTTPException):
                return False

    return ready


def stop_all(processes: Iterable[Process], within: float = 10.0) -> bool:
    """Ask all of them to end at the same time; kill those that have not within so many seconds, children included.

    False when one had to be killed.
    """
    families = {process: process._family() for process in processes if process.alive}  # noqa: SLF001  # same module
    for process in families:
        process.ask_to_end()
    deadline = time.monotonic() + within
    while any(process.alive for process in families) and time.monotonic() < deadline:
        time.sleep(POLL)
    late = [process for process in families if process.alive]
    for process, family in families.items():
        _kill_all(family)
        process.kill()
    return not late


def _kill_all(family: Iterable[psutil.Process]) -> None:
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
