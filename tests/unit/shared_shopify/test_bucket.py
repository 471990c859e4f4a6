"""Our picture of Shopify's bucket never promises points that are not there."""

import heapq
import itertools

from hypothesis import given, settings
from hypothesis import strategies as st
from leaky_bucket import SMALL, Request, Shopify, limits, requests

from shared.shopify.bucket import Bucket, ThrottleStatus


class World:
    """One process, its bucket, Shopify, and a network that reorders."""

    def __init__(self, ours, shopify):
        self.ours, self.shopify, self.time = ours, shopify, 0.0
        self.events, self.number = [], itertools.count()
        self.refused = 0

    def later(self, at, action):
        heapq.heappush(self.events, (at, next(self.number), action))

    def run_until(self, at):
        while self.events and self.events[0][0] <= at:
            self.time, _, action = heapq.heappop(self.events)
            action()
        self.time = max(self.time, at)

    def send(self, request):
        self.run_until(self.time + request.gap)
        while (wait := self.ours.wait_for(request.cost, self.time)) > 0:
            self.run_until(min(self.time + wait + 1e-9, self.events[0][0] if self.events else float("inf")))
        self.ours, claim = self.ours.take(request.cost, self.time)
        self.later(self.time + request.there, lambda: self.arrive(request, claim))

    def arrive(self, request, claim):
        admitted = self.shopify.admit(request.cost, self.time)
        self.refused += not admitted
        self.later(self.time + (request.inside if admitted else 0), lambda: self.work(request, claim, admitted))

    def work(self, request, claim, admitted):
        actual = request.cost * request.used if admitted else 0.0
        if admitted:
            self.shopify.finish(request.cost - actual, self.time)
        status = self.shopify.status() if request.speaks else None
        self.later(self.time + request.back, lambda: self.answer(claim, actual, status))

    def answer(self, claim, actual, status):
        self.ours = self.ours.give_back(claim, actual, self.time)
        if status is not None:
            self.ours = self.ours.follow(status, claim, self.time)


@settings(max_examples=400, deadline=None)
@given(limits, st.lists(requests, max_size=40))
def test_what_we_grant_shopify_admits_however_slow_and_disordered_the_network_is(limit, sent):
    world = World(Bucket.full(1000, 50, 0.0), Shopify(*limit))
    for request in sent:
        world.send(request)
    world.run_until(1e9)
    assert world.refused == 0


@settings(max_examples=200, deadline=None)
@given(limits, limits, st.lists(requests, min_size=1, max_size=20))
def test_after_a_cut_and_one_answer_of_each_request_under_way_nothing_is_refused(before, after, sent):
    world = World(Bucket.full(1000, 50, 0.0), Shopify(*before))
    for request in sent:
        world.send(request)
    world.shopify.pass_time(world.time)
    world.shopify.maximum, world.shopify.rate = after
    world.shopify.level = min(world.shopify.level, after[0])
    world.run_until(1e6)
    world.send(Request(0, 1, 1, 0, 0, 0, speaks=True))
    world.run_until(2e6)
    world.refused = 0
    assert (world.ours.maximum, world.ours.rate) == after
    for request in sent:
        world.send(request)
    world.run_until(1e9)
    assert world.refused == 0


@settings(deadline=None)
@given(st.lists(requests, max_size=30))
def test_at_rest_every_point_comes_back(sent):
    world = World(Bucket.full(1000, 50, 0.0), Shopify(1000, 50))
    for request in sent:
        world.send(request)
    world.run_until(1e6)
    assert world.ours.held < SMALL
    assert world.ours.now(1e6).available > 1000 - SMALL


def test_the_wait_is_what_is_missing_over_the_rate():
    bucket, _ = Bucket.full(1000, 50, 0.0).take(900, 0.0)
    assert bucket.wait_for(100, 0.0) == 0
    bucket = bucket.give_back(bucket.take(0, 0.0)[1], 0, 0.0)
    assert Bucket(1000, 50, 100, 0.0).wait_for(200, 0.0) == 2.0
    assert Bucket(1000, 50, 100, 0.0).wait_for(200, 1.0) == 1.0


def test_head_room_is_left_for_others_but_never_makes_a_call_impossible():
    bucket = Bucket.full(1000, 50, 0.0)
    assert bucket.wait_for(900, 0.0, head_room=100) == 0
    assert bucket.wait_for(950, 0.0, head_room=100) == 0
    assert Bucket(1000, 50, 900, 0.0).wait_for(900, 0.0, head_room=50) == 1.0


def test_more_than_the_bucket_holds_is_never_there():
    assert Bucket.full(1000, 50, 0.0).wait_for(1001, 0.0) == float("inf")


def test_sixteen_parallel_queries_of_862_fit_four_at_a_time_into_4000_points():
    """The measurement of docs/shopify.md 2.3."""
    bucket, granted = Bucket.full(4000, 200, 0.0), 0
    while bucket.wait_for(862, 0.0) == 0:
        bucket, _ = bucket.take(862, 0.0)
        granted += 1
    assert granted == 4
    assert bucket.available == 4000 - 4 * 862


def test_points_that_another_process_spent_are_seen_in_the_next_answer():
    bucket, claim = Bucket.full(2000, 100, 0.0).take(100, 0.0)
    bucket = bucket.give_back(claim, 40, 1.0).follow(ThrottleStatus(2000, 300, 100), claim, 1.0)
    assert bucket.available == 300


def test_a_clock_that_goes_back_changes_nothing():
    bucket, _ = Bucket.full(1000, 50, 10.0).take(500, 10.0)
    assert bucket.now(5.0) == bucket


def test_of_an_answer_to_a_request_of_somebody_else_only_what_lowers_is_believed():
    bucket = Bucket(2000, 100, 500, 0.0)
    assert bucket.heed(ThrottleStatus(2000, 1900, 100), 0.0).available == 500
    assert bucket.heed(ThrottleStatus(1000, 300, 50), 0.0) == Bucket(1000, 50, 300, 0.0, cut_at=0.0)
