"""FastAPI + Redis cache-aside: look in Redis; else load it from PostgreSQL and keep it there for five minutes."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException

from ops.bench.peers.shop import TTL, Shop, connect, open_shop


def create_app() -> FastAPI:
    redis = connect()
    shops: list[Shop] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with open_shop() as shop, redis:
            shops.append(shop)
            yield

    async def cached(cache_key: str, load: Callable[[], Awaitable[Any]]) -> Any:
        held = await redis.get(cache_key)
        if held:
            return json.loads(held)
        found = await load()
        if found is None:
            raise HTTPException(404)
        await redis.set(cache_key, json.dumps(found), ex=TTL)
        return found

    app = FastAPI(lifespan=lifespan)

    @app.get("/v1/events")
    async def list_events(
        category: str | None = None, city: str | None = None, tag: str | None = None, limit: int = 50
    ) -> Any:
        key = f"events:category={category}:city={city}:tag={tag}:limit={limit}"
        return await cached(key, lambda: shops[0].page(category, city, tag, limit))

    @app.get("/v1/events/by-handle/{handle}")
    async def get_event_by_handle(handle: str) -> Any:
        return await cached(f"handle:{handle}", lambda: shops[0].by_handle(handle))

    @app.get("/v1/events/{event_id}")
    async def get_event(event_id: int) -> Any:
        return await cached(f"event:{event_id}", lambda: shops[0].event(event_id))

    @app.get("/v1/events/{event_id}/tickets")
    async def get_tickets(event_id: int) -> Any:
        return await cached(f"tickets:{event_id}", lambda: shops[0].tickets(event_id))

    @app.get("/v1/categories")
    async def get_categories() -> Any:
        return await cached("categories", shops[0].categories)

    return app
