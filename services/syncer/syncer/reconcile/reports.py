"""What a reconcile came to, from the table that says what was repaired; and that table's bounds."""

from collections.abc import Mapping, Sequence

import asyncpg

from shared.postgres import queries, transaction
from syncer import metrics
from syncer.export.export import NAMED, TRIES
from syncer.runs import Run

SQL = queries("syncer", "reconcile/reconcile.sql")

KEPT = 90  # days
MOST = 1_000_000  # rows


class Reports:
    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool

    async def of(self, run: Run, window: Sequence[str] | None, checked: int) -> Mapping[str, object]:
        """`repaired` counts events, `drift` fields; `unread` names products that can't be read.

        A webhook that comes later still turns "missed" into "late".
        """
        async with transaction(self._pool) as connection:
            await connection.execute(SQL.prune_drift, KEPT, MOST)
            found = await connection.fetchrow(SQL.count_drift, run.id, run.started_at)
            unread = [row["id"] for row in await connection.fetch(SQL.unread, TRIES, NAMED)]
        counts = dict(found or {})
        metrics.RECONCILE_REPAIRED.labels(run.scope).inc(counts["events"])
        return {
            "window": None if window is None else list(window),
            "checked": checked,
            "repaired": counts["events"],
            "drift": {cause: counts[cause] for cause in ("missed", "late", "truncated", "tie")},
            "deleted": counts["deleted"],
            "unread": unread,
        }
