"""How far we are in step with Shopify, as the syncer has written it down: `runs` and `drift`."""

from collections.abc import Mapping
from typing import Any

import asyncpg

from read_api.database import Database
from read_api.listing import SQL
from shared.postgres import NotMigrated

CAUSES = ("missed", "late", "truncated", "tie")
UNKNOWN: dict[str, Any] = {"backfill": None, "last_reconcile": None, "drift": None, "runs": None}


async def in_step(database: Database) -> dict[str, Any]:
    """The status' part about it; null where the tables are not there yet, or it never happened.

    Raises:
        PostgresUnavailable: it does not answer.
    """
    backfill = await _rows(database, SQL.backfill)
    reconcile = await _rows(database, SQL.last_reconcile)
    drift = await _rows(database, SQL.drift_by_cause)
    runs = await _rows(database, SQL.open_runs)
    return {
        "backfill": _backfilled(backfill[0]) if backfill else None,
        "last_reconcile": _reconciled(reconcile[0]) if reconcile else None,
        "drift": None if drift is None else _drifted(drift),
        "runs": None if runs is None else [dict(run) for run in runs],
    }


def _backfilled(row: asyncpg.Record) -> dict[str, Any]:
    """While it goes on, `products` are those of its stage; its report has them all."""
    told, report = dict(row), row["report"] or {}
    del told["report"], told["done"]
    return told | {
        "products": _count(report, "products", row["done"]),
        "expected": _count(report, "expected", row["expected"]),
    }


def _reconciled(row: asyncpg.Record) -> dict[str, Any]:
    told, report = dict(row), row["report"] or {}
    del told["report"]
    counts = {name: _count(report, name, 0) for name in ("checked", "repaired")}
    return told | counts | {"age_seconds": round(row["age_seconds"], 1)}


def _count(report: Mapping[str, Any], name: str, otherwise: int | None) -> int | None:
    value = report.get(name)
    return value if isinstance(value, int) else otherwise


def _drifted(rows: list[asyncpg.Record]) -> dict[str, Any]:
    counted = {row["cause"]: row["count"] for row in rows}
    return {"last_24h": sum(counted.values()), "by_cause": {cause: counted.get(cause, 0) for cause in CAUSES}}


async def _rows(database: Database, query: str) -> list[asyncpg.Record] | None:
    """None while the table is not there: an upgrade may start read-api before its migrations have run."""
    try:
        return await database.rows(query)
    except NotMigrated:
        return None
