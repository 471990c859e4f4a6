"""A store over a database of each test's own, with the syncer's tables; and what it holds."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import asyncpg
import orjson
import pytest
from databases import fresh_database

from shared.contracts import Change
from shared.errors import Occupied
from shared.migrations import migrate
from shared.postgres import connect, transaction
from shared.settings import PostgresSettings
from syncer.rules import Rules
from syncer.store import Projected, Store


@dataclass
class Books:
    """A store, what changes do to it, and what its tables say."""

    store: Store

    @property
    def pool(self) -> "asyncpg.Pool[asyncpg.Record]":
        return self.store.pool

    async def project(self, *changes: Change) -> Projected:
        """What became of the last one. Each comes alone; one whose event somebody else holds comes again."""
        for change in changes:
            projected = await self._project(change)
        return projected

    async def project_at_once(self, *changes: Change) -> list[Projected]:
        """As one batch."""
        return await self.store.project(changes)

    async def _project(self, change: Change) -> Projected:
        async with asyncio.timeout(30):
            while True:
                [projected] = await self.store.project([change])
                if not isinstance(projected.error, Occupied):
                    break
        if projected.error is not None:
            raise projected.error
        return projected

    async def rows(self, statement: str, *arguments: Any) -> list[dict[str, Any]]:
        async with transaction(self.pool) as connection:
            return [dict(row) for row in await connection.fetch(statement, *arguments)]

    async def row(self, statement: str, *arguments: Any) -> dict[str, Any]:
        [row] = await self.rows(statement, *arguments)
        return row

    async def event(self, event_id: int) -> dict[str, Any]:
        return await self.row("SELECT * FROM events WHERE id = $1", event_id)

    async def document(self, event_id: int) -> dict[str, Any]:
        """As organizers read it."""
        document: dict[str, Any] = orjson.loads((await self.event(event_id))["manage_document"])
        return document

    async def collection(self) -> int:
        return int((await self.row("SELECT revision FROM collections WHERE name = 'events'"))["revision"])

    async def wanted(self) -> dict[tuple[str, int], str]:
        """Why which resource shall be read."""
        rows = await self.rows("SELECT resource, id, reason FROM refetches")
        return {(row["resource"], row["id"]): row["reason"] for row in rows}

    async def everything(self) -> dict[str, list[dict[str, Any]]]:
        """Every row of the projections that readers live on."""
        tables = ("events", "tickets", "inventory_levels", "inventory_items", "collections")
        return {table: await self.rows(f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables}  # noqa: S608


@pytest.fixture(scope="session")
async def migrated_database(postgres_dsn: str) -> AsyncIterator[str]:
    async with fresh_database(postgres_dsn) as dsn:
        await migrate(dsn, "syncer")
        yield dsn


@pytest.fixture
async def pool(postgres_dsn: str, migrated_database: str) -> AsyncIterator["asyncpg.Pool[asyncpg.Record]"]:
    async with (
        fresh_database(postgres_dsn, migrated_database) as dsn,
        await connect(PostgresSettings(postgres_dsn=dsn, postgres_pool_size=8), "test") as made,
    ):
        yield made


@pytest.fixture
def books(pool: "asyncpg.Pool[asyncpg.Record]") -> Books:
    return Books(Store(pool, Rules(), "EUR"))
