"""What holds for every answer: a HEAD is its GET, no cache keeps it, pages of other origins may ask, it is counted."""

from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from writer.api import metrics

METHODS = ("GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS")
READABLE = "Idempotency-Replayed, Link, Location, Preference-Applied, Retry-After"  # to scripts of other origins
SENDABLE = "Authorization, Content-Type, Idempotency-Key, If-Match, Prefer"
PREFLIGHT_AGE = "7200"  # seconds; the longest that Chromium takes


class Edge:
    """Outermost. Tokens travel in a header, never in a cookie, so any origin may be let in."""

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
            await self._app(scope, receive, answer)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            metrics.REQUESTS.labels(route, method if method in METHODS else "other", str(status)).inc()

    def _complete(self, headers: MutableHeaders) -> None:
        headers.setdefault("Cache-Control", "no-store")
        for name, value in self._cors.items():
            headers.setdefault(name, value)


def cors(origin: str | None) -> Mapping[str, str]:
    """What lets pages of `origin` read every answer; nothing for None."""
    if origin is None:
        return {}
    return {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": READABLE}


async def _preflight(send: Send) -> None:
    headers = [
        (b"access-control-allow-methods", b"GET, HEAD, POST, PATCH, DELETE"),
        (b"access-control-allow-headers", SENDABLE.encode()),
        (b"access-control-max-age", PREFLIGHT_AGE.encode()),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
