"""Where the effects of jobs stand, for the writer: it tells who asks for a job when readers can see what it did."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from uuid import UUID

import asyncpg

from shared.postgres import Connection, queries, transaction

SQL = queries("syncer", "effects.sql")

KEPT = 8.0  # days: a day longer than a change waits on CHANGES
DROPPED_AT_ONCE = 1000


@dataclass(frozen=True)
class Effect:
    """`made`: it came in with the batch that made this revision, which is announced after its commit."""

    job: UUID
    event_id: int
    revision: int
    made: bool


async def put(connection: Connection, effects: Sequence[Effect]) -> None:
    """In the transaction that projects them. Said once more, an effect stands where it stands now."""
    if each_job := {effect.job: effect for effect in effects}:
        rows = [astuple(effect) for _, effect in sorted(each_job.items())]
        await connection.execute(SQL.put_effects, *zip(*rows, strict=True))


class Cleaner:
    """Drops what is too old to be asked about."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool

    async def step(self) -> bool:
        """True: there is more."""
        async with transaction(self._pool) as connection:
            dropped = await connection.fetch(SQL.drop_effects, KEPT, DROPPED_AT_ONCE)
        return len(dropped) == DROPPED_AT_ONCE
