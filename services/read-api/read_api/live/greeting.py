"""What a client is told when it comes, and when it has missed something. Pure."""

from dataclasses import dataclass
from typing import Protocol, TypeVar

from read_api.live.ids import EventId
from read_api.live.voices import Voice

Wanted_contra = TypeVar("Wanted_contra", contravariant=True)
Wanted = TypeVar("Wanted")
Missed = TypeVar("Missed")
Missed_co = TypeVar("Missed_co", covariant=True)


class Latest(Protocol):
    def latest(self) -> EventId | None:
        """The last that was told; None: nothing is known yet."""


class Replay(Latest, Protocol[Wanted_contra, Missed_co]):
    def since(self, known: EventId, wanted: Wanted_contra, /) -> Missed_co | None:
        """None: that can't be known."""


@dataclass(frozen=True)
class Welcome:
    """`outcome`: as the metric `understudy_live_joined_total` names it."""

    outcome: str
    frame: bytes


def welcome(
    ring: Replay[Wanted, Missed], known: EventId | None, wanted: Wanted, voice: Voice[Missed], *, live: bool
) -> Welcome:
    """For who wants to hear of `wanted`, and was told all until `known`. `live`: announcements are heard."""
    named = ring.latest()
    if named is None:
        return Welcome("unknown", voice.degraded())
    if known is None:
        return Welcome("fresh", _state(named, voice, live=live))
    missed = ring.since(known, wanted)
    if missed is None:
        return Welcome("reset", anew(ring, voice, live=live))
    changes = voice.changes(missed, named) if missed else b""
    return Welcome("replayed", changes + _state(named, voice, live=live))


def anew(ring: Latest, voice: Voice[Missed], *, live: bool) -> bytes:
    """For who has missed something, be it a change or how things stand: drop everything, and how they stand."""
    named = ring.latest()
    if named is None:
        return voice.degraded()  # nothing was told yet: who is there is reset when something is
    return voice.reset(named) + _state(named, voice, live=live)


def _state(named: EventId, voice: Voice[Missed], *, live: bool) -> bytes:
    return voice.live(named) if live else voice.degraded()
