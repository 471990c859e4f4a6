"""A simulated Shopify of each test's own, and clients of it."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import httpx2
import pytest
from redis.asyncio import Redis

from sandbox.shopify.app import create_app
from sandbox.shopify.settings import ShopifySettings as SimulatorSettings
from shared.shopify import Budget, ShopifyClient, ShopifySettings, shopify

TOKEN, SECRET = "shpat_of_the_test", "secret-of-the-test"


class Simulated:
    """The simulator in this process, its control room, and the way to it."""

    def __init__(self, app) -> None:
        self.transport = httpx2.ASGITransport(app)
        self.control = httpx2.AsyncClient(transport=self.transport, base_url="http://127.0.0.1/control")

    def connect(
        self, *, budget: Budget | None = None, redis: Redis | None = None, **more
    ) -> AbstractAsyncContextManager[ShopifyClient]:
        settings = {"shopify_shop": "understudy.myshopify.com", "shopify_admin_url": "http://127.0.0.1"}
        credentials = {} if "shopify_client_id" in more else {"shopify_access_token": TOKEN}
        return shopify(
            ShopifySettings(**settings | credentials | more), redis=redis, budget=budget, transport=self.transport
        )

    async def turn(self, **knobs) -> None:
        (await self.control.patch("/knobs", json=knobs)).raise_for_status()

    async def create(self, title: str, variants: int = 1, **more) -> dict:
        product = {"title": title, "variants": [{"title": f"T{n}", "price": "25.00"} for n in range(variants)]}
        answer = await self.control.post("/products", json=product | more)
        answer.raise_for_status()
        return answer.json()

    async def state(self) -> dict:
        return (await self.control.get("/state")).json()


@pytest.fixture
async def simulated() -> AsyncIterator[Simulated]:
    app = create_app(SimulatorSettings(access_token=TOKEN, client_secret=SECRET, events=60, allow_http=True))
    async with app.router.lifespan_context(app):
        yield Simulated(app)
