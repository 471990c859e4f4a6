"""The least HTTP/1.1 that a load generator needs: one connection, one request at a time, answers framed by length."""

import asyncio
import re
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import cast

HEAD_END = b"\r\n\r\n"
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
BODYLESS = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}
BROKEN = 0  # instead of a status: the connection ended, or its answer can't be framed
CONNECT_WITHIN = 30.0  # seconds
CONNECTING_AT_ONCE = 256  # less than any listen backlog

# status (or BROKEN), head, body, and when the last byte was there (time.perf_counter)
Answered = Callable[[int, bytes, bytes, float], None]


class Wire(asyncio.Protocol):
    """`ask` sends a request's bytes; `answered` is called once for each. Ask again only after that."""

    def __init__(self) -> None:
        self.open = False
        self._transport: asyncio.Transport | None = None
        self._answered: Answered | None = None
        self._received = b""
        self._head_size = self._whole = self._status = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self.open = cast(asyncio.Transport, transport), True  # uvloop's are none by their class

    def ask(self, request: bytes, answered: Answered) -> None:
        if self._transport is None or not self.open:
            answered(BROKEN, b"", b"", time.perf_counter())
            return
        self._answered = answered
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        received = self._received = self._received + data if self._received else data
        if not self._whole:
            end = received.find(HEAD_END)
            if end < 0:
                return
            self._head_size = end + len(HEAD_END)
            self._status = int(received[9:12])
            length = LENGTH.search(received, 0, end)
            if length is None and self._status not in BODYLESS:
                self.close()  # chunked: nothing here needs it, so it counts as broken
                return
            self._whole = self._head_size + (int(length[1]) if length and self._status not in BODYLESS else 0)
        if len(received) >= self._whole:
            head, body = received[: self._head_size], received[self._head_size : self._whole]
            self._received, self._whole = b"", 0
            self._answer(self._status, head, body)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002  # the signature is asyncio's
        self.open = False
        self._answer(BROKEN, b"", b"")

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """At once, whatever is on its way."""
        if self._transport is not None:
            self._transport.abort()

    def _answer(self, status: int, head: bytes, body: bytes) -> None:
        answered, self._answered = self._answered, None
        if answered is not None:
            answered(status, head, body, time.perf_counter())


async def connected(host: str, port: int, number: int) -> list[Wire]:
    """So many open connections, opened a few at once. Raises OSError or TimeoutError."""
    loop, turn = asyncio.get_running_loop(), asyncio.Semaphore(CONNECTING_AT_ONCE)

    async def one() -> Wire:
        async with turn, asyncio.timeout(CONNECT_WITHIN):
            _, wire = await loop.create_connection(Wire, host, port)
            return wire

    return list(await asyncio.gather(*(one() for _ in range(number))))
