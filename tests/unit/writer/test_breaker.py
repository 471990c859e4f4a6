"""A Shopify that fails is left alone, asked again now and then, and one event never speaks for all."""

from datetime import UTC, datetime
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.shopify.envelope import Answer
from shared.shopify.errors import (
    AnswerTooLarge,
    NeverLeft,
    ShopifyFaulted,
    ShopifyRefused,
    ShopifyUnavailable,
    Throttled,
    UserError,
    UserErrors,
)
from writer import breaker
from writer.breaker import CLOSED, FIRST_PAUSE, LONGEST_PAUSE, THRESHOLD, State

NOW = 1000.0  # seconds

lanes = st.none() | st.integers(1, 4)
# Seconds that pass, then a failure of a lane, or (None) a success.
outcomes = st.tuples(st.floats(0, 200), st.none() | st.tuples(lanes))


def play(sequence):
    """State, time and outcome after each."""
    state, now = CLOSED, NOW
    for passed, outcome in sequence:
        now += passed
        before = state
        state = (
            breaker.succeeded(state) if outcome is None else breaker.failed(state, now, "no answer", lane=outcome[0])
        )
        yield before, state, now, outcome


def fail(count, *, now=NOW, state=CLOSED, lane=None):
    return reduce(lambda state, _: breaker.failed(state, now, "no answer", lane=lane), range(count), state)


@given(st.lists(outcomes, max_size=60))
def test_it_opens_only_after_so_many_failures_in_a_row(sequence):
    in_a_row = 0
    for before, state, _, outcome in play(sequence):
        in_a_row = 0 if outcome is None else in_a_row + 1
        if not breaker.is_open(before) and breaker.is_open(state):
            assert in_a_row >= THRESHOLD
        assert breaker.is_open(state) or state.failures < THRESHOLD


@given(st.lists(outcomes, max_size=60))
def test_a_success_closes_it_and_forgets_everything(sequence):
    for _, state, _, outcome in play(sequence):
        if outcome is None:
            assert state == CLOSED


@given(st.lists(outcomes, max_size=60))
def test_nobody_waits_longer_than_the_longest_pause_and_a_call_is_tried_when_it_is_over(sequence):
    for _, state, now, _ in play(sequence):
        wait = breaker.opens_in(state, now)
        assert 0 <= wait <= LONGEST_PAUSE
        assert breaker.may_call(state, now, probing=False) == (wait == 0)
        later = now + wait
        later = max(later, state.until or later)  # rounding
        assert breaker.may_call(state, later, probing=False)
        assert breaker.may_call(state, later, probing=True) == (not breaker.is_open(state))


@given(st.integers(1, 50), st.sampled_from([0.0, 1.0, 100.0]))
def test_one_event_never_stops_the_others(times, passed):
    state, now = fail(THRESHOLD - 2), NOW
    for _ in range(times):
        now += passed
        state = breaker.failed(state, now, "no answer", lane=7)
        assert breaker.may_call(state, now, probing=True)
    assert breaker.is_open(breaker.failed(state, now, "no answer", lane=8))


def test_different_events_that_fail_in_a_row_open_it():
    state = CLOSED
    for lane in range(THRESHOLD):
        assert not breaker.is_open(state)
        state = breaker.failed(state, NOW, "no answer", lane=lane)
    assert breaker.opens_in(state, NOW) == FIRST_PAUSE
    assert state.reason == "no answer"


def test_pauses_double_up_to_the_longest():
    state, now, pauses = fail(THRESHOLD), NOW, []
    for _ in range(9):
        pauses.append(breaker.opens_in(state, now))
        now = state.until
        state = breaker.failed(state, now, "no answer")
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_what_was_sent_before_it_opened_does_not_keep_it_open():
    opened = fail(THRESHOLD)
    assert fail(20, state=opened, now=NOW + 0.5) == opened


def test_a_state_that_was_kept_in_a_row_goes_on_where_it_was():
    opened = fail(THRESHOLD + 3)
    kept = State(opened.until, opened.failures, opened.reason)
    assert kept == opened


def unavailable(*, happened):
    return ShopifyUnavailable("ReadTimeout", may_have_happened=happened)


@pytest.mark.parametrize(
    ("error", "everyone"),
    [
        (ShopifyRefused("", status=401), True),
        (ShopifyRefused("", status=404), True),
        (ShopifyRefused("", status=402), True),
        (ShopifyRefused("", status=403), True),
        (ShopifyRefused("", status=423), True),
        (unavailable(happened=False), True),
        (unavailable(happened=True), False),
        (ShopifyFaulted("TIMEOUT"), False),
    ],
)
def test_what_says_that_shopify_itself_fails(error, everyone):
    assert breaker.failure(error).everyone is everyone


@pytest.mark.parametrize(
    "error",
    [
        Throttled(retry_after=1),
        ShopifyRefused("", status=200, code="ACCESS_DENIED"),
        AnswerTooLarge(),
        NeverLeft(),
        UserErrors(
            (UserError(("title",), "Title can't be blank"),), Answer({}, None, datetime(2026, 12, 1, tzinfo=UTC))
        ),
        ValueError(),
    ],
)
def test_what_says_nothing_about_shopify(error):
    assert breaker.failure(error) is None
