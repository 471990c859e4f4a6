"""When Shopify refuses although the points should be there, less is allowed, and more again; else nothing changes."""

import heapq
import itertools
from dataclasses import dataclass, field

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from leaky_bucket import SMALL, Shopify

from shared.shopify.bucket import CUT, LEAST, MISLED, RECOVERY, Bucket, ThrottleStatus
from shared.shopify.shares import HEAD_ROOM

MAXIMUM, RATE = 2000, 100  # announced


@dataclass
class Demand:
    """One after another as soon as the points are there, over a Shopify that tells of one bucket and goes by two."""

    hidden: Shopify
    cost: int = 10
    used: float = 1.0  # of the cost
    latency: float = 2.0  # seconds; a refusal takes as long
    slots: int = 64
    speaks: bool = True
    told: Shopify = field(default_factory=lambda: Shopify(MAXIMUM, RATE))
    ours: Bucket = field(default_factory=lambda: Bucket.full(MAXIMUM, RATE, 0.0))
    time: float = 0.0
    charged: float = 0.0
    refusals: list = field(default_factory=list)  # when
    _under_way: int = 0
    _events: list = field(default_factory=list)
    _number: itertools.count = field(default_factory=itertools.count)

    def run_until(self, end):
        while self.time < end:
            wait = float("inf")
            if self._under_way < self.slots:
                wait = self.ours.wait_for(self.cost, self.time, HEAD_ROOM)
            if wait == 0:
                self._send()
                continue
            due = self._events[0][0] if self._events else float("inf")
            self.time = min(self.time + wait + SMALL, due, end)
            while self._events and self._events[0][0] <= self.time:
                _, _, happens, argument = heapq.heappop(self._events)
                happens(*argument)

    def _later(self, seconds, happens, *argument):
        heapq.heappush(self._events, (self.time + seconds, next(self._number), happens, argument))

    def _send(self):
        self.ours, claim = self.ours.take(self.cost, self.time)
        self._under_way += 1
        self._later(0.05, self._arrive, claim)

    def _arrive(self, claim):
        for bucket in (self.hidden, self.told):
            bucket.pass_time(self.time)
        admitted = min(self.hidden.level, self.told.level) + SMALL >= self.cost
        if admitted:
            self.hidden.admit(self.cost, self.time)
            self.told.admit(self.cost, self.time)
        self._later(self.latency, self._answer, claim, admitted)

    def _answer(self, claim, admitted):
        self._under_way -= 1
        if admitted:
            for bucket in (self.hidden, self.told):
                bucket.finish(self.cost * (1 - self.used), self.time)
            self.charged += self.cost * self.used
        self.told.pass_time(self.time)
        status = self.told.status() if self.speaks else None
        if not admitted:
            self.refusals.append(self.time)
            self.ours = self.ours.refused(claim, status, self.time)
            return
        self.ours = self.ours.give_back(claim, self.cost * self.used, self.time)
        self.ours = self.ours if status is None else self.ours.follow(status, claim, self.time)


def under_load(**more):
    """All buckets empty, as they are while all points are used."""
    demand = Demand(**more)
    demand.ours = Bucket(MAXIMUM, RATE, 0.0, 0.0)
    demand.hidden.level = demand.told.level = 0.0
    return demand


@settings(max_examples=10, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(
    part=st.floats(0.3, 0.9),
    asks=st.sampled_from([(10, 1.0), (30, 0.5), (200, 0.2)]),
    latency=st.floats(0.2, 3),
    speaks=st.booleans(),
)
def test_of_a_limit_that_nobody_announced_over_nine_tenths_are_used_and_few_are_refused(part, asks, latency, speaks):
    cost, used = asks
    hidden = Shopify(MAXIMUM * part, RATE * part)
    demand = under_load(hidden=hidden, cost=cost, used=used, latency=latency, speaks=speaks)
    demand.run_until(60.0)
    before = demand.charged
    demand.run_until(240.0)
    assert demand.charged - before > 0.9 * 180 * RATE * part
    finding_out = [at for at in demand.refusals if at < 60]
    assert len(finding_out) < 10 + 3 * latency * RATE / (cost * used)  # three round trips of what was allowed before
    assert len(demand.refusals) - len(finding_out) < 10 + 0.03 * (demand.charged - before) / (cost * used)


def test_half_of_the_limit_in_figures():
    demand = under_load(hidden=Shopify(1000, 50))
    demand.run_until(600.0)
    assert demand.charged > 0.97 * 600 * 50
    assert len(demand.refusals) < 60  # of some 3,000
    assert sum(at > 60 for at in demand.refusals) < 40


@settings(max_examples=15, deadline=None)
@given(st.sampled_from([10, 30, 200]), st.floats(0.2, 3))
def test_without_a_refusal_nothing_changes(cost, latency):
    demand = Demand(hidden=Shopify(MAXIMUM, RATE), cost=cost, latency=latency)
    demand.run_until(60.0)
    assert demand.refusals == []
    assert demand.ours.allowed == 1
    assert demand.charged > 0.95 * min(60 * RATE, demand.slots * cost / latency * 50)


def test_when_the_cut_is_over_everything_is_allowed_again():
    demand = under_load(hidden=Shopify(1000, 50))
    demand.run_until(120.0)
    demand.hidden = Shopify(MAXIMUM, RATE, at=demand.time)
    demand.run_until(120.0 + RECOVERY)
    assert demand.ours.allowed == 1
    before, seen = demand.charged, len(demand.refusals)
    demand.run_until(180.0 + RECOVERY)
    assert demand.charged - before > 0.98 * 60 * RATE
    assert len(demand.refusals) == seen


def test_a_round_trip_of_refusals_cuts_once():
    bucket, claims = Bucket.full(MAXIMUM, RATE, 0.0), []
    for _ in range(10):
        bucket, claim = bucket.take(10, 1.0)
        claims.append(claim)
    for claim in claims:
        bucket = bucket.refused(claim, None, 3.0)
    assert bucket.allowed == pytest.approx(CUT)
    assert bucket.held == 0
    bucket, claim = bucket.take(10, 3.5)
    assert bucket.refused(claim, None, 3.5).allowed == pytest.approx(CUT * (CUT + 0.5 / RECOVERY), abs=0.01)


def test_points_that_nobody_took_do_not_come_back_unless_shopify_says_where_its_level_is():
    bucket, claim = Bucket(MAXIMUM, RATE, 500, 0.0).take(100, 0.0)
    assert bucket.refused(claim, None, 0.0).available == 0
    assert bucket.refused(claim, ThrottleStatus(MAXIMUM, 1500, RATE), 0.0).available == 0
    assert bucket.refused(claim, ThrottleStatus(MAXIMUM, 60, RATE), 0.0).available == 60


@pytest.mark.parametrize(("at", "available"), [(1.0, pytest.approx(CUT * RATE - 10, abs=1)), (MISLED + 1, 1500)])
def test_words_that_misled_raise_nothing_for_a_while(at, available):
    full = ThrottleStatus(MAXIMUM, 1500, RATE)
    bucket, claim = Bucket(MAXIMUM, RATE, 500, 0.0).take(100, 0.0)
    bucket, claim = bucket.refused(claim, full, 0.0).take(10, at)
    assert bucket.give_back(claim, 10, at).follow(full, claim, at).available == available


def test_requests_that_left_before_a_lower_limit_was_announced_are_refused_without_a_cut():
    bucket, early = Bucket(MAXIMUM, RATE, 500, 0.0).take(100, 0.0)
    bucket, answered = bucket.take(10, 0.0)
    status = ThrottleStatus(MAXIMUM / 2, 40, RATE / 2)
    bucket = bucket.give_back(answered, 10, 1.0).follow(status, answered, 1.0)
    assert (bucket.maximum, bucket.rate) == (MAXIMUM / 2, RATE / 2)
    assert bucket.refused(early, status, 1.0).allowed == 1


def test_a_limit_that_is_announced_late_is_not_taken_off_twice():
    bucket = Bucket(MAXIMUM, RATE, 0.0, 0.0, allowed=0.5)
    assert bucket.heed(ThrottleStatus(MAXIMUM / 2, 500, RATE / 2), 0.0).allowed == 1


@given(st.lists(st.floats(0, 5), max_size=60))
def test_something_is_always_allowed_and_the_largest_request_fits(gaps):
    bucket, now = Bucket.full(MAXIMUM, RATE, 0.0), 0.0
    for gap in gaps:
        now += gap
        bucket, claim = bucket.take(10, now)
        bucket = bucket.refused(claim, None, now)
    assert bucket.allowed >= LEAST
    assert bucket.fill >= 1000
    assert bucket.wait_for(1000, now) < float("inf")
