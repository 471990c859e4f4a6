"""FastAPI with fastapi-cache, as its documentation has it: a decorator on the route, Redis behind it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException

from ops.bench.peers.shop import TTL, Shop, connect, open_shop
from ops.bench.requirements import library


def create_app() -> FastAPI:
    cache: Any = library("fastapi_cache.decorator").cache
    redis = connect()
    shops: list[Shop] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        backend = library("fastapi_cache.backends.redis").RedisBackend(redis)
        library("fastapi_cache").FastAPICache.init(backend, prefix="fastapi-cache")
        async with open_shop() as shop, redis:
            shops.append(shop)
            yield

    async def get_event(event_id: int) -> Any:
        event = await shops[0].event(event_id)
        if event is None:
            raise HTTPException(404)
        return event

    app = FastAPI(lifespan=lifespan)
    # Called, not written with an @: its types are known only where the extra is installed.
    app.get("/v1/events/{event_id}")(cache(expire=TTL)(get_event))
    return app
