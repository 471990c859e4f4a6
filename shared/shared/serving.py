"""Run a service's ASGI app with granian: one process, or several that share its port.

Each worker is a process of its own, with everything that is in one: connections, feed, caches. The kernel spreads new
connections over them, and one that dies is started again.
"""

import multiprocessing
import resource

from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops

from shared.settings import ServiceSettings
from shared.workers import counted_together

BACKLOG = 4096  # connections the kernel holds while we are busy; Linux caps it at net.core.somaxconn
SHUTDOWN = 20  # seconds for what is in flight, then the worker is killed
OTHER_FILES = 512  # of a process, beside readers' connections: to the servers that it lives on, logs, libraries


def serve(factory: str, settings: ServiceSettings) -> None:
    """Serve until SIGTERM or SIGINT. `factory` names a function without arguments: "read_api.app:create_app"."""
    if settings.workers > 1:
        multiprocessing.set_start_method("spawn")  # metrics that were made before the workers would not be shared
    with counted_together(settings.workers):
        Granian(
            factory,
            factory=True,
            address=settings.host,
            port=settings.port,
            interface=Interfaces.ASGI,
            workers=settings.workers,
            loop=Loops.uvloop,
            http=HTTPModes.http1,
            websockets=False,
            backlog=BACKLOG,
            backpressure=connections(settings.max_connections),
            workers_kill_timeout=SHUTDOWN,
            respawn_failed_workers=True,
            log_access=False,
            log_enabled=False,
        ).serve()


def connections(wanted: int) -> int:
    """How many connections a worker may hold: as many as wanted, if the system lets it have so many files.

    granian counts connections, not requests: idle ones and streams that stay open, too; it would stop at BACKLOG. One
    more waits in the backlog. (Measured: 10,000 idle ones take 120 MB, and are answered as fast as ten.)
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(hard, needed)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))  # workers inherit it
    return wanted if soft == resource.RLIM_INFINITY else max(1, min(wanted, soft - OTHER_FILES))
