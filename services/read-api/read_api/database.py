"""PostgreSQL, as far as read-api may see it: SELECTs, from a pool that comes when PostgreSQL does.

A read is answered or refused within `ANSWER_WITHIN`, and at once while the circuit is open: a connection of its own
hears PostgreSQL's heartbeat, so that one that hangs is found within a second, whether anybody reads or not.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg
import structlog

from read_api import metrics
from read_api.circuit import Circuit, Watched
from read_api.listing import SQL, numbered
from read_api.patience import in_time
from read_api.turns import Turns
from shared.ending import end
from shared.errors import UnderstudyError
from shared.postgres import (
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
ANSWER_WITHIN = 2.0  # seconds for a read, its wait for a connection included; a usual one takes a millisecond
CONNECT_WITHIN = 1.0  # seconds for a connection that the pool has to open
RELEASE_WITHIN = 1.0  # seconds for the server to break off a statement that nobody waits for; then the connection goes
SILENCE = 0.6  # seconds after which a PostgreSQL that does not say a word is away
HEARTBEAT = 0.4  # seconds between two questions whether it is there

if TYPE_CHECKING:  # generic in the stubs only
    Rows = asyncio.Future[list[asyncpg.Record]]
    Asked = asyncio.Task[None]

POSTGRES = Watched(
    "postgres",
    metrics.POSTGRES_USED,
    metrics.POSTGRES_ERRORS,
    HEARTBEAT,
)


class Overdue(PostgresUnavailable):
    """PostgreSQL took too long for one statement."""


class Database:
    """`start` returns at once; until the pool stands, every read raises PostgresUnavailable."""

    def __init__(self, settings: PostgresSettings) -> None:
        self._settings = settings
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._turns = Turns(settings.postgres_pool_size)
        self._reason = "not connected yet"
        self._was_there = False
        self._connecting: asyncio.Task[None] | None = None
        self._asked: set[Asked] = set()
        self._line: asyncpg.Connection[asyncpg.Record] | None = None
        self.circuit = Circuit(self, watched=POSTGRES)

    def start(self) -> None:
        self._connecting = asyncio.create_task(self._until_connected(), name="connect to PostgreSQL")

    async def close(self) -> None:
        await end(self._connecting)
        await self.circuit.close()
        if self._line is not None:
            self._line.terminate()
        if self._pool is not None:
            self._pool.terminate()  # what is in flight was answered before the lifespan ended
        for asked in list(self._asked):
            await end(asked)

    async def rows(self, query: str, **values: Any) -> list[asyncpg.Record]:
        """The rows of one statement with `:names`. Raises PostgresUnavailable."""
        text, arguments = numbered(query, values)
        return await self.fetch(text, arguments)

    async def fetch(self, text: str, arguments: list[Any]) -> list[asyncpg.Record]:
        """The rows of one statement, within ANSWER_WITHIN.

        Raises:
            PostgresUnavailable: it is away (said at once), `Overdue`, or `Saturated`.
        """
        if self._pool is None or not self.circuit.closed:
            raise PostgresUnavailable(self._reason)
        rows: Rows = asyncio.get_running_loop().create_future()
        asked = asyncio.create_task(self._ask(self._pool, text, arguments, rows), name="ask PostgreSQL")
        self._asked.add(asked)
        asked.add_done_callback(self._asked.discard)
        try:
            if await in_time(rows, ANSWER_WITHIN, lambda: not self.circuit.closed):
                return rows.result()
            raise self._late()
        finally:
            if not rows.done():  # nobody waits any longer: the statement is broken off, its connection given back
                rows.cancel()
                asked.cancel()

    async def _ask(self, pool: "asyncpg.Pool[asyncpg.Record]", text: str, arguments: list[Any], rows: "Rows") -> None:
        """Also puts the connection in order again, for which no reader has to wait."""
        try:
            async with self._turns.one(), _connection(pool) as connection, answering():
                found: list[asyncpg.Record] = await connection.fetch(text, *arguments)
                if not rows.done():
                    rows.set_result(found)
        except Exception as error:  # noqa: BLE001 (whatever it is, it is the reader's to raise)
            if not rows.done():
                rows.set_exception(error)
            # Else it came of giving back a connection, which the pool then replaces.

    def _late(self) -> PostgresUnavailable:
        if not self.circuit.closed:
            return PostgresUnavailable(self._reason)
        metrics.SHED.labels("statement").inc()
        return Overdue()

    async def ping(self) -> None:
        """Raises PostgresUnavailable, within SILENCE."""
        asked = asyncio.create_task(self._call(), name="ping PostgreSQL")
        try:
            heard = await in_time(asked, SILENCE)
        except asyncio.CancelledError:  # we stop, and nobody would ask what became of it
            await end(asked)
            raise
        error = asked.exception() if heard else PostgresUnavailable()
        if error is None:
            return
        self._hang_up()
        await end(asked)
        self._reason = _sayable(error)
        raise PostgresUnavailable(self._reason) from error

    async def _call(self) -> None:
        async with answering():
            if self._line is None or self._line.is_closed():
                self._line = await asyncpg.connect(
                    self._settings.postgres_dsn.get_secret_value(),
                    timeout=SILENCE,
                    server_settings={"application_name": "read-api heartbeat", "role": READER_ROLE},
                )
            await self._line.execute("SELECT 1")

    def _hang_up(self) -> None:
        """Not politely: nobody is there to say goodbye to."""
        if self._line is not None:
            self._line.terminate()
            self._line = None

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
            self._pool = await connect(self._settings, "read-api", role=READER_ROLE, reset=False)
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
        self.circuit.start()
        log.info("postgres.connected")


@asynccontextmanager
async def _connection(pool: "asyncpg.Pool[asyncpg.Record]") -> AsyncIterator[Connection]:
    try:
        async with answering():
            connection = await pool.acquire(timeout=CONNECT_WITHIN)
    except asyncpg.PostgresError as error:  # it may have been restored, without our role or our database yet
        raise PostgresUnavailable(f"PostgreSQL refuses connections: {_sayable(error)}") from error
    try:
        yield connection
    finally:
        async with answering():
            await pool.release(connection, timeout=RELEASE_WITHIN)


def _sayable(error: BaseException) -> str:
    """What anyone may read of an error: /readyz and the logs show it.

    A DSN that can't be parsed (a password with an unescaped #) is quoted piece by piece in whatever complains of it:
    int(), the driver's InterfaceError, a server that knows no such user. Of those, the name has to do.
    """
    if isinstance(error, PostgresUnavailable) and not isinstance(error.__cause__, asyncpg.InterfaceError):
        return str(error)
    return f"{type(error.__cause__ or error).__name__}, see POSTGRES_DSN"
