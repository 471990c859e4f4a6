"""The seam to PostgreSQL: a pool, named queries, and one name for "it is away"."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import asyncpg
import orjson

from shared.errors import Permanent, Transient, Unavailable
from shared.settings import PostgresSettings

CONNECT_TIMEOUT = 3.0  # seconds
ACQUIRE_TIMEOUT = 3.0  # seconds a caller waits for a free connection
CLOSE_TIMEOUT = 5.0  # seconds for what is in flight when we stop
COMMAND_TIMEOUT = 8.0  # seconds for one statement
READER_ROLE = "understudy_reader"  # may SELECT, nothing else

if TYPE_CHECKING:  # generic in the stubs only
    Connection = asyncpg.pool.PoolConnectionProxy[asyncpg.Record] | asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection


class PostgresUnavailable(Unavailable):
    """PostgreSQL does not answer."""


class NotMigrated(PostgresUnavailable):
    """The tables are not those of this version, or not ours to use; run `understudy migrate`."""


class DataRefused(Permanent):
    """PostgreSQL can't hold this value, now or ever."""


class PostgresBusy(Transient):
    """PostgreSQL broke off a transaction that may succeed when it is run again."""


AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.InsufficientResourcesError,  # too many connections, no memory, no disk
    asyncpg.PostgresSystemError,  # an error of the disk
    asyncpg.InvalidAuthorizationSpecificationError,  # a password that is being rotated
    asyncpg.InvalidCatalogNameError,  # a database that is being restored
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.QueryCanceledError,
    asyncpg.IdleInTransactionSessionTimeoutError,  # our process was stopped in the middle of a transaction
    asyncpg.ReadOnlySQLTransactionError,  # a primary that was demoted
    asyncpg.InternalClientError,  # the connection broke while the driver was in the middle of something
    asyncpg.InterfaceError,  # the pool is closing, or the connection broke under a statement
)
# An upgrade whose migrations have not run yet must not bury a single message.
UNFIT = (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.InsufficientPrivilegeError)
UNHOLDABLE = (asyncpg.DataError, asyncpg.ProgramLimitExceededError)  # out of range, too long for an index
BUSY = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, asyncpg.LockNotAvailableError)


@asynccontextmanager
async def answering() -> AsyncIterator[None]:
    """Give the driver's failures their names: away, not migrated, busy, unholdable. Other errors stay what they are."""
    try:
        yield
    except UNHOLDABLE as error:
        raise DataRefused(str(error)) from error
    except BUSY as error:
        raise PostgresBusy(str(error)) from error
    except UNFIT as error:
        raise NotMigrated(f"{NotMigrated.__doc__} ({error})") from error
    except AWAY as error:
        raise PostgresUnavailable(f"PostgreSQL does not answer: {error!r}") from error


async def connect(
    settings: PostgresSettings,
    service: str,
    role: str | None = None,
    search_path: str | None = None,
    *,
    reset: bool = True,
    eager: bool = True,
    longest_pause: float = 0.0,
) -> "asyncpg.Pool[asyncpg.Record]":
    """A pool of connections in UTC, JSON as Python values. With `role`, every connection has only that role's rights.

    `search_path`: the schemas in which names without one are looked up, in order; `public` without it. `reset`: undo
    after each use what a session may keep (locks, settings, cursors); who only SELECTs keeps nothing, and saves a trip.
    Not `eager`: it connects when it is asked for something, and so begins whatever is down. `longest_pause`: seconds
    that a transaction may stand still until the server ends it, with its locks, because its process may have been
    stopped; 0: for ever.

    Raises:
        PostgresUnavailable: nobody answers there.
    """
    server_settings = {"application_name": service, "timezone": "UTC", "statement_timeout": f"{COMMAND_TIMEOUT:.0f}s"}
    if role is not None:
        server_settings["role"] = role
    if search_path is not None:
        server_settings["search_path"] = search_path
    if longest_pause:
        server_settings["idle_in_transaction_session_timeout"] = f"{longest_pause * 1000:.0f}ms"
    async with answering():
        return await asyncpg.create_pool(
            settings.postgres_dsn.get_secret_value(),
            min_size=1 if eager else 0,
            max_size=settings.postgres_pool_size,
            timeout=CONNECT_TIMEOUT,
            command_timeout=COMMAND_TIMEOUT,
            server_settings=server_settings,
            init=_use_orjson,
            reset=None if reset else _nothing,
        )


async def close(pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    """Let what is under way end, within limits; what was not committed by then is done again."""
    try:
        await asyncio.wait_for(pool.close(), CLOSE_TIMEOUT)
    except TimeoutError:
        pool.terminate()  # PostgreSQL hangs


@asynccontextmanager
async def transaction(pool: "asyncpg.Pool[asyncpg.Record]") -> AsyncIterator[Connection]:
    """One connection in one transaction.

    Raises:
        PostgresUnavailable, PostgresBusy: nothing was committed, or (a connection lost at the commit) it is unknown.
        DataRefused: a value does not fit; nothing was committed.
    """
    async with answering(), _acquired(pool) as connection, connection.transaction():
        yield connection


@asynccontextmanager
async def _acquired(pool: "asyncpg.Pool[asyncpg.Record]") -> AsyncIterator[Connection]:
    """A connection of the pool. Whatever is said to a new one instead of a welcome: it can't be used now."""
    try:
        connection = await pool.acquire(timeout=ACQUIRE_TIMEOUT)
    except asyncpg.PostgresError as error:
        raise PostgresUnavailable(f"PostgreSQL lets nobody in: {error!r}") from error
    try:
        yield connection
    finally:
        await pool.release(connection, timeout=ACQUIRE_TIMEOUT)


async def _nothing(_connection: "asyncpg.Connection[Any]") -> None:
    """There is nothing to undo."""


async def _use_orjson(connection: "asyncpg.Connection[Any]") -> None:
    for name in ("json", "jsonb"):
        await connection.set_type_codec(
            name, schema="pg_catalog", encoder=lambda value: orjson.dumps(value).decode(), decoder=orjson.loads
        )


def queries(package: str, file: str = "queries.sql") -> Any:
    """The named queries of a package: `-- name: get_event` above a statement makes `queries.get_event`.

    Raises:
        ValueError: two queries of one name.
    """
    text = (files(package) / file).read_text()
    parts = re.split(r"^-- name: (\w+).*$", text, flags=re.MULTILINE)[1:]
    found = dict(zip(parts[::2], (body.strip().rstrip(";") for body in parts[1::2]), strict=True))
    if len(found) * 2 != len(parts):
        raise ValueError(f"{package}/{file} names a query twice")
    return SimpleNamespace(**found)
