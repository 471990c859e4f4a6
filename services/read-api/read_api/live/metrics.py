"""Every metric of the live streams."""

from prometheus_client import Counter, Gauge, Histogram

STREAMS = Gauge("understudy_live_streams", "Streams open", ["audience"], multiprocess_mode="livesum")
CAUGHT_UP = Counter("understudy_live_caught_up_total", "Streams told to drop everything, as they had fallen behind")
# reason: slow, stopping, expired, gone (it went away while we sent), failed (sending raised what it never should).
DROPPED = Counter("understudy_live_dropped_total", "Streams that we ended, by why", ["reason"])
REFUSED = Counter("understudy_live_refused_total", "Streams not opened because too many were", ["limit"])
SENT = Counter("understudy_live_sent_total", "Frames handed to streams, heartbeats among them")
# outcome: fresh (no id sent), replayed, reset, unknown (the feed has not been live yet).
JOINED = Counter("understudy_live_joined_total", "Streams opened, by what their Last-Event-ID led to", ["outcome"])
FAN_OUT_SECONDS = Histogram(
    "understudy_live_fan_out_seconds",
    "From the first announcement of a round to the last stream it was handed to",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
