"""Every metric of the command API."""

from prometheus_client import Counter, Gauge, Histogram

# By route template, never by path: paths are for clients to mint.
REQUESTS = Counter("understudy_writer_requests_total", "Requests by route and status", ["route", "method", "status"])

ACCEPTED = Counter("understudy_commands_accepted_total", "Commands that became jobs", ["kind"])
REPLAYED = Counter("understudy_commands_replayed_total", "Commands that were sent again with their key", ["kind"])
# reason: unreadable, invalid, unknown, precondition, key, rate, client_full, full, unavailable
REFUSED = Counter("understudy_commands_refused_total", "Commands that did not become jobs", ["kind", "reason"])
CANCELLED = Counter("understudy_jobs_cancelled_total", "Jobs that their clients cancelled while they were queued")

# From the body that is read to the commit. p99 is to stay under 20 ms, however slow Shopify is.
ACCEPTANCE_SECONDS = Histogram(
    "understudy_command_acceptance_seconds",
    "Checking and storing a command",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
WAITING = Gauge("understudy_job_waiters", "Requests that wait for a job to end (Prefer: wait)")
UNWAITED = Counter("understudy_job_waits_declined_total", "Requests that were not let wait: too many do already")
CENSUS_FAILED = Counter(
    "understudy_job_census_failed_total", "Counts of the open jobs that failed; the last one stands"
)
