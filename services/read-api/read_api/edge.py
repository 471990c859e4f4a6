"""What read-api takes at its edge (`shared.edge`)."""

from read_api import metrics
from shared.edge import Manners

MANNERS = Manners(
    methods=("GET", "HEAD"),
    readable="ETag, X-Revision, Link, Cache-Status, Server-Timing, Retry-After",
    sendable="Authorization, If-None-Match, X-Min-Revision, Last-Event-ID",
    requests=metrics.REQUESTS,
)
