"""FastAPI with cashews, as its documentation has it: a decorator around the function that loads, Redis behind it."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException

from ops.bench.peers.shop import REDIS, TTL, Shop, open_shop
from ops.bench.requirements import library


def create_app() -> FastAPI:
    """`/v1/events/{id}` is loaded by everyone who misses; below `/locked`, with `lock=True`, by one at a time."""
    cache: Any = library("cashews").cache
    cache.setup(os.environ[REDIS])
    shops: list[Shop] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with open_shop() as shop:
            shops.append(shop)
            yield
            await cache.close()

    app = FastAPI(lifespan=lifespan)

    async def plain(event_id: int) -> Any:
        return await shops[0].event(event_id)

    async def locked(event_id: int) -> Any:
        return await shops[0].event(event_id)

    # Called, not written with an @: its types are known only where the extra is installed.
    plain = cache(ttl=TTL, key="event:{event_id}")(plain)
    locked = cache(ttl=TTL, key="locked:{event_id}", lock=True)(locked)

    @app.get("/v1/events/{event_id}")
    async def get_event(event_id: int) -> Any:
        return _found(await plain(event_id))

    @app.get("/locked/v1/events/{event_id}")
    async def get_event_locked(event_id: int) -> Any:
        return _found(await locked(event_id))

    return app


def _found(event: Any) -> Any:
    if event is None:
        raise HTTPException(404)
    return event
