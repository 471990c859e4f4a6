"""Jobs as a dispatcher leaves them when they have ended, and what the table says of them then."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from shared.postgres import transaction

KINDS = {"answered": "event.edit", "whole": "ticket.edit", "gone": "event.delete"}


@dataclass
class EndedJobs:
    pool: "asyncpg.Pool[asyncpg.Record]"

    async def add(self, event_id: int | None, observation: dict[str, Any] | None = None, **columns: Any) -> UUID:
        """One that succeeded, unless `columns` say otherwise."""
        job = uuid4()
        kind = KINDS.get((observation or {}).get("what", ""), "event.edit")
        known: dict[str, Any] = {
            "id": job, "kind": kind, "event_id": event_id, "command": {"title": "Edited"}, "owner": "organizer",
            "state": "succeeded", "observation": observation,
        }  # fmt: skip
        row = known | columns
        names, places = ", ".join(row), ", ".join(f"${place}" for place in range(1, len(row) + 1))
        await self.sql(
            f"INSERT INTO jobs ({names}, finished_at) VALUES ({places}, clock_timestamp()) RETURNING id",  # noqa: S608 (names of ours)
            *row.values(),
        )
        return job

    async def get(self, job: UUID) -> dict[str, Any]:
        [row] = await self.sql("SELECT * FROM jobs WHERE id = $1", job)
        return row

    async def effect(self, job: UUID, revision: int, event_id: int = 42, *, made: bool = True) -> None:
        """As the syncer writes it down."""
        await self.sql(
            "INSERT INTO effects (job_id, event_id, revision, made) VALUES ($1, $2, $3, $4) "
            "ON CONFLICT (job_id) DO UPDATE SET revision = excluded.revision, at = now() RETURNING job_id",
            job, event_id, revision, made,
        )  # fmt: skip

    async def sql(self, statement: str, *arguments: Any) -> list[dict[str, Any]]:
        async with transaction(self.pool) as connection:
            return [dict(row) for row in await connection.fetch(statement, *arguments)]
