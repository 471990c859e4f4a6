"""What the three servers have in common: a directory, ports on the loopback, a process, and a life."""

import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from sandbox import reaper
from sandbox.processes import Died, Process, ProcessError
from sandbox.servers.ports import free_port

ATTEMPTS = 5  # to start on free ports: another program may take one between our look and the server's


class ServerMissing(Exception):
    """The wheel with this server's executable is not installed."""


class PortTaken(ProcessError):
    """Another program listens on this port."""


class Server:
    """A server in `directory` (a temporary one if none is given), on `ports` (free ones if none are given).

    It can be killed and started again: it keeps its ports and its data. As a context manager it starts and stops.
    """

    name: ClassVar[str]
    ports: ClassVar[tuple[str, ...]]
    process: Process | None = None

    def __init__(self, directory: Path | None = None, **ports: int) -> None:
        self._temporary = directory is None
        self.directory = (directory or Path(tempfile.mkdtemp(prefix=f"understudy-{self.name}-"))).resolve()
        self.directory.mkdir(parents=True, exist_ok=True)
        if self._temporary:
            reaper.remove_at_end(self.directory)
        self.log = self.directory / f"{self.name}.log"
        self._given = ports

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def prepare(self) -> Process:
        """Write what the server needs to its directory and say how it is run, on the ports that are set by now."""
        raise NotImplementedError

    def start(self, within: float = 30.0) -> None:
        """Start it and wait until it answers. Again after `stop` or `kill`: same ports, same data. ProcessError."""
        if self.process is not None:
            self.process.start(within)
            return
        for attempt in range(1, ATTEMPTS + 1):
            for port in self.ports:
                setattr(self, port, self._given.get(port) or free_port())
            try:
                self.process = self._started(within)
            except (Died, PortTaken):
                if attempt == ATTEMPTS or len(self._given) == len(self.ports):
                    raise
            else:
                return

    def _started(self, within: float) -> Process:
        process = self.prepare()
        try:
            process.start(within)
            self._check_ports(process)
        except BaseException:
            process.kill()
            raise
        return process

    def _check_ports(self, process: Process) -> None:
        for port in (getattr(self, name) for name in self.ports):
            if not process.listens_on(port):
                raise PortTaken(f"{self.name}: another program listens on port {port}")

    def stop(self) -> None:
        """Ask it to end, as an administrator would. Its data stay."""
        if self.process is not None:
            self.process.stop()

    def kill(self) -> None:
        """SIGKILL: what it had not written is lost."""
        if self.process is not None:
            self.process.kill()

    def pause(self) -> None:
        """It keeps its port and its connections and answers nothing."""
        if self.process is not None:
            self.process.pause()

    def resume(self) -> None:
        if self.process is not None:
            self.process.resume()

    def close(self) -> None:
        """Stop it; delete the directory if it was temporary."""
        self.stop()
        if self._temporary:
            shutil.rmtree(self.directory, ignore_errors=True)
            reaper.removed(self.directory)
