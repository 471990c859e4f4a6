"""Every metric of the dispatcher."""

from datetime import UTC, datetime

from prometheus_client import Counter, Gauge, Histogram

LEADING = Gauge("understudy_dispatcher_leading", "1 in the replica that dispatches")
# What became of jobs: succeeded, failed, in_doubt, superseded.
JOBS = Counter("understudy_jobs_total", "Jobs by kind and how they ended", ["kind", "state"])
IN_FLIGHT = Gauge("understudy_jobs_in_flight", "Jobs that this replica is carrying out")
# From acceptance to the end, Shopify's time included.
JOB_SECONDS = Histogram(
    "understudy_job_seconds",
    "From a job's acceptance to its end",
    ["kind"],
    buckets=(0.25, 0.5, 1, 2, 3, 5, 10, 20, 40, 80, 160, 320, 900, 3600),
)
# Unknown outcomes, by what the request was: each parks its event for the horizon.
UNKNOWN = Counter(
    "understudy_calls_unknown_total", "Mutations of which nobody knows whether they took effect", ["document"]
)
# A request of ours ended when another replica had the lease already: alert on any.
LATE = Counter("understudy_calls_late_total", "Mutations that were answered after the lease was lost", ["document"])
BREAKER = Gauge("understudy_breaker_open", "1 while nothing is sent to Shopify, because it fails")


def ended(kind: str, state: str, accepted_at: datetime, superseded: int) -> None:
    """A job, and so many that it took in."""
    JOBS.labels(kind, state).inc()
    if superseded:
        JOBS.labels(kind, "superseded" if state == "succeeded" else state).inc(superseded)
    JOB_SECONDS.labels(kind).observe(max(0.0, (datetime.now(UTC) - accepted_at).total_seconds()))
