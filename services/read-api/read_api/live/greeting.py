"""What a client is told when it comes, and when it has missed something. Pure."""

from dataclasses import dataclass

from read_api.live import frames
from read_api.live.ids import EventId
from read_api.live.ring import Ring


@dataclass(frozen=True)
class Welcome:
    """`outcome`: as the metric `understudy_live_joined_total` names it."""

    outcome: str
    frame: bytes


def welcome(ring: Ring, known: EventId | None, tags: frozenset[str] | None, *, live: bool) -> Welcome:
    """For who wants to hear of `tags`, and was told all until `known`. `live`: announcements are heard."""
    named = ring.latest()
    if named is None:
        return Welcome("unknown", frames.DEGRADED)
    if known is None:
        return Welcome("fresh", _state(named, live=live))
    missed = ring.since(known, tags)
    if missed is None:
        return Welcome("reset", anew(ring, live=live))
    purges = frames.purges(missed.items(), named) if missed else b""
    return Welcome("replayed", purges + _state(named, live=live))


def anew(ring: Ring, *, live: bool) -> bytes:
    """For who has missed something, be it a purge or a change of state: drop everything, and how things stand."""
    named = ring.latest()
    if named is None:
        return frames.DEGRADED  # nothing was told yet: who is there is reset when something is
    return frames.reset(named) + _state(named, live=live)


def _state(named: EventId, *, live: bool) -> bytes:
    return frames.live(named) if live else frames.DEGRADED
