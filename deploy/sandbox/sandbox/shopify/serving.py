"""Serve an ASGI app from this process on loopback: one event loop, no worker processes, gone when the block ends."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from granian.constants import Interfaces
from granian.server.embed import Server

HOST = "127.0.0.1"
START_TIMEOUT = 10.0  # seconds
RETRY_INTERVAL = 0.01  # seconds between looks at the port


def server_for(app: Any, host: str, port: int, *, log: bool = True) -> Server:
    """Granian inside this process: what the app holds in memory is there for every request, and dies with it."""
    return Server(app, address=host, port=port, interface=Interfaces.ASGI, websockets=False, log_enabled=log)


def stop(server: Server, app: Any) -> None:
    """Granian waits for every request under way: those that only wait are told to finish (`app.state.closing`)."""
    closing: asyncio.Event | None = getattr(getattr(app, "state", None), "closing", None)
    if closing:
        closing.set()
    server.stop()  # type: ignore[no-untyped-call]


@asynccontextmanager
async def serving(app: Any, port: int | None = None) -> AsyncIterator[str]:
    """Yields the base URL, `http://127.0.0.1:{port}`, once the port answers.

    Raises:
        TimeoutError: it never did.

    """
    chosen = port or free_port()
    server = server_for(app, HOST, chosen, log=False)
    running = asyncio.create_task(server.serve())
    try:
        await _answers(chosen, running)
        yield f"http://{HOST}:{chosen}"
    finally:
        stop(server, app)
        await running


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        number: int = probe.getsockname()[1]
        return number


async def _answers(port: int, running: asyncio.Task[None]) -> None:
    async with asyncio.timeout(START_TIMEOUT):
        while not running.done():
            try:
                _, writer = await asyncio.open_connection(HOST, port)
            except OSError:
                await asyncio.sleep(RETRY_INTERVAL)
                continue
            writer.close()
            await writer.wait_closed()
            return
    await running
