"""The sliding window over change-to-visible."""

from hypothesis import given
from hypothesis import strategies as st

from read_api.freshness import Freshness, Summary, percentile

SECONDS = st.floats(0, 1000)


@given(st.lists(SECONDS, min_size=1), st.integers(1, 100))
def test_a_percentile_is_a_value_that_did_occur_with_enough_at_or_below_it(values, percent):
    found = percentile(sorted(values), percent)
    assert found in values
    assert sum(value <= found for value in values) * 100 >= percent * len(values)
    assert sum(value < found for value in values) * 100 < percent * len(values)


def test_nothing_changed_means_unknown_and_not_zero():
    assert Freshness().summary(0.0) == Summary(None, None, None, 0)


@given(st.lists(st.tuples(SECONDS, SECONDS)), SECONDS)
def test_only_the_window_counts(samples, now):
    freshness = Freshness(window=10)
    for at, took in sorted(samples):
        freshness.record(at, took)
    inside = [took for at, took in samples if at >= now - 10]
    summary = freshness.summary(now)
    assert summary.samples == len(inside)
    assert summary.longest == (max(inside) if inside else None)


@given(st.lists(SECONDS, min_size=1, max_size=50))
def test_the_window_is_bounded(values):
    freshness = Freshness(max_samples=5)
    for value in values:
        freshness.record(0.0, value)
    assert freshness.summary(0.0).samples == min(5, len(values))


def test_a_clock_that_runs_behind_makes_no_negative_time():
    freshness = Freshness()
    freshness.record(0.0, -0.5)
    assert freshness.summary(0.0) == Summary(0.0, 0.0, 0.0, 1)
