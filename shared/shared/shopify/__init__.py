"""The seam to Shopify's Admin API: documents, client, budget, typed errors.

async with shopify(ShopifySettings()) as client:
answer = await client.execute("product", {"id": "gid://shopify/Product/1"})
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2

from shared.shopify.budget import Budget, LocalBudget
from shared.shopify.client import ShopifyClient
from shared.shopify.envelope import Answer
from shared.shopify.http import http_client
from shared.shopify.settings import ShopifySettings
from shared.shopify.tokens import ClientCredentials, token_source

__all__ = ["Answer", "Budget", "LocalBudget", "ShopifyClient", "ShopifySettings", "shopify"]


@asynccontextmanager
async def shopify(
    settings: ShopifySettings, *, budget: Budget | None = None, transport: httpx2.AsyncBaseTransport | None = None
) -> AsyncIterator[ShopifyClient]:
    """A client of the shop that the settings name, with its connections. `budget`: default is this process's own."""
    async with http_client(settings, transport) as http:
        tokens = token_source(settings, http)
        try:
            yield ShopifyClient(settings, tokens, http, budget or LocalBudget())
        finally:
            if isinstance(tokens, ClientCredentials):
                await tokens.close()
