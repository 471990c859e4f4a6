"""The peers' way to the events: the same rows that read-api serves, by the same statements, as objects."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import orjson
from redis.asyncio import BlockingConnectionPool, Redis

POSTGRES, REDIS, CROWD = "PEER_POSTGRES_DSN", "PEER_REDIS_URL", "PEER_CROWD"
REDIS_CONNECTIONS = 100  # redis-py's own limit
TTL = 300  # seconds: five minutes

EVENT = "SELECT document FROM events WHERE id = $1 AND status = 'active' AND deleted_at IS NULL"
TICKETS = "SELECT tickets_document FROM events WHERE id = $1 AND status = 'active' AND deleted_at IS NULL"
HANDLE = "SELECT document FROM events WHERE handle = $1 AND status = 'active' AND deleted_at IS NULL"
CATEGORIES = """
SELECT coalesce(json_agg(json_build_object('name', category, 'count', count) ORDER BY category COLLATE "C"), '[]')::text
FROM (
    SELECT category, count(*) FROM events
    WHERE deleted_at IS NULL AND status = 'active' AND category IS NOT NULL GROUP BY category
) AS counted
"""
PAGE = """
SELECT item FROM events
WHERE deleted_at IS NULL AND status = 'active'
  AND ($1::text IS NULL OR category = $1) AND ($2::text IS NULL OR venue_city = $2)
  AND ($3::text IS NULL OR tags @> ARRAY[$3::text])
ORDER BY starts_at, id LIMIT $4
"""


class Shop:
    """JSON objects; None for what is not there."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool

    async def event(self, event_id: int) -> Any:
        return _read(await self._pool.fetchval(EVENT, event_id))

    async def tickets(self, event_id: int) -> Any:
        return _read(await self._pool.fetchval(TICKETS, event_id))

    async def by_handle(self, handle: str) -> Any:
        return _read(await self._pool.fetchval(HANDLE, handle))

    async def page(self, category: str | None, city: str | None, tag: str | None, limit: int) -> Any:
        rows = await self._pool.fetch(PAGE, category, city, tag, limit)
        return {"events": [_read(row["item"]) for row in rows]}

    async def categories(self) -> Any:
        return {"categories": _read(await self._pool.fetchval(CATEGORIES))}


@asynccontextmanager
async def open_shop() -> AsyncIterator[Shop]:
    """On the database that the environment names; asyncpg's own pool of at most ten connections."""
    async with asyncpg.create_pool(os.environ[POSTGRES]) as pool:
        yield Shop(pool)


def connect() -> Redis:
    """As redis-py does it by itself. Its pool refuses the 101st at once; where a crowd is expected, they queue."""
    url = os.environ[REDIS]
    if CROWD not in os.environ:
        return Redis.from_url(url)
    pool = BlockingConnectionPool.from_url(url, max_connections=REDIS_CONNECTIONS, timeout=None)
    return Redis.from_pool(pool)


def _read(text: str | None) -> Any:
    return None if text is None else orjson.loads(text)
