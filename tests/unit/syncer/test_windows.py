"""The stretches of time that reconciles compare leave none out, whatever the clocks and whoever asks."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncer.reconcile.windows import Margins, NoWindow, Window, read, window

NOW = datetime(2026, 11, 5, 12, 0, 0, 400_000, tzinfo=UTC)
MARGINS = Margins(overlap=timedelta(minutes=10), grace=timedelta(seconds=30))

seconds = st.integers(0, 200_000)
moments = seconds.map(lambda n: NOW + timedelta(seconds=n))


def ago(**time: float) -> datetime:
    return NOW - timedelta(**time)


def test_a_window_goes_back_behind_what_was_compared_and_ends_before_webhooks_may_be_on_their_way():
    found = window(ago(minutes=5), NOW, MARGINS, {})
    assert found.since == ago(minutes=15).replace(microsecond=0)
    assert found.until == ago(seconds=30).replace(microsecond=0)


def test_the_times_are_quoted():
    found = Window(
        datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, 1, 2, 3, tzinfo=timezone(timedelta(hours=1)))
    )
    assert found.query("updated_at") == "updated_at:>='2026-11-01T00:00:00Z' AND updated_at:<='2026-11-02T00:02:03Z'"


def test_an_earlier_since_is_obeyed_and_a_later_one_leaves_no_gap():
    compared = ago(hours=1)
    early, late = ago(days=2), ago(minutes=1)
    assert window(compared, NOW, MARGINS, {"since": early.isoformat()}).since == early.replace(microsecond=0)
    assert window(compared, NOW, MARGINS, {"since": late.isoformat()}).since == (compared - MARGINS.overlap).replace(
        microsecond=0
    )


def test_nothing_is_compared_that_may_still_be_on_its_way_whoever_asks():
    assert window(None, NOW, MARGINS, {"since": "2026-11-05", "until": "2027-01-01T00:00:00Z"}).until == ago(
        seconds=30
    ).replace(microsecond=0)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"since": "yesterday"},
        {"since": 7},
        {"since": "2026-11-05T10:00:00Z", "until": "2026-11-05T09:00:00Z"},
    ],
)
def test_options_that_name_no_window_are_refused(options):
    with pytest.raises(NoWindow):
        window(None, NOW, MARGINS, options)


@given(
    st.lists(st.tuples(moments, st.none() | moments, st.none() | moments), min_size=1, max_size=12),
    st.integers(0, 1200),
    st.integers(0, 120),
)
def test_windows_one_after_the_other_leave_no_second_out(asked, overlap, grace):
    margins = Margins(timedelta(seconds=overlap), timedelta(seconds=grace))
    compared = began = NOW
    for now, since, until in asked:
        options = {"since": since and since.isoformat(), "until": until and until.isoformat()}
        try:
            found = window(compared, now, margins, options)
        except NoWindow:
            continue
        if found.empty:
            continue
        assert found.since <= compared - margins.overlap
        assert found.until <= now - margins.grace
        compared = max(compared, found.until)
    assert compared >= began


@given(st.integers(0, 50_000), seconds)
def test_the_halves_of_a_window_hold_every_second_of_it_once(length, inside):
    whole = Window(NOW.replace(microsecond=0), NOW.replace(microsecond=0) + timedelta(seconds=length))
    second = whole.since + timedelta(seconds=inside % (length + 1))
    first, last = whole.halves()
    if length == 0:
        assert first == last == whole
        return
    assert sum(half.since <= second <= half.until for half in (first, last)) == 1
    assert (first.since, last.until) == (whole.since, whole.until)
    assert first != whole != last


@given(moments, moments)
def test_what_a_report_says_of_a_window_can_be_read_again(since, until):
    found = Window(since.replace(microsecond=0), until.replace(microsecond=0))
    assert read(found.as_json()) == found
