"""What the world is told of a job. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

QUEUED, DISPATCHING = "queued", "dispatching"
SUCCEEDED, SUPERSEDED = "succeeded", "superseded"


def job_document(
    row: Mapping[str, Any], position: int | None = None, eta_seconds: float | None = None
) -> dict[str, Any]:
    """The public JSON of a row of `jobs`. `position`: 1 is the next; only of a queued job."""
    document = {
        "job_id": str(row["id"]),
        "kind": row["kind"],
        "event_id": _digits(row["event_id"]),
        "ticket_id": _digits(row["ticket_id"]),
        "status": row["state"],
        "position": position,
        "eta_seconds": None if eta_seconds is None else round(eta_seconds, 1),
        "attempts": row["attempts"],
        "cost": row["cost"],
        "error": row["error"],
        "superseded_by": None if row["superseded_by"] is None else str(row["superseded_by"]),
        "visible_revision": row["visible_revision"],
        "created_at": _time(row["created_at"]),
        "dispatched_at": _time(row["dispatched_at"]),
        "finished_at": _time(row["finished_at"]),
    }
    said = {name: row[name] for name in ("waits_for", "note") if row[name] is not None}
    return document | said


def has_ended(row: Mapping[str, Any]) -> bool:
    """Nothing will become of it by itself any more. A superseded job waits for the one that carries its fields."""
    return row["finished_at"] is not None


def is_over(row: Mapping[str, Any]) -> bool:
    """It has ended, and if it took effect, readers can see it."""
    took_effect = row["state"] in (SUCCEEDED, SUPERSEDED)
    return has_ended(row) and (not took_effect or row["visible_revision"] is not None)


def _digits(number: int | None) -> str | None:
    return None if number is None else str(number)


def _time(at: datetime | None) -> str | None:
    """With milliseconds: jobs are told apart by less than a second."""
    return None if at is None else at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
