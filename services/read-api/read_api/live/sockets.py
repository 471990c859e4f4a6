"""Have the kernel end connections whose reader has stopped reading, and say early when one falls behind.

ASGI knows neither a socket nor a deadline for writing: a server that was handed the end of an answer waits for ever
until its reader takes it. Connections inherit these options from the socket that they were accepted from.
"""

import asyncio
import os
import socket
import sys
from collections.abc import Collection, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import structlog

log = structlog.get_logger()

UNSENT = 65_536  # bytes the kernel takes in beyond what is on its way; without, 3 MB are queued before anyone notices
FIRST_LOOKS = 1_000  # at start-up, until the server listens; a look costs 10 us for each open file
MORE_LOOKS = 2  # after that: the port for probes may be there before the one for readers
PAUSE = 0.02  # seconds between two of the first,
LATER = 0.5  # and of the others
FILES = Path("/proc/self/fd")


async def limit_listeners(patience: float) -> None:
    """Set the limits on whatever this process begins to listen on. Does nothing where they don't exist.

    `patience`: seconds; a connection on which nothing is acknowledged for so long (RFC 5482), or whose reader has had
    no room for so long, ends.
    """
    if not sys.platform.startswith("linux"):
        return
    limited = 0
    for _ in range(FIRST_LOOKS):
        if limited := limit(patience):
            break
        await asyncio.sleep(PAUSE)
    for _ in range(MORE_LOOKS):
        await asyncio.sleep(LATER)
        limited = max(limited, limit(patience))
    log.info("live.sockets_limited", sockets=limited, patience=patience, unsent=UNSENT)


def limit(patience: float) -> int:
    """How many TCP sockets here listen, or were accepted. Each has the limits now; what is accepted inherits them."""
    with ExitStack() as held:
        sockets = [held.enter_context(closing(found)) for found in _tcp_sockets()]
        places = {at.getsockname() for at in sockets if at.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)}
        ours = [at for at in sockets if _is_of(at, places)]
        for at in ours:
            at.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(patience * 1000))
            at.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)
        return len(ours)


def _is_of(at: socket.socket, places: Collection[Any]) -> bool:
    """By port: who listens on every address accepts on one."""
    return at.getsockname()[1] in {place[1] for place in places}


def _tcp_sockets() -> Iterator[socket.socket]:
    for file in list(FILES.iterdir()):
        with suppress(OSError):  # closed since
            if str(file.readlink()).startswith("socket:"):
                found = socket.socket(fileno=os.dup(int(file.name)))
                if found.family in (socket.AF_INET, socket.AF_INET6) and found.type == socket.SOCK_STREAM:
                    yield found
                else:
                    found.close()
