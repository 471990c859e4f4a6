"""`python -m ops.bench.peers cache_aside 8123`: serve a peer on a port of the loopback, as we serve ours."""

import sys

from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops

from sandbox.servers.ports import LOOPBACK

BACKLOG = 4096  # connections the kernel holds; as read-api
MANY = 20_000  # connections taken in at once: granian's own limit would leave a part of 10,000 unanswered


def main() -> None:
    name, port = sys.argv[1:]
    Granian(
        f"ops.bench.peers.{name}:create_app",
        factory=True,
        address=LOOPBACK,
        port=int(port),
        interface=Interfaces.ASGI,
        workers=1,
        loop=Loops.uvloop,
        http=HTTPModes.http1,
        websockets=False,
        backlog=BACKLOG,
        backpressure=MANY,
        log_access=False,
        log_enabled=False,
    ).serve()


if __name__ == "__main__":
    main()
