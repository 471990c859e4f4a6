"""Every metric of the Shopify client."""

from prometheus_client import Counter, Gauge, Histogram

from shared.shopify.bucket import Level

# outcome: ok, throttled, unavailable, never_left, faulted, refused, user_errors, too_large, cancelled
REQUESTS = Counter("understudy_shopify_requests", "Requests to Shopify's Admin API.", ["document", "outcome"])
# Shopify answers in 2-3 s at worst; its own limit is around 30 s.
SECONDS = Histogram(
    "understudy_shopify_request_seconds",
    "From sending a request to having its whole answer.",
    ["document"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30),
)
POINTS = Counter("understudy_shopify_points", "Cost points that Shopify charged.", ["share", "document"])
# Should stay at 0: the budget exists so that Shopify never has to say no.
THROTTLED = Counter("understudy_shopify_throttled", "Answers that said THROTTLED, 429 or 430.", ["share"])
# Backfill may wait for minutes, a command should not for a second.
WAITS = Histogram(
    "understudy_shopify_wait_seconds",
    "From asking for points to having them, or giving up.",
    ["share"],
    buckets=(0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120),
)
BUDGET_AVAILABLE = Gauge("understudy_shopify_budget_available_points", "Cost points that may be spent now.")
BUDGET_MAXIMUM = Gauge("understudy_shopify_budget_maximum_points", "Cost points that Shopify's bucket holds.")
BUDGET_RATE = Gauge("understudy_shopify_budget_restored_points_per_second", "Cost points that flow in each second.")
# local means that Redis is away: this process lives on its part of the points, and others on theirs.
GOVERNOR_MODE = Gauge("understudy_governor_mode", "1 for the mode that the governor is in.", ["mode"])
GOVERNOR_CHANGES = Counter("understudy_governor_mode_changes", "Times it entered a mode.", ["mode"])
OTHER_VERSION = Counter(
    "understudy_shopify_other_version", "Answers in another API version than was asked for.", ["version"]
)
TOKEN_RENEWALS = Counter("understudy_shopify_token_renewals", "Access tokens that were asked for.", ["outcome"])


# Below 1: Shopify refused though the points should have been there. Others use the app, or a limit was cut in silence.
BUDGET_ALLOWED = Gauge("understudy_shopify_budget_allowed_ratio", "Part of the announced limits that is used.")


def level(now: Level, allowed: float) -> None:
    """As far as it is allowed now."""
    BUDGET_AVAILABLE.set(now.available)
    BUDGET_MAXIMUM.set(now.maximum)
    BUDGET_RATE.set(now.rate)
    BUDGET_ALLOWED.set(allowed)


def mode(entered: str) -> None:
    for name in ("shared", "local"):
        GOVERNOR_MODE.labels(name).set(name == entered)
    GOVERNOR_CHANGES.labels(entered).inc()
