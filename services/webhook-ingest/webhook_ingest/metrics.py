"""Every metric of webhook-ingest."""

from prometheus_client import Counter, Gauge, Histogram

# What became of webhooks. A topic that is not ours counts as "other": nobody mints label values.
WEBHOOKS = Counter("understudy_webhooks_total", "Webhooks by topic and outcome", ["topic", "outcome"])

# Alert on wrong_secret (a rotation went wrong) and body_changed (a proxy rewrites bodies).
BAD_SIGNATURES = Counter("understudy_webhook_bad_signatures_total", "Rejected signatures by reason", ["reason"])

# From the last byte of the request to NATS' acknowledgement after fsync. Shopify waits 5 s for the whole answer.
DURABLE_SECONDS = Histogram(
    "understudy_webhook_durable_seconds",
    "Seconds until a webhook was stored durably",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)

# The subscription was made with another version than ours: `understudy doctor` repairs it.
OTHER_VERSIONS = Counter("understudy_webhook_other_versions_total", "Webhooks of another API version than ours")

# 1 when the server said sync_interval: always; 0 when it said otherwise, or nobody could ask it.
DURABILITY_VERIFIED = Gauge("understudy_durability_verified", "Whether NATS was seen to sync before it acknowledges")
