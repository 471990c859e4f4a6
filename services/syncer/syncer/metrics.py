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
PROJECT_SECONDS = Histogram("understudy_project_seconds", "One batch of changes carried into the tables")
ANNOUNCED = Counter("understudy_announced_total", "Announcements on PROJECTIONS")
# After a start, or the death of a replica; most of them are duplicates, which the bus drops.
SAID_AGAIN = Counter("understudy_said_again_total", "Announcements that a dead syncer may have left unsaid")
UNRAISED = Counter("understudy_tags_unraised_total", "Tags that Redis did not take at once")
# Reads of single resources: reason is why (tie, tickets, variants, stranger, …).
REFETCHES = Counter(
    "understudy_refetches_total", "Reads of single resources by reason and outcome", ["reason", "outcome"]
)
REFETCHES_PENDING = Gauge("understudy_refetches_pending", "Resources waiting to be read", ["lane"])
BACKFILLED = Counter("understudy_backfilled_products_total", "Products read by backfills")
SUBSCRIPTIONS = Gauge("understudy_webhook_subscriptions", "Webhook subscriptions by state", ["state"])
# Backfills, reconciles, doctor's visits, rebuilds: succeeded, failed, or put off until later.
RUNS = Counter("understudy_runs_total", "Attempts to carry out a run, by how they ended", ["kind", "scope", "outcome"])
# Fields that reconciling repaired: missed, truncated, tie when found; late when the webhook of something missed came
# after all.
DRIFT = Counter("understudy_drift_total", "Fields that differed from Shopify, by cause", ["cause"])
RECONCILE_CHECKED = Counter("understudy_reconcile_checked_total", "Products and stock levels compared", ["scope"])
RECONCILE_REPAIRED = Counter("understudy_reconcile_repaired_total", "Events that a reconcile repaired", ["scope"])
RECONCILE_SECONDS = Gauge("understudy_reconcile_duration_seconds", "How long the last reconcile took", ["scope"])
# Kept by every replica from the table `runs`: how far behind Shopify nothing can be unnoticed.
RECONCILE_AGE = Gauge("understudy_reconcile_age_seconds", "Since the moment up to which all was compared", ["scope"])
# Reading everything by bulk operations; seconds by phase add up over the parts that go on at once.
EXPORT_LINES = Counter("understudy_export_lines_total", "Lines of bulk operations' results that were staged")
EXPORT_BYTES = Counter("understudy_export_bytes_total", "Bytes of bulk operations' results that were staged")
EXPORT_SECONDS = Counter(
    "understudy_export_seconds_total", "Seconds of exports by phase: start, shopify, download, …", ["phase"]
)
EXPORT_FAILURES = Counter("understudy_export_failures_total", "What went wrong with exports, by its name", ["error"])
# 1 for each finding of the last visit of this process; state: ok, repaired, warning, failed.
DOCTOR_FINDINGS = Gauge("understudy_doctor_findings", "What the doctor found last", ["check", "state"])
DOCTOR_VISITED = Gauge("understudy_doctor_visited_timestamp_seconds", "When the doctor of this process came last")
# Kept by every replica: what readers see was made by other code or settings than this process has.
REBUILD_DUE = Gauge("understudy_rebuild_due", "1 while the projections should be made anew")
REBUILD_LOCKED_SECONDS = Gauge(
    "understudy_rebuild_locked_seconds", "How long readers waited for the last switch at most"
)
REBUILD_PAUSED_SECONDS = Gauge("understudy_rebuild_paused_seconds", "How long changes waited for the last switch")
REBUILT = Counter("understudy_rebuilt_events_total", "Events in rebuilt tables, by what became of them", ["decision"])
# What the purger told the CDN. kind: tags; or everything, whose scope is ours (all that bears our tag) or whole.
CDN_PURGES = Counter("understudy_cdn_purges_total", "Purges that the provider accepted", ["provider", "kind"])
CDN_TAGS = Counter("understudy_cdn_purged_tags_total", "Tags in accepted purges, repeats included", ["provider"])
CDN_FAILURES = Counter("understudy_cdn_failures_total", "Purges that failed, by their error", ["provider", "error"])
# reason: backlog, refused, failing; or first, changed, stream, behind: what was announced may have been missed.
CDN_ESCALATIONS = Counter("understudy_cdn_escalations_total", "Times that everything was owed", ["provider", "reason"])
# Of the replica that purges; on all others 0. Alert when it exceeds what readers may be shown, s-maxage above all.
CDN_AGE = Gauge("understudy_cdn_purge_age_seconds", "Age of the oldest announcement that the CDN was not told yet")
CDN_WAITING = Gauge("understudy_cdn_tags", "Tags that wait for their purge, or for its repeat")
CDN_PURGE_SECONDS = Histogram("understudy_cdn_purge_seconds", "How long the provider took to accept a purge")
CDN_BEHIND = Gauge("understudy_cdn_edges_behind", "Edges of several that are away, or were emptied just now")
