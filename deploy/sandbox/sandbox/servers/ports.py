"""Find a free port on the loopback."""

import contextlib
import random
import socket
from pathlib import Path

LOOPBACK = "127.0.0.1"
LOWEST = 20_000
USUAL_EPHEMERAL = 32_768  # where Linux begins to hand out ports to outgoing connections
ATTEMPTS = 100


class NoFreePort(Exception):
    """No free port was found on the loopback."""


def free_port() -> int:
    """A port that was free a moment ago, below those of outgoing connections.

    From among those, the client of a server that is being restarted could take the server's port, or connect to itself.
    """
    for _ in range(ATTEMPTS):
        port = random.randrange(LOWEST, _first_ephemeral())  # noqa: S311  # no secret
        if is_free(port):
            return port
    raise NoFreePort


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As every server does: a port in TIME_WAIT may be listened on again.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen()
        except OSError:
            return False
    return True


def _first_ephemeral() -> int:
    with contextlib.suppress(OSError, ValueError):
        first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
        return max(first, LOWEST + 1_000)
    return USUAL_EPHEMERAL
