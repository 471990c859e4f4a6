"""Do backfill and reconcile run, and what did they find? Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from syncer.doctor.findings import Finding, how_many, ok, span, warning

DRIFT = "drift"
OVERDUE = 2  # times its interval; one that took longer than usual is not overdue yet
AT_LEAST = timedelta(minutes=15)  # before anybody is told
MISSED_SHARE = 0.01  # of all events, in a day: webhooks get lost in numbers
MISSED_FEW = 10  # events; so many may be missed in any shop


@dataclass(frozen=True)
class Course:
    """How a kind of run stands. `open`: what is asked for or under way, in words. `failed_at` and `error` are those of
    the newest one, if that failed.
    """

    ended_at: datetime | None
    open: str | None
    failed_at: datetime | None = None
    error: str | None = None


def of_backfill(course: Course) -> Finding:
    if course.failed_at is not None:
        last = f"last on {course.ended_at:%Y-%m-%d %H:%M} UTC" if course.ended_at else "never"
        says = f"The shop was read whole {last}; the backfill that ended {course.failed_at:%Y-%m-%d %H:%M} UTC failed"
        return warning("backfill", f"{says}: {course.error}", "Mend what it names, and run `understudy backfill`.")
    if course.ended_at is not None:
        return ok("backfill", f"The shop was read whole, last on {course.ended_at:%Y-%m-%d %H:%M} UTC.")
    if course.open:
        return warning("backfill", f"The shop was not read whole yet; a backfill is {course.open}.", None)
    return warning("backfill", "The shop was never read whole.", "Run `understudy backfill`.")


def of_reconcile(
    scope: str, course: Course, every: timedelta, whole_at: datetime | None, now: datetime
) -> Finding | None:
    """`every`: how often it is due. `whole_at`: when the first backfill had ended; nothing is compared before.

    None: it is not due yet.
    """
    check = f"reconcile_{scope}"
    since = course.ended_at or whole_at
    if since is None:
        return None
    age = span((now - since).total_seconds())
    if now - since <= max(OVERDUE * every, AT_LEAST):
        return ok(check, f"Compared with Shopify {age} ago.") if course.ended_at else None
    last = f"last {age} ago" if course.ended_at else "never"
    under_way = f"; one is {course.open}" if course.open else ""
    command = "understudy reconcile" + (" --whole" if scope == "whole" else "")
    return warning(
        check, f"Compared with Shopify {last}{under_way}.", f"Look at the syncer's log, and run `{command}`."
    )


def of_drift(by_cause: Mapping[str, tuple[int, int]], events: int) -> Iterator[Finding]:
    """By cause: (fields, events) that a reconcile of the last day had to repair."""
    fields = sum(count for count, _ in by_cause.values())
    if not fields:
        yield ok(DRIFT, "No difference was found within a day.")
        return
    causes = ", ".join(f"{cause} {count}" for cause, (count, _) in by_cause.items())
    says = f"{how_many(fields, 'field')} differed from Shopify within a day, and were repaired ({causes})."
    missed = by_cause.get("missed", (0, 0))[1]
    if missed > max(MISSED_FEW, MISSED_SHARE * events):
        advice = "Webhooks get lost in numbers: look at `understudy drift`, and at webhook-ingest's answers to Shopify."
        yield warning(DRIFT, says, advice)
    else:
        yield ok(DRIFT, says)
