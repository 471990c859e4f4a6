"""What read-api's /v1/status says of the data, as rows that people read. Pure."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from ops.spans import span

NAMES = {
    "events": "events",
    "incomplete": "incomplete events",
    "last_change_at": "last change",
    "refetches_pending": "refetches pending",
}


def rows(data: dict[str, Any]) -> list[tuple[str, str]]:
    """What is unknown is left out."""
    said = [
        ("webhook to visible", _visible(data.get("change_to_visible_ms") or {})),
        *((name, _text(data.get(key))) for key, name in NAMES.items()),
        ("whole shop read", _backfill(data.get("backfill"), data.get("runs") or [])),
        ("last reconciled", _reconciled(data.get("last_reconcile"))),
        ("drift in 24 hours", _drift(data.get("drift"))),
        ("going on now", "; ".join(run(each) for each in data.get("runs") or [])),
        *_process(data.get("process") or {}),
        ("Shopify's budget", _budget((data.get("shopify") or {}).get("budget_left"))),
        ("does without", ", ".join(data.get("degraded") or []) or "nothing"),
    ]
    return [(what, value) for what, value in said if value]


def run(told: dict[str, Any]) -> str:
    """One of `runs`: `reconcile whole: reading 30 of 100`."""
    name = f"{told.get('kind')} {told.get('scope') or ''}".strip()
    if told.get("stage") is None:
        return f"{name}: waiting"
    expected = told.get("expected")
    amount = f" {told.get('done'):,}" + ("" if expected is None else f" of {expected:,}")
    return f"{name}: {told['stage']}{amount}"


def _visible(figures: dict[str, Any]) -> str:
    if not figures.get("samples"):
        return ""
    return f"p50 {figures['p50']:.0f} ms, p99 {figures['p99']:.0f} ms"


def _process(told: dict[str, Any]) -> list[tuple[str, str]]:
    """The one read-api process that answered."""
    l1, streams = told.get("l1"), told.get("live_streams")
    return [
        ("read-api's memory", "" if l1 is None else _memory(l1)),
        ("live streams", "" if streams is None else f"{streams:,}"),
    ]


def _memory(l1: dict[str, Any]) -> str:
    """`812 documents in 12.3 of 268.4 MB, 97.8 % hits`."""
    hits = "" if l1.get("hit_ratio") is None else f", {l1['hit_ratio']:.1%} hits".replace("%", " %")
    return f"{l1['documents']:,} documents in {l1['bytes'] / 1e6:,.1f} of {l1['max_bytes'] / 1e6:,.1f} MB{hits}"


def _backfill(backfill: dict[str, Any] | None, open_runs: Iterable[dict[str, Any]]) -> str:
    if not backfill:
        return ""
    if backfill.get("failed"):
        again = ", and tries again" if any(run.get("kind") == "backfill" for run in open_runs) else ""
        error = backfill.get("error") or "see `understudy runs`"
        return f"{_last_whole(backfill)}; the one of {_time(backfill['started_at'])} failed: {error}{again}"
    if backfill.get("finished_at"):
        state = f"finished {_time(backfill['finished_at'])}"
    else:
        state = f"going on since {_time(backfill['started_at'])}"
    return f"{backfill.get('products')} of {backfill.get('expected') or '?'} products, {state}"


def _last_whole(backfill: dict[str, Any]) -> str:
    last = backfill.get("last_succeeded_at")
    return f"last read whole {_time(last)}" if last else "never read whole"


def _time(told: str) -> str:
    """RFC 3339, to the minute."""
    return f"{datetime.fromisoformat(told).astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _reconciled(reconcile: dict[str, Any] | None) -> str:
    if not reconcile:
        return ""
    counts = f"{reconcile['checked']:,} checked, {reconcile['repaired']:,} repaired"
    return f"{reconcile['scope']}, {span(reconcile['age_seconds'])} ago: {counts}"


def _drift(drift: dict[str, Any] | None) -> str:
    """`0 fields`, `3 fields: 2 missed, 1 tie`."""
    if drift is None:
        return ""
    causes = ", ".join(f"{count:,} {cause}" for cause, count in drift["by_cause"].items() if count)
    return f"{drift['last_24h']:,} fields" + (f": {causes}" if causes else "")


def _budget(left: float | None) -> str:
    return "" if left is None else f"{left:,.0f} points left"


def _text(value: Any) -> str:
    return "" if value is None else str(value)
