"""The seam to Shopify's Admin API: documents, client, budget, typed errors.

async with shopify(ShopifySettings(), redis=tags.connect(settings)) as client:
    answer = await client.execute("product", {"id": "gid://shopify/Product/1"})
    later = await client.acting_for(Share.BACKFILL).execute("bulk_ends")
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx2
import redis.asyncio

from shared.shopify.budget import Budget, LocalBudget
from shared.shopify.client import ShopifyClient
from shared.shopify.envelope import Answer
from shared.shopify.governor import Governor, governor
from shared.shopify.http import http_client
from shared.shopify.settings import ShopifySettings
from shared.shopify.shares import Share
from shared.shopify.tokens import ClientCredentials, token_source

__all__ = ["Answer", "Budget", "Governor", "LocalBudget", "Share", "ShopifyClient", "ShopifySettings", "shopify"]


@asynccontextmanager
async def shopify(
    settings: ShopifySettings,
    *,
    redis: "redis.asyncio.Redis | None" = None,
    budget: Budget | None = None,
    transport: httpx2.AsyncBaseTransport | None = None,
) -> AsyncIterator[ShopifyClient]:
    """A client of the shop that the settings name, with its connections.

    With `redis` (not closed here) the points are shared with every process that does the same; without, this process
    believes to have the shop to itself. `budget` instead of both: one that exists.
    """
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(http_client(settings, transport))
        tokens = token_source(settings, http)
        if isinstance(tokens, ClientCredentials):
            stack.push_async_callback(tokens.close)
        points = budget or await _points(settings, redis, stack)
        client = ShopifyClient(settings, tokens, http, points)
        if isinstance(points, Governor):
            points.ask_with(client.ask_for_points)
        yield client


async def _points(
    settings: ShopifySettings, client: "redis.asyncio.Redis | None", stack: AsyncExitStack
) -> LocalBudget | Governor:
    slots = settings.shopify_max_in_flight
    if client is None:
        return LocalBudget(slots=slots)
    made = governor(
        client,
        settings.shopify_shop,
        processes=settings.shopify_processes,
        slots=slots,
        request_timeout=settings.shopify_request_timeout,
    )
    return await stack.enter_async_context(made)
