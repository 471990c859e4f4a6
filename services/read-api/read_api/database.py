"""PostgreSQL, as far as read-api may see it: SELECTs, from a pool that comes when PostgreSQL does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import structlog

from read_api.listing import SQL, numbered
from shared.ending import end
from shared.errors import UnderstudyError
from shared.postgres import (
    ACQUIRE_TIMEOUT,
    READER_ROLE,
    Connection,
    NotMigrated,
    PostgresUnavailable,
    answering,
    connect,
)
from shared.settings import PostgresSettings

log = structlog.get_logger()

FIRST_PAUSE = 0.25  # seconds between two attempts to connect; doubles
LONGEST_PAUSE = 3.0  # seconds


class Database:
    """`start` returns at once; until the pool stands, every read raises PostgresUnavailable."""

    def __init__(self, settings: PostgresSettings) -> None:
        self._settings = settings
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._reason = "not connected yet"
        self._was_there = False
        self._connecting: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._connecting = asyncio.create_task(self._until_connected(), name="connect to PostgreSQL")

    async def close(self) -> None:
        await end(self._connecting)
        if self._pool is not None:
            self._pool.terminate()  # what is in flight was answered before the lifespan ended

    async def rows(self, query: str, **values: Any) -> list[asyncpg.Record]:
        """The rows of one statement with `:names`. Raises PostgresUnavailable."""
        text, arguments = numbered(query, values)
        return await self.fetch(text, arguments)

    async def fetch(self, text: str, arguments: list[Any]) -> list[asyncpg.Record]:
        """The rows of one statement. Raises PostgresUnavailable."""
        async with self._connection() as connection, answering():
            rows: list[asyncpg.Record] = await connection.fetch(text, *arguments)
        return rows

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        if self._pool is None:
            raise PostgresUnavailable(self._reason)
        try:
            async with answering():
                connection = await self._pool.acquire(timeout=ACQUIRE_TIMEOUT)
        except asyncpg.PostgresError as error:  # it may have been restored, without our role or our database yet
            raise PostgresUnavailable(f"PostgreSQL refuses connections: {_sayable(error)}") from error
        try:
            yield connection
        finally:
            async with answering():
                await self._pool.release(connection, timeout=ACQUIRE_TIMEOUT)

    async def start_problem(self) -> str | None:
        """Why nothing could be read from it yet, or None for ever after it was: Redis answers while it is away."""
        if not self._was_there:
            problem = await self.problem()
            if problem is not None:
                return problem
            self._was_there = True
        return None

    async def problem(self) -> str | None:
        """Why it can't be read from, or None."""
        try:
            return None if await self.rows(SQL.ready) else str(NotMigrated())
        except UnderstudyError as error:
            return str(error)

    async def step(self) -> bool:
        """Try to connect once. False: not now; `problem` says why."""
        try:
            self._pool = await connect(self._settings, "read-api", role=READER_ROLE)
        except Exception as error:  # noqa: BLE001 (a role that is not there yet, a name that does not resolve: try again)
            self._reason = _sayable(error)
            return False
        return True

    async def _until_connected(self) -> None:
        pause = FIRST_PAUSE
        while not await self.step():
            log.warning("postgres.away", error=self._reason)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
        log.info("postgres.connected")


def _sayable(error: Exception) -> str:
    """What anyone may read of an error: /readyz and the logs show it.

    A DSN that can't be parsed (a password with an unescaped #) is quoted piece by piece in whatever complains of it:
    int(), the driver's InterfaceError, a server that knows no such user. Of those, the name has to do.
    """
    if isinstance(error, PostgresUnavailable) and not isinstance(error.__cause__, asyncpg.InterfaceError):
        return str(error)
    return f"{type(error.__cause__ or error).__name__}, see POSTGRES_DSN"
