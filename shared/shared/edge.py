"""What holds for every answer of an API, whatever route gave it.

A HEAD is its GET, nothing is cached unless it says so, pages of other origins may read it, and it is counted.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client import Counter
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

NO_STORE = "no-store"
PREFLIGHT_AGE = "7200"  # seconds; the longest that Chromium takes
HEAD = "understudy.head"  # of a scope whose GET was asked for as HEAD


@dataclass(frozen=True)
class Manners:
    """What an API takes. `readable` are headers of its answers that scripts of other origins may see, `sendable` those
    that they may send. `requests` counts by route, method and status.
    """

    methods: tuple[str, ...]
    readable: str
    sendable: str
    requests: Counter

    def cors(self, origin: str | None) -> Mapping[str, str]:
        """What lets pages of `origin` read every answer; nothing for None."""
        if origin is None:
            return {}
        return {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": self.readable}


class Edge:
    """Outermost. Tokens travel in a header, never in a cookie, so any origin may be let in."""

    def __init__(self, app: ASGIApp, manners: Manners, cors: Mapping[str, str]) -> None:
        self._app = app
        self._manners = manners
        self._cors = cors
        self._known = {*manners.methods, "OPTIONS"}

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
                await self._preflight(answer)
                return
            if method == "HEAD":
                scope["method"] = "GET"
                scope[HEAD] = True
            await self._app(scope, receive, answer)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            known = method if method in self._known else "other"
            self._manners.requests.labels(route, known, str(status)).inc()

    def _complete(self, headers: MutableHeaders) -> None:
        headers.setdefault("Cache-Control", NO_STORE)
        for name, value in self._cors.items():
            headers.setdefault(name, value)

    async def _preflight(self, send: Send) -> None:
        headers = [
            (b"access-control-allow-methods", ", ".join(self._manners.methods).encode()),
            (b"access-control-allow-headers", self._manners.sendable.encode()),
            (b"access-control-max-age", PREFLIGHT_AGE.encode()),
        ]
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b""})
