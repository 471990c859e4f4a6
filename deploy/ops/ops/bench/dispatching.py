"""Our own writer under a bench: how a command is sent to it, and how far its jobs are."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields

import orjson

from ops.bench.commanded import Command
from ops.bench.patience import until
from ops.bench.request import request
from ops.bench.subject import Subject, place
from ops.database import Database
from ops.database import postgres as connected
from ops.failures import Refused

LAST = "SELECT coalesce(max(seq), 0) AS seq FROM jobs"
# `waiting`: events of which a mutation could be sent now; a job that is under way is not among them.
STATE = """
SELECT count(*) FILTER (WHERE state IN ('queued', 'dispatching'))::int AS open,
       count(DISTINCT lane) FILTER (WHERE state = 'queued')::int AS waiting,
       count(*) FILTER (WHERE state IN ('failed', 'in_doubt', 'cancelled'))::int AS lost,
       count(*) FILTER (WHERE state IN ('succeeded', 'superseded') AND visible_revision IS NULL)::int AS unseen,
       coalesce(sum(attempts), 0)::int AS mutations, coalesce(sum(cost), 0)::float8 AS points
FROM jobs WHERE seq > $1
"""
STATES = {"DRAFT": "unpublish", "ARCHIVED": "archive"}


@dataclass(frozen=True)
class Standing:
    """Of the jobs since a moment. `mutations`: requests that left. `points`: what Shopify charged for them."""

    open: int
    waiting: int
    lost: int
    unseen: int
    mutations: int
    points: float


class Progress:
    def __init__(self, database: Database, since: int) -> None:
        self._database = database
        self._since = since
        self._turn = asyncio.Lock()  # one connection

    async def standing(self) -> Standing:
        async with self._turn:
            rows = await self._database.rows(STATE, self._since)
        return Standing(**{field.name: rows[0][field.name] for field in fields(Standing)})

    async def waiting(self) -> int:
        return (await self.standing()).waiting

    async def ended(self, within: float) -> Standing:
        """Once no job is open. Raises Refused when that takes longer."""
        return await self._until("open", within)

    async def seen(self, within: float) -> Standing:
        """Once readers can see all that took effect. Raises Refused when that takes longer."""
        return await self._until("unseen", within)

    async def _until(self, what: str, within: float) -> Standing:
        found = await self.standing()

        async def none() -> bool:
            nonlocal found
            found = await self.standing()
            return not getattr(found, what)

        try:
            await until(none, within)
        except TimeoutError:
            raise Refused(f"{getattr(found, what)} jobs are still {what} after {within:.0f} s") from None
        return found


@asynccontextmanager
async def progress(subject: Subject) -> AsyncIterator[Progress]:
    """Of the jobs that are accepted from now on."""
    async with connected(subject.postgres) as database:
        rows = await database.rows(LAST)
        yield Progress(database, rows[0]["seq"])


def as_request(subject: Subject, command: Command) -> bytes:
    """The whole request for our writer."""
    host, port = place(subject.writer)
    headers = {"Authorization": f"Bearer {subject.token}", "Content-Type": "application/json"}
    name, value = command.effect
    path = f"/v1/events/{command.event_id}"
    if name == "status":
        return request(f"{host}:{port}", f"{path}/{STATES[value]}", headers, b"")
    return request(f"{host}:{port}", path, headers, orjson.dumps({name: value}), "PATCH")
