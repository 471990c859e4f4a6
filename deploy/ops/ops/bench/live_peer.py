"""A bare ASGI fan-out: what is left when the streams know no tags, no ids, no drafts, no gaps and no slow clients."""

import asyncio
from typing import Any

SLICE = 200  # streams served in one go, as ours
STREAM = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]

_streams: dict[int, Any] = {}


async def app(scope: Any, receive: Any, send: Any) -> None:
    """`/announce?{revision}` tells every stream; `/read` is a small answer; anything else is a stream."""
    if scope["type"] != "http":
        return
    if scope["path"] == "/announce":
        await _announce(scope["query_string"])
    if scope["path"] in ("/announce", "/read"):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": STREAM})
    await send({"type": "http.response.body", "body": b":\n\n", "more_body": True})
    _streams[id(send)] = send
    try:
        while (await receive())["type"] != "http.disconnect":
            pass
    finally:
        del _streams[id(send)]


async def _announce(revision: bytes) -> None:
    body = b'event: purge\ndata: {"tag":"event:42","revision":' + revision + b"}\n\n"
    message = {"type": "http.response.body", "body": body, "more_body": True}
    for count, send in enumerate(list(_streams.values()), 1):
        await send(message)
        if count % SLICE == 0:
            await asyncio.sleep(0)


if __name__ == "__main__":
    import sys

    from granian import Granian
    from granian.constants import HTTPModes, Interfaces, Loops, RuntimeModes

    Granian(
        "ops.bench.live_peer:app",
        port=int(sys.argv[1]),
        interface=Interfaces.ASGINL,
        runtime_mode=RuntimeModes.mt,
        loop=Loops.uvloop,
        http=HTTPModes.http1,
        websockets=False,
        backpressure=20_000,
        log_enabled=False,
        workers_kill_timeout=1,
    ).serve()
