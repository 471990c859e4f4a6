"""Speak to PostgreSQL for the length of one command; a server that is away is an error with an address."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import asyncpg
import orjson

from ops.failures import Refused, ServerDown, SettingMissing, SettingWrong
from shared.postgres import NotMigrated, PostgresUnavailable, answering
from shared.settings import is_postgres

CONNECT_WITHIN = 3.0  # seconds
ANSWER_WITHIN = 8.0  # seconds
CLOSE_WITHIN = 2.0  # seconds
DEFAULT_PORT = 5432

# Somebody answered, and does not let us in: another password, user or database has to be named.
REFUSALS = (
    asyncpg.InvalidAuthorizationSpecificationError,  # a wrong password among them
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
)

if TYPE_CHECKING:  # generic in the stubs only
    Row = asyncpg.Record
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Row, Connection = asyncpg.Record, asyncpg.Connection


class Database:
    """One connection, made when it is needed, and made again when it was lost."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: Connection | None = None

    async def rows(self, query: str, *values: Any) -> list[Row]:
        """The rows of one statement, which is a transaction of its own.

        Raises:
            ServerDown: PostgreSQL does not answer; the next call tries again.
            Refused: it does not let us in.
            NotMigrated: the tables are not those of this version, or the role may not do this.
        """
        connection = await self._connected()
        try:
            async with answering():
                found: list[Row] = await connection.fetch(query, *values)
        except NotMigrated:
            raise
        except PostgresUnavailable as error:
            await self.close()
            raise ServerDown(f"PostgreSQL at {_shown(self._dsn)} stopped answering: {error.__cause__!r}") from error
        return found

    async def row(self, query: str, *values: Any) -> Row | None:
        return next(iter(await self.rows(query, *values)), None)

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            await connection.close(timeout=CLOSE_WITHIN)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            connection.terminate()  # it was lost already

    async def _connected(self) -> Connection:
        if self._connection is not None and not self._connection.is_closed():
            return self._connection
        try:
            async with answering():
                connection = await asyncpg.connect(
                    self._dsn,
                    timeout=CONNECT_WITHIN,
                    command_timeout=ANSWER_WITHIN,
                    server_settings={"application_name": "understudy", "timezone": "UTC"},
                )
        except (asyncpg.PostgresError, PostgresUnavailable) as error:
            cause = error.__cause__ or error
            if isinstance(cause, REFUSALS):
                raise Refused(f"PostgreSQL at {_shown(self._dsn)} refused: {cause}") from error
            raise ServerDown(f"PostgreSQL does not answer at {_shown(self._dsn)}: {_reason(error)}") from error
        await connection.set_type_codec(
            "jsonb", schema="pg_catalog", encoder=lambda value: orjson.dumps(value).decode(), decoder=orjson.loads
        )
        self._connection = connection
        return connection


@asynccontextmanager
async def postgres(dsn: str | None) -> AsyncIterator[Database]:
    """Raises SettingMissing, SettingWrong; what is asked of it raises ServerDown, Refused, NotMigrated."""
    if not dsn:
        raise SettingMissing("POSTGRES_DSN is not set; `understudy up` prints its own as `postgres`")
    if not is_postgres(dsn):
        raise SettingWrong("--postgres (POSTGRES_DSN) is no postgresql:// address (is the password percent-encoded?)")
    database = Database(dsn)
    try:
        yield database
    finally:
        await asyncio.shield(database.close())


def _reason(error: Exception) -> str:
    """The driver's own exception; never its words where they quote the address, password and all."""
    cause = error.__cause__ or error
    return type(cause).__name__ if isinstance(cause, asyncpg.InterfaceError) else repr(cause)


def _shown(dsn: str) -> str:
    """Hosts and ports of an address that was checked; no password."""
    hosts = urlsplit(dsn).netloc.rpartition("@")[2] or "the address of POSTGRES_DSN"
    return ", ".join(host if ":" in host or " " in host else f"{host}:{DEFAULT_PORT}" for host in hosts.split(","))
