"""What holds for every answer, whatever route gave it.

A HEAD is its GET, nothing is cached unless it says so, pages of other origins may read it, and it is counted.
"""

from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from read_api import metrics
from read_api.cache_policy import NO_STORE
from read_api.live.endpoint import HEAD

READABLE = "ETag, X-Revision, Link, Cache-Status, Server-Timing, Retry-After"  # to scripts of other origins
SENDABLE = "Authorization, If-None-Match, X-Min-Revision, Last-Event-ID"
PREFLIGHT_AGE = "7200"  # seconds; the longest that Chromium takes


class Edge:
    """Outermost but for the hot path. Tokens travel in a header, never in a cookie, so any origin may be let in."""

    def __init__(self, app: ASGIApp, cors: Mapping[str, str]) -> None:
        self._app = app
        self._cors = cors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method = scope["method"]
        status = 500  # of a request that ends in an error nobody made an answer of

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._complete(MutableHeaders(raw=message["headers"]))
            elif method == "HEAD":
                message = {**message, "body": b""}
            await send(message)

        try:
            if method == "OPTIONS" and self._cors:
                await _preflight(answer)
                return
            if method == "HEAD":
                scope["method"] = "GET"
                scope[HEAD] = True
            await self._app(scope, receive, answer)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            known = method if method in {"GET", "HEAD", "OPTIONS"} else "other"
            metrics.REQUESTS.labels(route, known, str(status)).inc()

    def _complete(self, headers: MutableHeaders) -> None:
        headers.setdefault("Cache-Control", NO_STORE)
        for name, value in self._cors.items():
            headers.setdefault(name, value)


def cors(origin: str | None) -> Mapping[str, str]:
    """What lets pages of `origin` read every answer; nothing for None."""
    if origin is None:
        return {}
    return {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": READABLE}


async def _preflight(send: Send) -> None:
    headers = [
        (b"access-control-allow-methods", b"GET, HEAD"),
        (b"access-control-allow-headers", SENDABLE.encode()),
        (b"access-control-max-age", PREFLIGHT_AGE.encode()),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
