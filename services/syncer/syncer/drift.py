"""Write down what reconciling repaired, in the transaction of the repair: no row without one, and no repair without."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson
import structlog

from shared.postgres import Connection, queries
from syncer import metrics
from syncer.reconcile.differences import Repair, differences, judge

__all__ = ["Arrival", "Repair", "arrived_late", "record"]

log = structlog.get_logger()
SQL = queries("syncer", "drift.sql")

MAX_VALUE = 2_000  # characters of a description that are kept; a report is no archive


@dataclass(frozen=True)
class Arrival:
    """A webhook that came to nothing: of a product, or of a stock level (`is_stock`), and Shopify's time of it.

    A delete's `updated_at` is its trigger.
    """

    event_id: int
    updated_at: datetime
    is_stock: bool = False


async def record(connection: Connection, repairs: Sequence[Repair]) -> int:
    """Store one row for each field that differed, in one statement; how many there were."""
    rows = []
    for repair in repairs:
        for difference in differences(repair.before, repair.after):
            judged = judge(repair, difference)
            rows.append(
                (
                    repair.event_id, difference.ticket_id, difference.field, _json(difference.ours),
                    _json(difference.theirs), judged.since, judged.cause, judged.ours_at, judged.theirs_at,
                    judged.is_stock,
                )
            )  # fmt: skip
    if not rows:
        return 0
    await connection.execute(SQL.put_drift, *map(list, zip(*rows, strict=True)))
    causes: Counter[str] = Counter(row[6] for row in rows)
    for cause, count in causes.items():
        metrics.DRIFT.labels(cause).inc(count)  # a transaction that fails after this is counted twice; the table is not
    log.info("drift.repaired", events=len({row[0] for row in rows}), fields=len(rows), **causes)
    return len(rows)


async def arrived_late(connection: Connection, arrivals: Sequence[Arrival]) -> int:
    """What was missed, and is told now, was only late: in how many fields."""
    if not arrivals:
        return 0
    told = ((arrival.event_id, arrival.updated_at, arrival.is_stock) for arrival in arrivals)
    turned = await connection.fetch(SQL.turn_late, *map(list, zip(*told, strict=True)))
    if turned:
        metrics.DRIFT.labels("late").inc(len(turned))
        log.info("drift.was_late", events=len({row["event_id"] for row in turned}), fields=len(turned))
    return len(turned)


def _json(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, str) and len(value) > MAX_VALUE:
        value = value[:MAX_VALUE] + "…"
    return orjson.dumps(value).decode()
