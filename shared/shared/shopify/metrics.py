"""Every metric of the Shopify client."""

from prometheus_client import Counter, Gauge, Histogram

# outcome: ok, throttled, unavailable, faulted, refused, user_errors, too_large, cancelled
REQUESTS = Counter("understudy_shopify_requests", "Requests to Shopify's Admin API.", ["document", "outcome"])
# Shopify answers in 2-3 s at worst; its own limit is around 30 s.
SECONDS = Histogram(
    "understudy_shopify_request_seconds",
    "From sending a request to having its whole answer.",
    ["document"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30),
)
POINTS = Counter("understudy_shopify_points", "Cost points that Shopify charged.", ["document"])
# Should stay at 0: the budget exists so that Shopify never has to say no.
THROTTLED = Counter("understudy_shopify_throttled", "Answers that said THROTTLED, 429 or 430.")
BUDGET_AVAILABLE = Gauge(
    "understudy_shopify_budget_available_points", "Cost points that this process believes it may spend."
)
OTHER_VERSION = Counter(
    "understudy_shopify_other_version", "Answers in another API version than was asked for.", ["version"]
)
TOKEN_RENEWALS = Counter("understudy_shopify_token_renewals", "Access tokens that were asked for.", ["outcome"])
