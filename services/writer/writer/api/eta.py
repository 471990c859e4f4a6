"""How long until a queued job has taken effect. Pure.

Four things may hold it up, and whichever takes longest counts: points flow in at Shopify's rate; only so many requests
are under way at once; the jobs of one event go one after the other; and nothing goes while the breaker is open or the
event is parked. While nothing is sent, points still flow in, up to what the bucket holds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

USUAL_LATENCY = 2.5  # seconds of a mutation, until one was measured; Shopify answers in 2-3
USUAL_COST = 10.0  # points of a mutation (docs/shopify.md 2.4)
# Points of all calls of a job, where more than one is made or more is asked than a mutation alone.
COSTS: Mapping[str, float] = {
    "event.create": 25.0,
    "event.publish": 20.0,
    "event.unpublish": 20.0,
    "ticket.create": 14.0,
    "ticket.edit": 14.0,
}


class Level(Protocol):
    """Shopify's points now: those that are there, that the bucket holds, and that flow in each second."""

    @property
    def available(self) -> float: ...
    @property
    def maximum(self) -> float: ...
    @property
    def rate(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Fixed:
    """A level that is assumed."""

    available: float
    maximum: float
    rate: float


STANDARD = Fixed(0.0, 2000.0, 100.0)  # the smallest plan's, drained: what is assumed while nobody knows


@dataclass(frozen=True, slots=True)
class Ahead:
    """What stands before a job. `jobs`: open ones that were accepted earlier. `calls`: by kind, those of them that are
    carried out on their own; edits that one call carries count once. `in_lane`: calls before it of its own event.
    """

    jobs: int
    calls: Mapping[str, int] = field(default_factory=dict)
    in_lane: int = 0


@dataclass(frozen=True, slots=True)
class Conditions:
    """`breaker`: seconds for which nothing is sent. `latency`: seconds of a call. `slots`: calls under way at once.
    `costs`: points by kind, as far as they were learnt.
    """

    level: Level = STANDARD
    latency: float = USUAL_LATENCY
    slots: int = 1
    breaker: float = 0.0
    costs: Mapping[str, float] = field(default_factory=dict)

    def cost(self, kind: str) -> float:
        return self.costs.get(kind, COSTS.get(kind, USUAL_COST))


def seconds(kind: str, ahead: Ahead, now: Conditions, parked: float = 0.0) -> float:
    """Until a job of `kind` has taken effect; `parked`: seconds for which its event rests."""
    held_up = max(0.0, now.breaker)
    level = now.level
    points = sum(now.cost(each) * calls for each, calls in ahead.calls.items()) + now.cost(kind)
    there = min(max(level.available, level.maximum), max(0.0, level.available) + level.rate * held_up)
    flowing = max(0.0, points - there) / max(level.rate, 1.0)
    queueing = sum(ahead.calls.values()) // max(1, now.slots) * now.latency
    own_event = max(0.0, parked - held_up) + ahead.in_lane * now.latency
    return held_up + max(flowing, queueing, own_event) + now.latency
