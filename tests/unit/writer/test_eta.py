"""An estimate is never negative, grows with what stands before, says what the breaker says, and comes about true."""

import heapq
import random
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from writer.api.eta import Ahead, Conditions, Fixed, seconds

KINDS = ["event.create", "event.edit", "event.publish", "event.delete", "ticket.edit"]
levels = st.builds(Fixed, st.floats(-100, 40_000), st.floats(1, 40_000), st.floats(0, 2000))
conditions = st.builds(
    Conditions,
    level=levels,
    latency=st.floats(0, 60),
    slots=st.integers(0, 100),
    breaker=st.floats(-10, 600),
    costs=st.dictionaries(st.sampled_from(KINDS), st.floats(0, 1000)),
)
queues = st.builds(
    Ahead, st.integers(0, 10**6), st.dictionaries(st.sampled_from(KINDS), st.integers(0, 10**6)), st.integers(0, 1000)
)
parks = st.floats(0, 600)


@given(st.sampled_from(KINDS), queues, conditions, parks)
def test_it_is_never_negative_nor_sooner_than_a_call_takes(kind, ahead, now, parked):
    assert seconds(kind, ahead, now, parked) >= max(0.0, now.breaker) + now.latency


@given(st.sampled_from(KINDS), queues, conditions, parks, st.sampled_from(KINDS), st.integers(1, 1000))
def test_more_before_it_never_makes_it_sooner(kind, ahead, now, parked, other, more):
    longer = replace(ahead, calls={**ahead.calls, other: ahead.calls.get(other, 0) + more}, in_lane=ahead.in_lane + 1)
    assert seconds(kind, longer, now, parked) >= seconds(kind, ahead, now, parked)


@given(st.sampled_from(KINDS), queues, conditions, parks, st.floats(0, 600))
def test_an_open_breaker_is_said_and_a_longer_one_is_never_sooner(kind, ahead, now, parked, longer):
    open_for = replace(now, breaker=max(0.0, now.breaker) + longer)
    assert seconds(kind, ahead, open_for, parked) >= open_for.breaker
    assert seconds(kind, ahead, open_for, parked) >= seconds(kind, ahead, now, parked) - 1e-6


@dataclass
class Dispatch:
    """What a dispatcher does, second by second: points that flow in, places, one call of an event at a time."""

    level: Fixed
    latency: float
    slots: int
    breaker: float
    clock: float = 0.0
    points: float = 0.0
    free_at: list[float] = field(default_factory=list)
    lanes: dict[int, float] = field(default_factory=dict)

    def carry_out(self, jobs: list[tuple[str, int]], costs: dict[str, float]) -> float:
        """When the last of them has taken effect; jobs of a kind and a lane, in order."""
        self.clock = self.breaker
        self.points = min(self.level.maximum, self.level.available + self.level.rate * self.breaker)
        self.free_at = [self.breaker] * self.slots
        ended = 0.0
        for kind, lane in jobs:
            start = max(self.clock, heapq.heappop(self.free_at), self.lanes.get(lane, 0.0))
            self.points = min(self.level.maximum, self.points + (start - self.clock) * self.level.rate)
            self.clock = start
            if self.points < costs[kind]:
                wait = (costs[kind] - self.points) / self.level.rate
                self.points, self.clock = costs[kind], self.clock + wait
            self.points -= costs[kind]
            ended = self.clock + self.latency
            heapq.heappush(self.free_at, ended)
            self.lanes[lane] = ended
        return ended


@pytest.mark.parametrize("seed", range(40))
def test_against_a_simulated_dispatch_it_is_off_by_a_third_at_most(seed: int):
    """And a call or two: many events, so that none of them is what everything waits for."""
    chance = random.Random(seed)  # noqa: S311 (a schedule, no secret)
    costs = {kind: chance.uniform(10, 40) for kind in KINDS}
    rate = chance.choice([100.0, 200.0, 1000.0])
    level = Fixed(chance.uniform(0, 20 * rate), 20 * rate, rate)
    latency, slots = chance.uniform(0.5, 4.0), chance.choice([4, 16, 64])
    breaker = chance.choice([0.0, 0.0, 30.0])
    jobs = [(chance.choice(KINDS), chance.randrange(10**6)) for _ in range(chance.choice([0, 5, 50, 500]))]
    happened = Dispatch(level, latency, slots, breaker).carry_out([*jobs, ("event.edit", -1)], costs)
    calls = {kind: sum(each == kind for each, _ in jobs) for kind in KINDS}
    said = seconds("event.edit", Ahead(len(jobs), calls), Conditions(level, latency, slots, breaker, costs))
    assert abs(said - happened) <= 0.34 * happened + 2 * latency


def test_the_jobs_of_one_event_go_one_after_the_other():
    now = Conditions(Fixed(1000.0, 2000.0, 100.0), latency=2.0, slots=16)
    assert seconds("event.publish", Ahead(3, {"event.publish": 3}, in_lane=3), now) == 8.0
    assert seconds("event.publish", Ahead(3, {"event.publish": 3}), now) == 2.0


def test_a_parked_event_waits_out_its_horizon():
    now = Conditions(Fixed(1000.0, 2000.0, 100.0), latency=2.0)
    assert seconds("event.edit", Ahead(0), now, parked=30.0) == 32.0
    assert seconds("event.edit", Ahead(0), replace(now, breaker=50.0), parked=30.0) == 52.0


@settings(max_examples=50)
@given(st.integers(1, 400))
def test_points_that_are_there_are_spent_before_anybody_waits_for_more(number):
    now = Conditions(Fixed(1000.0, 2000.0, 100.0), latency=2.0, slots=1000, costs={"event.edit": 10.0})
    said = seconds("event.edit", Ahead(number, {"event.edit": number}), now)
    assert said == pytest.approx(2.0 + max(0, (number + 1) * 10 - 1000) / 100)
