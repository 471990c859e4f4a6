"""One client's stream: it takes frames as long as the client reads, and holds none back for one that doesn't."""

import asyncio
import time
from collections.abc import Callable

from starlette.types import Message, Send

from read_api.live.circles import Circle
from read_api.live.job_updates import JobWish
from read_api.live.push import begin

END: Message = {"type": "http.response.body", "body": b"", "more_body": False}
GONE = (OSError, RuntimeError)  # what servers raise when the client has gone, or the answer is over


def message(frame: bytes) -> Message:
    """To be made once for all streams: 10,000 dictionaries a round would call the garbage collector."""
    return {"type": "http.response.body", "body": frame, "more_body": True}


class Stream:
    """`behind_since`: by `time.monotonic()`, since when the last frame is on its way; None: it has gone through."""

    __slots__ = (
        "_on_caught_up",
        "_rest",
        "_send",
        "behind_since",
        "circle",
        "ends_at",
        "jobs",
        "missed",
        "open",
        "slot",
        "tags",
    )

    def __init__(
        self,
        send: Send,
        tags: frozenset[str] | None,
        *,
        circle: Circle,
        ends_at: float | None,
        on_caught_up: "Callable[[Stream], None]",
        jobs: JobWish | None = None,
    ) -> None:
        self._send = send
        self._on_caught_up = on_caught_up
        self._rest: asyncio.Task[None] | None = None
        self.tags = tags  # None: everything
        self.jobs = jobs  # None: of none
        self.circle = circle
        self.open = True
        self.missed = False  # something was told while it was behind: `reset` is due
        self.behind_since: float | None = None
        self.ends_at = ends_at  # by `time.monotonic()`; None: never
        self.slot = 0  # on the heartbeat wheel

    def push(self, frame: Message) -> None:
        """Hand it over, unless the last one is still on its way: then it is `missed`. Raises one of GONE."""
        if not self.open:
            return
        if self._rest is not None:
            self.missed = True
            return
        rest = begin(self._send(frame))
        if rest is not None:
            self.behind_since = time.monotonic()
            self._rest = asyncio.ensure_future(rest)
            self._rest.add_done_callback(self._caught_up)

    def end(self) -> None:
        """Over, whatever is on its way; the server then tells whoever waits in `receive`. Raises one of GONE."""
        if not self.open:
            return
        self.forget()
        last = begin(self._send(END))
        if last is not None:  # nobody waits for the goodbye of a client that doesn't read
            asyncio.ensure_future(last).cancel()

    def forget(self) -> None:
        """The client has gone."""
        self.open = False
        if self._rest is not None:
            self._rest.cancel()

    def _caught_up(self, sending: "asyncio.Task[None]") -> None:
        self._rest = self.behind_since = None
        failed = sending.cancelled() or sending.exception() is not None
        if self.open and not failed:
            self._on_caught_up(self)
