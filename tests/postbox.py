"""Stands between Shopify and webhook-ingest: passes webhooks on, or keeps them for a test to deliver as it likes.

Every webhook is kept byte for byte with its headers, so that what a test delivers late, twice or in another order is
what Shopify really sent.
"""

from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.shopify.serving import serving

REMEMBERED = 20_000  # letters
ANSWER_WITHIN = 10.0  # seconds; a sender more patient than Shopify, which hangs up after 5
UNREACHABLE = 0  # instead of a status: nobody answered
ABOUT_THE_CONNECTION = ("host", "content-length", "connection", "accept-encoding", "transfer-encoding")


@dataclass(frozen=True)
class Letter:
    """One webhook as it was sent. `path` is webhook-ingest's, as in /webhooks/products/update."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def topic(self) -> str:
        return self.headers["x-shopify-topic"]

    @property
    def about_product(self) -> bool:
        return self.topic.startswith("products/")


class Postbox:
    """`url` is where Shopify sends to. It passes on at once, unless it is `holding`."""

    def __init__(self, ingest_url: str) -> None:
        self.url = ""
        self.letters: deque[Letter] = deque(maxlen=REMEMBERED)
        self._ingest_url = ingest_url
        self._held: list[Letter] | None = None
        self._http = httpx2.AsyncClient(trust_env=False, timeout=ANSWER_WITHIN)

    @contextmanager
    def holding(self) -> Iterator[list[Letter]]:
        """Answer 200 to Shopify and keep the letters; delivering them is up to the caller."""
        held: list[Letter] = []
        self._held = held
        try:
            yield held
        finally:
            self._held = None

    async def deliver(self, letter: Letter) -> int:
        """webhook-ingest's status, or UNREACHABLE."""
        try:
            answer = await self._http.post(
                f"{self._ingest_url}{letter.path}", content=letter.body, headers=letter.headers
            )
        except httpx2.HTTPError:
            return UNREACHABLE
        return answer.status_code

    async def _take(self, request: Request) -> Response:
        headers = {name: value for name, value in request.headers.items() if name not in ABOUT_THE_CONNECTION}
        letter = Letter(request.url.path, headers, await request.body())
        self.letters.append(letter)
        if self._held is not None:
            self._held.append(letter)
            return Response()
        return Response(status_code=await self.deliver(letter) or 502)

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Postbox"]:
        app = Starlette(routes=[Route("/{path:path}", self._take, methods=["POST"])])
        async with self._http, serving(app) as self.url:
            yield self
