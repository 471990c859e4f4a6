"""A simulated Shopify over real HTTP, one for each test, and a receiver for its webhooks."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.shopify.app import create_app
from sandbox.shopify.knobs import Knobs
from sandbox.shopify.serving import serving
from sandbox.shopify.settings import ShopifySettings

TOKEN, SECRET = "shpat_test", "hush"
VERSION = "2026-10"


@dataclass
class Sim:
    """What a test does to the shop: GraphQL as an app, control as everyone else."""

    url: str
    http: httpx2.AsyncClient
    token: str = TOKEN

    async def post(self, query: str, variables: Any = None, **headers: str) -> httpx2.Response:
        return await self.http.post(
            f"{self.url}/admin/api/{VERSION}/graphql.json",
            json={"query": query, "variables": variables},
            headers={"X-Shopify-Access-Token": self.token, **headers},
        )

    async def gql(self, query: str, variables: Any = None, **headers: str) -> dict[str, Any]:
        answer = await self.post(query, variables, **headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def data(self, query: str, variables: Any = None) -> dict[str, Any]:
        answer = await self.gql(query, variables)
        assert "errors" not in answer, answer
        return answer["data"]

    async def control(self, method: str, path: str, body: Any = None, status: int | None = None) -> Any:
        answer = await self.http.request(method, f"{self.url}/control{path}", json=body)
        assert answer.status_code == status if status else answer.is_success, answer.text
        return answer.json()

    async def product(self, title: str = "Jazz", **fields: Any) -> dict[str, Any]:
        tickets = fields.pop("variants", [{"title": "VIP", "price": "49.00", "quantity": 100}])
        return await self.control("POST", "/products", {"title": title, "variants": tickets, **fields})

    async def knobs(self, **knobs: Any) -> None:
        await self.control("PATCH", "/knobs", knobs)

    async def subscribe(self, topic: str, url: str, **wanted: Any) -> str:
        text = """mutation ($t: WebhookSubscriptionTopic!, $s: WebhookSubscriptionInput!) {
          webhookSubscriptionCreate(topic: $t, webhookSubscription: $s) {
            webhookSubscription { id } userErrors { field message } } }"""
        made = (await self.data(text, {"t": topic, "s": {"uri": url, **wanted}}))["webhookSubscriptionCreate"]
        assert made["userErrors"] == []
        return made["webhookSubscription"]["id"]

    async def flush(self) -> None:
        assert (await self.control("POST", "/webhooks/flush?timeout=10"))["flushed"]


@dataclass
class Received:
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)


@dataclass
class Receiver:
    """Remembers what came, and answers with the next of `answers`, then 200."""

    url: str = ""
    got: list[Received] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    always: int = 200
    pause: float = 0

    async def receive(self, request: Request) -> Response:
        self.got.append(Received(dict(request.headers), await request.body()))
        if self.pause:
            await asyncio.sleep(self.pause)
        return Response(status_code=self.answers.pop(0) if self.answers else self.always)


@asynccontextmanager
async def a_sim(**settings: Any) -> AsyncIterator[Sim]:
    knobs = Knobs.model_validate({"webhook_retry_scale": 1e-6, **settings.pop("knobs", {})})
    made = ShopifySettings(
        access_token=TOKEN, client_secret=SECRET, knobs=knobs, **{"allow_http": True, "events": 0, **settings}
    )
    async with serving(create_app(made)) as url, httpx2.AsyncClient(trust_env=False, timeout=20) as http:
        yield Sim(url, http)


@pytest.fixture
async def start_sim() -> AsyncIterator[Callable[..., Any]]:
    """Start one with settings of the test's own."""
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> Sim:
            return await stack.enter_async_context(a_sim(**settings))

        yield start


@pytest.fixture
async def sim() -> AsyncIterator[Sim]:
    async with a_sim() as made:
        yield made


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    app = Starlette(routes=[Route("/hook", made.receive, methods=["POST"])])
    async with serving(app) as url:
        made.url = f"{url}/hook"
        yield made
