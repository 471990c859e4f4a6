"""Is the data live? One small document, made at most once a second."""

import asyncio
import time
from typing import Any

import orjson

from read_api import repairs
from read_api.budget import Budget
from read_api.circuit import Circuit
from read_api.coalescer import Coalescer
from read_api.database import Database
from read_api.feed import Feed
from read_api.listing import SQL
from read_api.visibility import Visibility
from read_api.vitals import Vitals
from shared.errors import Unavailable

MAX_AGE = 1.0  # seconds that one status is given to everyone who asks
PATIENCE = 1.0  # seconds for PostgreSQL: who asks for the status of an outage must not wait for it
MILLISECONDS = 1000
UNKNOWN = {"events": None, "incomplete": None, "last_change_at": None, "refetches_pending": None, **repairs.UNKNOWN}


class StatusBoard:
    """Answers whatever is down; what can't be known then is null."""

    def __init__(
        self,
        database: Database,
        circuit: Circuit,
        feed: Feed,
        visibility: Visibility,
        budget: Budget,
        vitals: Vitals | None = None,
    ) -> None:
        self._database = database
        self._budget = budget
        self._circuit = circuit
        self._visibility = visibility
        self._vitals = vitals or Vitals(feed)
        self._coalescer: Coalescer[bytes] = Coalescer(max_loads=1, max_waiters=10_000)
        self._made: tuple[float, bytes] | None = None
        self._counting: asyncio.Task[dict[str, Any] | None] | None = None

    async def read(self) -> bytes:
        """JSON. Raises Overloaded."""
        if self._made is not None and time.monotonic() - self._made[0] < MAX_AGE:
            return self._made[1]
        return (await self._coalescer.join("status", self._make))[0]

    async def close(self) -> None:
        await self._coalescer.close()
        if self._counting is not None:
            self._counting.cancel()
            await asyncio.wait((self._counting,), timeout=PATIENCE)

    async def _make(self) -> bytes:
        projections = await self._projections_in_time()
        fresh = self._visibility.summary()
        body = orjson.dumps(
            {
                "change_to_visible_ms": {
                    "p50": _milliseconds(fresh.p50),
                    "p99": _milliseconds(fresh.p99),
                    "max": _milliseconds(fresh.longest),
                    "samples": fresh.samples,
                },
                **(projections or UNKNOWN),
                "shopify": {"budget_left": await self._budget.left()},
                "process": self._vitals.summary(),
                "degraded": await self._degraded(postgres=projections is not None),
            },
            option=orjson.OPT_UTC_Z | orjson.OPT_OMIT_MICROSECONDS,
        )
        self._made = (time.monotonic(), body)
        return body

    async def _projections_in_time(self) -> dict[str, Any] | None:
        """None when PostgreSQL does not answer at once. One that hangs is asked once, however often we are."""
        if self._counting is None or self._counting.done():
            self._counting = asyncio.create_task(self._projections(), name="count for the status")
        await asyncio.wait((self._counting,), timeout=PATIENCE)
        return self._counting.result() if self._counting.done() else None

    async def _projections(self) -> dict[str, Any] | None:
        """None when PostgreSQL is away."""
        try:
            counted = await self._database.rows(SQL.status)
            return {**counted[0], **await repairs.in_step(self._database)}
        except Unavailable:
            return None

    async def _degraded(self, *, postgres: bool) -> list[str]:
        parts = {"postgres": postgres, "redis": await self._circuit.check(), "nats": self._vitals.hears}
        parts["jobs"] = not self._vitals.misses_jobs
        return [name for name, well in parts.items() if not well]


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * MILLISECONDS, 1)
