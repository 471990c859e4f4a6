"""The CDN's quota is kept, whatever is asked, whenever."""

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncer.purger.quota import Bucket

RATES = st.floats(0.01, 100)
BURSTS = st.integers(1, 50)
PAUSES = st.lists(st.floats(0, 5) | st.just(0.0), min_size=1, max_size=200)
TOLERANCE = 1e-6  # of floating point


def calls(bucket: Bucket, moments: list[float]) -> list[float]:
    return [now for now in moments if bucket.take(now)]


def most_in_any_window(taken: list[float], rate: float, burst: int) -> bool:
    return all(
        later - first + 1 <= burst + rate * (taken[later] - taken[first]) + 1 + TOLERANCE
        for first in range(len(taken))
        for later in range(first, len(taken))
    )


@given(RATES, BURSTS, PAUSES)
def test_no_window_of_time_ever_holds_more_calls_than_the_quota(rate, burst, pauses):
    """The burst, and what flows in meanwhile; the call at its very end may be the one that was just earned."""
    bucket = Bucket(rate, burst, 0.0)
    assert most_in_any_window(calls(bucket, list(accumulate(pauses))), rate, burst)


@given(RATES, BURSTS, PAUSES, st.integers(0, 200))
def test_not_even_across_a_purger_that_died_and_its_successor(rate, burst, pauses, died_at):
    """It begins empty, because it can't know what its predecessor has spent."""
    moments = list(accumulate(pauses))
    before, after = moments[:died_at], moments[died_at:]
    taken = calls(Bucket(rate, burst, 0.0), before)
    taken += calls(Bucket(rate, burst, before[-1] if before else 0.0), after)
    assert most_in_any_window(taken, rate, burst)


@given(RATES, BURSTS, PAUSES)
def test_whoever_waits_as_long_as_it_says_may_call(rate, burst, pauses):
    bucket, now = Bucket(rate, burst, 0.0), 0.0
    for pause in pauses:
        now += pause
        now += bucket.wait(now) + TOLERANCE
        assert bucket.take(now)


@given(RATES, BURSTS, st.floats(0, 100), st.floats(0.1, 1000))
def test_what_the_provider_says_counts_more_than_our_own_count(rate, burst, now, rest):
    bucket = Bucket(rate, burst, 0.0)
    bucket.close(now, rest)
    assert not bucket.take(now + rest * 0.99)
    assert bucket.calls_within(now, rest * 0.99) == 0
    assert bucket.wait(now) == pytest.approx(max(rest, bucket.wait(now)))


@given(RATES, BURSTS, st.floats(0, 100), st.floats(0.1, 100))
def test_as_many_calls_as_it_promises_can_be_made_in_time(rate, burst, now, seconds):
    bucket = Bucket(rate, burst, 0.0)
    made, promised = 0, bucket.calls_within(now, seconds)
    end = now + seconds
    while made < min(promised, 100):
        now += bucket.wait(now) + TOLERANCE
        assert now <= end + 100 * TOLERANCE + TOLERANCE / rate
        made += bucket.take(now)
