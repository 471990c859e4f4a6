"""Whether announcements may have been missed, so that only purging everything is certain. Pure."""

from dataclasses import dataclass
from datetime import datetime

from syncer.purger.plan import Scope


@dataclass(frozen=True)
class Stream:
    """PROJECTIONS as it stands, by the sequence numbers of its messages. An empty one's first is last + 1."""

    created: datetime | None
    first: int
    last: int


@dataclass(frozen=True)
class Known:
    """What was written down: up to which message nothing waits for its purge, in which stream, and at which edge."""

    edge: str | None
    stream_created: datetime | None
    purged_to: int


@dataclass(frozen=True)
class Missed:
    """Everything must be purged, and why."""

    scope: Scope
    reason: str


def missed(known: Known, edge: str, stream: Stream) -> Missed | None:
    """What lies at an edge that we never purged may be of any age, and without a tag: only all of it is certain."""
    if known.edge != edge:
        return Missed(Scope.WHOLE, "first" if known.edge is None else "changed")
    if known.stream_created != stream.created or known.purged_to > stream.last:
        return Missed(Scope.OURS, "stream")
    if stream.first > known.purged_to + 1:
        return Missed(Scope.OURS, "behind")  # further than the stream keeps
    return None
