"""A command API on a real database, with events and tickets of the test's own, and no dispatcher."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
import httpx2
from fastapi import FastAPI
from projected import Event, save

from shared import postgres, problems
from shared.auth import AuthSettings, authenticator, mint
from shared.settings import PostgresSettings
from writer.api import Desk, install
from writer.api.eta import Fixed
from writer.api.settings import WriterApiSettings
from writer.wakeups import Wakeups

BASE = "http://writer"
ORGANIZER, ORGANIZER_ENTRY = mint("organizer", ["events:write"])
COLLEAGUE, COLLEAGUE_ENTRY = mint("colleague", ["events:write"])
AUDITOR, AUDITOR_ENTRY = mint("auditor", ["jobs:read"])
VISITOR, VISITOR_ENTRY = mint("visitor", ["events:read"])
ADMIN, ADMIN_ENTRY = mint("admin", ["admin"])
KEYS = f"{ORGANIZER_ENTRY},{COLLEAGUE_ENTRY},{AUDITOR_ENTRY},{VISITOR_ENTRY},{ADMIN_ENTRY}"

EVENT, TICKET = 42, 420
NEW_EVENT: dict[str, Any] = {
    "title": "Jazz Night",
    "tickets": [{"name": "Standing", "price": "25.00", "capacity": 200}],
}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@dataclass
class Office:
    """A running API. `client` sends as the organizer unless a request says otherwise."""

    client: httpx2.AsyncClient
    pool: "asyncpg.Pool[Any]"
    wakeups: Wakeups
    app: FastAPI
    levels: list[Any] = field(default_factory=list)

    async def job(self, job_id: str) -> "asyncpg.Record":
        row = await self.pool.fetchrow("SELECT * FROM jobs WHERE id = $1", UUID(job_id))
        assert row is not None
        return row

    async def command(self, job_id: str) -> Any:
        return (await self.job(job_id))["command"]

    async def jobs(self) -> int:
        return int(await self.pool.fetchval("SELECT count(*) FROM jobs"))

    async def end(self, job_id: str, state: str = "succeeded", **columns: Any) -> None:
        """What the dispatcher would do to a job."""
        names = "".join(f", {name} = ${number}" for number, name in enumerate(columns, 3))
        await self.pool.execute(
            f"UPDATE jobs SET state = $2, finished_at = clock_timestamp(){names} WHERE id = $1",  # noqa: S608 (column names of the tests)
            UUID(job_id), state, *columns.values(),
        )  # fmt: skip
        self.wakeups.changed(job_id)

    async def add_event(self, event: Event, *, tickets: dict[int, str] | None = None) -> None:
        async with self.pool.acquire() as connection:
            await save(connection, event)
        for ticket_id, name in (tickets or {}).items():
            await self.add_ticket(event.id, ticket_id, name)

    async def add_ticket(self, event_id: int, ticket_id: int, name: str, **columns: Any) -> None:
        given = {"capacity": 200, "capacity_source": "metafield", **columns}
        await self.pool.execute(
            "INSERT INTO tickets (id, event_id, name, price, capacity, capacity_source, visible, status, position,"
            " data) VALUES ($1, $2, $3, 25, $4, $5, true, 'on_sale', 1, '{}')",
            ticket_id, event_id, name, given["capacity"], given["capacity_source"],
        )  # fmt: skip


@asynccontextmanager
async def open_office(dsn: str, pool_size: int = 10, eager: bool = True, **changes: Any) -> AsyncIterator[Office]:
    wakeups, levels = Wakeups(), [Fixed(2000.0, 2000.0, 100.0)]
    server = PostgresSettings(postgres_dsn=dsn, postgres_pool_size=pool_size)
    pool = await postgres.connect(server, "writer test", eager=eager)
    settings = WriterApiSettings(**({"writer_client_burst": 5000} | changes))

    async def level() -> Any:
        if levels[-1] is None:
            raise OSError("the budget is away")
        return levels[-1]

    app = FastAPI(title="writer", redirect_slashes=False)
    problems.install(app)
    installed = install(app, Desk(lambda: pool, wakeups, settings, level, slots=8))
    async with authenticator(AuthSettings(auth_static_keys=KEYS)) as app.state.authenticator:
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url=BASE, headers=bearer(ORGANIZER)) as client:
            yield Office(client, pool, wakeups, app, levels)
    await installed.close()
    await postgres.close(pool)
