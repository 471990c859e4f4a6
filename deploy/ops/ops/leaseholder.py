"""Which process of this machine holds the lease: `up`, and whoever else starts a writer, knows it by its parent."""

import socket

import psutil  # type: ignore[import-untyped]  # ships no types

from ops.job import Dispatcher


def started_by(told: Dispatcher) -> int | None:
    """The pid of the writer whose worker says `host/pid/…` of itself. None: it is elsewhere, or gone."""
    host, _, rest = (told.owner or "").partition("/")
    pid = rest.partition("/")[0]
    if not told.held or host != socket.gethostname() or not pid.isdecimal():
        return None
    try:
        parent = psutil.Process(int(pid)).parent()
        # A container may have our host's name and numbers of its own: only a writer's is believed.
        return parent.pid if parent is not None and "writer" in parent.cmdline() else None
    except psutil.Error:
        return None
