"""What the command API takes at its edge (`shared.edge`)."""

from shared.edge import Manners
from writer.api import metrics

MANNERS = Manners(
    methods=("GET", "HEAD", "POST", "PATCH", "DELETE"),
    readable="Idempotency-Replayed, Link, Location, Preference-Applied, Retry-After",
    sendable="Authorization, Content-Type, Idempotency-Key, If-Match, Prefer",
    requests=metrics.REQUESTS,
)
