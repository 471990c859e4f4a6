"""`python -m ops.bench.live_clients`: hold many event streams open, and say when each of them heard what.

A process of its own, told what to do on stdin and answering on stdout, one JSON object a line. It counts `"revision":n`
in whatever comes in, so it reads our streams and those of any peer that spells purges the same way.
"""

import argparse
import asyncio
import re
import sys
import time
from array import array
from collections import defaultdict
from collections.abc import Sequence
from typing import cast
from urllib.parse import SplitResult, urlsplit

import orjson
import uvloop

REVISION = re.compile(rb'"revision":"?([0-9]+)')
LONGEST_TAIL = 64  # bytes kept of an unfinished event
AT_ONCE = 200  # connections that are being opened at the same time
OPEN_WITHIN = 60.0  # seconds for all of them
POLL = 0.005  # seconds


class Hearings:
    """When each revision arrived, on every stream of this process."""

    def __init__(self) -> None:
        self.open = 0
        self.lost = 0
        self.times: dict[int, array[float]] = defaultdict(lambda: array("d"))


class Stream(asyncio.Protocol):
    def __init__(self, request: bytes, hearings: Hearings, opened: "asyncio.Future[None]") -> None:
        self._request = request
        self._hearings = hearings
        self._opened = opened
        self._tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).write(self._request)

    def data_received(self, data: bytes) -> None:
        if not self._opened.done():
            self._begin(data)
        now = time.monotonic()
        data = self._tail + data
        end = 0
        for found in REVISION.finditer(data):
            if found.end() < len(data):  # else its last digits may be yet to come
                self._hearings.times[int(found[1])].append(now)
                end = found.end()
        self._tail = data[max(end, len(data) - LONGEST_TAIL) :]

    def connection_lost(self, error: Exception | None) -> None:
        if not self._opened.done():
            self._opened.set_exception(error or ConnectionResetError())
        elif not self._opened.exception():
            self._hearings.lost += 1

    def _begin(self, data: bytes) -> None:
        if data.startswith(b"HTTP/1.1 200"):
            self._hearings.open += 1
            self._opened.set_result(None)
        else:
            self._opened.set_exception(ConnectionError(data[:200].decode("latin-1")))


async def hold(target: SplitResult, count: int, hearings: Hearings) -> None:
    """Open `count` streams. Raises OSError with what a refusal said."""
    loop = asyncio.get_running_loop()
    host, port = target.hostname or "127.0.0.1", target.port or 80
    path = target.path + (f"?{target.query}" if target.query else "")
    request = f"GET {path} HTTP/1.1\r\nHost: {target.netloc}\r\nAccept: text/event-stream\r\n\r\n".encode()
    gate = asyncio.Semaphore(AT_ONCE)

    async def opening() -> None:
        async with gate:
            opened: asyncio.Future[None] = loop.create_future()
            await loop.create_connection(lambda: Stream(request, hearings, opened), host, port)
            await opened

    async with asyncio.timeout(OPEN_WITHIN):
        await asyncio.gather(*(opening() for _ in range(count)))


async def heard(hearings: Hearings, revision: int, count: int, within: float) -> Sequence[float]:
    """Wait until `count` streams heard it, or `within` seconds; the monotonic times at which they did."""
    deadline = time.monotonic() + within
    while len(hearings.times[revision]) < count and time.monotonic() < deadline:  # noqa: ASYNC110 (see below)
        await asyncio.sleep(POLL)  # an event for each arrival would cost more than what is measured
    return hearings.times.pop(revision)


def say(**told: object) -> None:
    sys.stdout.buffer.write(orjson.dumps(told) + b"\n")
    sys.stdout.buffer.flush()


async def obey(url: str, count: int) -> None:
    """Open the streams; then for each line `{"revision": n, "within": s}` say who heard it, until stdin ends."""
    hearings = Hearings()
    await hold(urlsplit(url), count, hearings)
    say(open=hearings.open)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.buffer.readline):
        asked = orjson.loads(line)
        times = await heard(hearings, asked["revision"], count, asked["within"])
        say(revision=asked["revision"], lost=hearings.lost, at=list(times))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Hold event streams open, and say when each heard what.")
    parser.add_argument("url")
    parser.add_argument("--streams", type=int, required=True)
    arguments = parser.parse_args()
    uvloop.run(obey(arguments.url, arguments.streams))
