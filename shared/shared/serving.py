"""Run a service's ASGI app with granian."""

from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops

from shared.settings import ServiceSettings

BACKLOG = 4096  # connections the kernel holds while we are busy; Linux caps it at net.core.somaxconn
SHUTDOWN = 20  # seconds for what is in flight, then the worker is killed


def serve(factory: str, settings: ServiceSettings) -> None:
    """Serve until SIGTERM or SIGINT. `factory` names a function without arguments: "read_api.app:create_app"."""
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
        workers_kill_timeout=SHUTDOWN,
        respawn_failed_workers=True,
        log_access=False,
        log_enabled=False,
    ).serve()
