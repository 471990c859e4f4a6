"""What read-api's /v1/status says of the data, as rows that people read. Pure."""

from typing import Any

NAMES = {
    "events": "events",
    "incomplete": "incomplete events",
    "last_change_at": "last change",
    "refetches_pending": "refetches pending",
    "last_reconcile": "last reconciled",
    "drift": "drift",
}


def rows(data: dict[str, Any]) -> list[tuple[str, str]]:
    """What is unknown is left out."""
    said = [
        ("webhook to visible", _visible(data.get("change_to_visible_ms") or {})),
        *((name, _text(data.get(key))) for key, name in NAMES.items()),
        ("whole shop read", _backfill(data.get("backfill"))),
        ("Shopify's budget", _text((data.get("shopify") or {}).get("budget_left"))),
        ("does without", ", ".join(data.get("degraded") or []) or "nothing"),
    ]
    return [(what, value) for what, value in said if value]


def _visible(figures: dict[str, Any]) -> str:
    if not figures.get("samples"):
        return ""
    return f"p50 {figures['p50']:.0f} ms, p99 {figures['p99']:.0f} ms"


def _backfill(backfill: dict[str, Any] | None) -> str:
    if not backfill:
        return ""
    if backfill.get("failed"):
        state = "failed"
    elif backfill.get("finished_at"):
        state = f"finished {backfill['finished_at']}"
    else:
        state = f"going on since {backfill.get('started_at')}"
    return f"{backfill.get('products')} of {backfill.get('expected') or '?'} products, {state}"


def _text(value: Any) -> str:
    return "" if value is None else str(value)
