"""Every metric of the live streams."""

from prometheus_client import Counter, Gauge, Histogram

# audience: public, organizer (with a token), jobs (hears of jobs only), both.
STREAMS = Gauge("understudy_live_streams", "Streams open", ["audience"], multiprocess_mode="livesum")
CAUGHT_UP = Counter("understudy_live_caught_up_total", "Streams told to drop everything, as they had fallen behind")
# reason: slow, stopping, expired, gone (it went away while we sent), failed (sending raised what it never should).
DROPPED = Counter("understudy_live_dropped_total", "Streams that we ended, by why", ["reason"])
REFUSED = Counter("understudy_live_refused_total", "Streams not opened because too many were", ["limit"])
SENT = Counter("understudy_live_sent_total", "Frames handed to streams, heartbeats among them")
# outcome: fresh (no id sent), replayed, reset, unknown (the feed has not been live yet).
JOINED = Counter("understudy_live_joined_total", "Streams opened, by what their Last-Event-ID led to", ["outcome"])
FAN_OUT_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
FAN_OUT_SECONDS = Histogram(
    "understudy_live_fan_out_seconds",
    "From the first announcement of a round to the last stream it was handed to",
    buckets=FAN_OUT_BUCKETS,
)

JOBS_JOINED = Counter("understudy_live_jobs_joined_total", "The same, of streams that hear of jobs", ["outcome"])
JOBS_FAN_OUT_SECONDS = Histogram(
    "understudy_live_jobs_fan_out_seconds",
    "From the first job of a round to the last stream it was handed to",
    buckets=FAN_OUT_BUCKETS,
)
JOBS_BYTES = Gauge("understudy_live_jobs_bytes", "Jobs kept for clients that come back", multiprocess_mode="livesum")
# JOBS is followed only while someone listens: wanted, and not live, is what to look at.
JOBS_FEED_WANTED = Gauge("understudy_live_jobs_feed_wanted", "1 while this process follows JOBS, as someone listens")
JOBS_FEED_LIVE = Gauge("understudy_live_jobs_feed_live", "1 while this process hears JOBS")
JOBS_FEED_GAPS = Counter("understudy_live_jobs_feed_gaps_total", "Interruptions after which jobs may have been missed")
JOBS_FEED_REFUSED = Counter("understudy_live_jobs_feed_refused_total", "Messages on JOBS that are no job")
