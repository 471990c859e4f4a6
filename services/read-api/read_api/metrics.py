"""Every metric of read-api."""

from prometheus_client import Counter, Gauge, Histogram

# By route template, never by path: paths are for readers to mint.
REQUESTS = Counter("understudy_read_requests_total", "Requests by route and status", ["route", "method", "status"])

# source: l1, redis, postgres. collapsed: it shared another request's load.
ANSWERS = Counter("understudy_read_answers_total", "Documents by where they came from", ["source", "collapsed"])

BELOW_FLOOR = Counter(
    "understudy_read_below_floor_total", "Documents older than one heard of or answered before, and so loaded again"
)

SPARES = Counter("understudy_read_stale_if_error_total", "Answers that were stale, because nothing could be loaded")

HITS = ANSWERS.labels("l1", "false")
L1_BYTES = Gauge("understudy_read_l1_bytes", "Memory that documents take in this process, as counted against its bound")
L1_EVICTED = Counter("understudy_read_l1_evicted_total", "Documents that made room for others")

LOAD_SECONDS = Histogram(
    "understudy_read_load_seconds",
    "Loading one document from PostgreSQL",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
LOADS_FAILED = Counter("understudy_read_loads_failed_total", "Loads that ended in an error")

WAITERS = Gauge("understudy_read_waiters", "Requests that wait for a load, their own or another's")
SHED = Counter("understudy_read_shed_total", "Requests refused with 503 by what was full or late", ["reason"])

REDIS_ERRORS = Counter("understudy_read_redis_errors_total", "Calls that Redis did not answer in time")
REDIS_USED = Gauge("understudy_read_redis_used", "1 while Redis is asked, 0 while it is passed by")

POSTGRES_USED = Gauge("understudy_read_postgres_used", "1 while PostgreSQL is asked, 0 while it is away")
POSTGRES_ERRORS = Counter("understudy_read_postgres_errors_total", "Looks at PostgreSQL that found nobody")

FEED_LIVE = Gauge("understudy_read_feed_live", "1 while this process hears PROJECTIONS")
FEED_GAPS = Counter("understudy_read_feed_gaps_total", "Interruptions after which announcements may have been missed")
FEED_REFUSED = Counter("understudy_read_feed_refused_total", "Messages on PROJECTIONS that are no contract of ours")
CHANGE_TO_VISIBLE = Histogram(
    "understudy_change_to_visible_seconds",
    "From the change that came in to its announcement, heard here",
    buckets=(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
