"""What the purger has written down: how far it is, and whether everything must be purged. Survives its death."""

from dataclasses import dataclass
from datetime import datetime

import asyncpg

from shared.postgres import queries, transaction
from syncer.purger.gaps import Known, Stream
from syncer.purger.plan import Scope

SQL = queries("syncer.purger", "record.sql")


@dataclass(frozen=True)
class Record:
    """The one row of the table `purger`. Everything here raises PostgresUnavailable."""

    pool: "asyncpg.Pool[asyncpg.Record]"
    edge: str  # what we purge

    async def look(self) -> tuple[Known, Scope | None]:
        """What was known, and what is owed."""
        async with transaction(self.pool) as connection:
            row = await connection.fetchrow(SQL.look)
        if row is None:
            return Known(None, None, 0), None
        owed = None if row["owed"] is None else Scope(row["owed"])
        return Known(row["edge"], row["stream_created"], row["purged_to"]), owed

    async def owe(self, scope: Scope, reason: str, stream: Stream) -> Scope:
        """Everything that was announced so far must go, with all else. Returns what is owed now."""
        created: datetime | None = stream.created
        async with transaction(self.pool) as connection:
            owed = await connection.fetchval(SQL.owe, self.edge, created, stream.last, int(scope), reason)
        return Scope(owed)

    async def note(self, scope: Scope, reason: str) -> None:
        """That much will be owed, should we die now."""
        async with transaction(self.pool) as connection:
            await connection.execute(SQL.note, int(scope), reason)

    async def advance(self, purged_to: int) -> None:
        async with transaction(self.pool) as connection:
            await connection.execute(SQL.advance, purged_to)

    async def settle(self) -> None:
        """Everything was purged, for the last time."""
        async with transaction(self.pool) as connection:
            await connection.execute(SQL.settle)
