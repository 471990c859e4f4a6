"""Do changes come in, and get through? Pure."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from syncer.doctor.findings import Finding, failed, how_many, named, ok, span, warning

CHANGES, DEAD_LETTERS, REFETCHES, WEBHOOKS = "changes", "dead_letters", "refetches", "webhooks"
LATE, STUCK = 60.0, 900.0  # seconds that a change waits to be projected
ON_ITS_WAY = timedelta(minutes=2)  # a webhook may be that late, and more when Shopify is busy
FAILING_ATTEMPTS = 5  # reads of one resource that failed in a row: about half a minute
INCOMPLETE_AFTER = 3600.0  # seconds

SILENT = (
    "check that webhook-ingest can be reached at WEBHOOK_PUBLIC_URL and that SHOPIFY_WEBHOOK_SECRETS holds the app's "
    "secret; `understudy doctor --canary` shows which part is silent."
)


@dataclass(frozen=True)
class Queue:
    """What the consumer of CHANGES has before it. `oldest_seconds`: the age of the first that is not settled."""

    pending: int
    unsettled: int
    oldest_seconds: float | None


@dataclass(frozen=True)
class Newest:
    """The product that was edited last, as Shopify says."""

    product_id: int
    updated_at: datetime


@dataclass(frozen=True)
class Heard:
    """A change of a product on CHANGES: who saw it, and when."""

    origin: str
    triggered_at: datetime


@dataclass(frozen=True)
class Stuck:
    """Reads that keep failing, events that stay incomplete."""

    refetches: int
    oldest: datetime | None
    error: str | None
    incomplete: int


def of_queue(queue: Queue) -> Finding:
    waiting = queue.pending + queue.unsettled
    age = queue.oldest_seconds
    if not waiting:
        return ok(CHANGES, "Every change on the bus was projected.")
    if age is None or age <= LATE:
        return ok(CHANGES, f"{how_many(waiting, 'change')} on the bus, the oldest for {span(age or 0)}.")
    says = f"{how_many(waiting, 'change')} wait to be projected, the oldest for {span(age)}."
    advice = "Look at the syncer's log for what they wait for; add replicas when there is simply too much."
    return failed(CHANGES, says, advice) if age > STUCK else warning(CHANGES, says, advice)


def of_dead_letters(count: int) -> Finding:
    if not count:
        return ok(DEAD_LETTERS, "No message was given up.")
    says = f"{how_many(count, 'message')} {'was' if count == 1 else 'were'} given up within 30 days."
    return warning(DEAD_LETTERS, says, "Look at `understudy dead`, and replay or drop them.")


def of_refetches(stuck: Stuck, now: datetime) -> Iterator[Finding]:
    if stuck.refetches:
        since = f", the first for {span((now - stuck.oldest).total_seconds())}" if stuck.oldest else ""
        says = f"{how_many(stuck.refetches, 'read')} of single resources keep failing{since}: {stuck.error}"
        yield warning(REFETCHES, says, "Mend what the error names; they are tried again by themselves.")
    if stuck.incomplete:
        says = f"{how_many(stuck.incomplete, 'event')} have been incomplete for over an hour."
        yield warning(REFETCHES, says, "Run `understudy reconcile`; if that does not help, look at the syncer's log.")
    if not stuck.refetches and not stuck.incomplete:
        yield ok(REFETCHES, "Nothing that had to be read from Shopify keeps failing.")


def of_webhooks(newest: Newest | None, sightings: Iterable[Heard], now: datetime, kept: timedelta) -> Finding:
    """`sightings` are of the same product. `kept`: how long CHANGES remembers."""
    if newest is None:
        return ok(WEBHOOKS, "The shop has no products, so nothing can have come in.")
    age = now - newest.updated_at
    about = f"The last edit in Shopify (product {newest.product_id}, {span(max(age.total_seconds(), 0))} ago)"
    by = {heard.origin for heard in sightings if heard.triggered_at >= newest.updated_at}
    if "webhook" in by:
        return ok(WEBHOOKS, f"{about} came in by its webhook.")
    if age <= ON_ITS_WAY:
        return ok(WEBHOOKS, f"{about} is on its way.")
    if by:
        return _without_webhook(about, by)
    if age > kept - ON_ITS_WAY:
        return ok(WEBHOOKS, f"{about} is older than what the bus keeps.")
    return failed(WEBHOOKS, f"{about} has not come in.", f"{SILENT[:1].upper()}{SILENT[1:]}")


def _without_webhook(about: str, by: Collection[str]) -> Finding:
    """A single one proves nothing: Shopify does not say which edits it sends no webhook for."""
    if by == {"reconcile"}:
        says = f"{about} came in by a reconcile, and not by a webhook."
        return warning(WEBHOOKS, says, f"If that happens again: {SILENT}")
    return ok(WEBHOOKS, f"{about} came in by a {named(sorted(by))}.")
