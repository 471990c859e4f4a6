"""Every metric of the syncer."""

from prometheus_client import Counter, Gauge, Histogram

# What became of changes: projected, unchanged (a duplicate), stale, deleted, no_event, stranger.
CHANGES = Counter("understudy_changes_total", "Changes by what became of them", ["kind", "origin", "outcome"])
# From the receipt of a webhook, or the start of a read, to the announcement: change-to-visible as the syncer sees it.
VISIBLE_SECONDS = Histogram(
    "understudy_change_to_announced_seconds",
    "From a change's receipt to its announcement",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120),
)
PROJECT_SECONDS = Histogram("understudy_project_seconds", "One change carried into the tables", ["kind"])
ANNOUNCED = Counter("understudy_announced_total", "Announcements on PROJECTIONS")
UNRAISED = Counter("understudy_tags_unraised_total", "Tags that Redis did not take at once")
# Reads of single resources: reason is why (tie, tickets, variants, stranger, …).
REFETCHES = Counter(
    "understudy_refetches_total", "Reads of single resources by reason and outcome", ["reason", "outcome"]
)
REFETCHES_PENDING = Gauge("understudy_refetches_pending", "Resources waiting to be read")
BACKFILLED = Counter("understudy_backfilled_products_total", "Products read by backfills")
SUBSCRIPTIONS = Gauge("understudy_webhook_subscriptions", "Webhook subscriptions by state", ["state"])
LOOP_FAILURES = Counter("understudy_loop_failures_total", "Steps of a loop that failed, by loop", ["loop"])
