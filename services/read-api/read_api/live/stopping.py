"""Hear SIGTERM when the server does.

granian ends the lifespan only after every connection, so a stream that waits for the lifespan's end holds up a stop for
as long as the server has patience (measured: 20 s, then the process is killed).
"""

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextlib.contextmanager
def told_to_stop(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` in this loop, beside what the server does, where a server handles the signals through the loop.

    The loop's handler is told through a file descriptor by the interpreter itself; the Python handler that stands
    beside it does nothing, so ours can take its place. Where none stands, a signal ends the process anyway.
    """
    with contextlib.ExitStack() as undo:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                _stand_in(number, stop, undo)
        yield


def _stand_in(number: signal.Signals, stop: Callable[[], None], undo: contextlib.ExitStack) -> None:
    before = signal.getsignal(number)
    if not callable(before) or before is signal.default_int_handler:
        return
    loop = asyncio.get_running_loop()

    def handle(signum: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(stop)
        before(signum, frame)

    signal.signal(number, handle)
    signal.siginterrupt(number, False)
    undo.callback(signal.signal, number, before)
