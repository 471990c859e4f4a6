"""Events that are left alone because something failed there: for longer each time, never for ever, and forgotten."""

from hypothesis import given
from hypothesis import strategies as st

from writer.rests import FIRST_REST, LONGEST_REST, REMEMBERED, Rests

EVENT, OTHER = 1, 2


class Clock:
    """Seconds go by when a test says so."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now

    def after(self, seconds):
        self.now += seconds
        return self


def test_it_rests_longer_after_each_failure_and_no_longer_than_the_longest():
    rests = Rests(clock := Clock())
    lengths = []
    for _ in range(12):
        rests.failed(EVENT)
        lengths.append(length(rests, clock))
    assert lengths[:4] == [FIRST_REST, 2 * FIRST_REST, 4 * FIRST_REST, 8 * FIRST_REST]
    assert lengths[-1] == LONGEST_REST
    assert lengths == sorted(lengths)


def test_only_the_event_where_something_failed_rests():
    rests = Rests(Clock())
    rests.failed(EVENT)
    assert rests.resting() == {EVENT}


def test_unexpected_errors_are_counted_while_nothing_else_happens():
    rests = Rests(Clock())
    assert [rests.broke(EVENT) for _ in range(5)] == [1, 2, 3, 4, 5]
    assert rests.broke(OTHER) == 1


def test_an_ordinary_failure_is_no_unexpected_one_and_ends_their_row():
    rests = Rests(Clock())
    for _ in range(5):
        rests.failed(EVENT)
    assert rests.broke(EVENT) == 1
    rests.failed(EVENT)
    assert rests.broke(EVENT) == 1


def test_to_wait_is_no_failure_and_lets_none_be_forgotten():
    rests = Rests(clock := Clock())
    rests.broke(EVENT)
    rests.wait(EVENT, 7.0)
    assert length(rests, clock) == 7.0
    assert rests.broke(EVENT) == 2
    assert length(rests, clock) == 2 * FIRST_REST


def test_what_went_on_begins_anew():
    rests = Rests(clock := Clock())
    for _ in range(3):
        rests.broke(EVENT)
    rests.well(EVENT)
    assert rests.resting() == set()
    assert rests.broke(EVENT) == 1
    assert length(rests, clock) == FIRST_REST


def test_it_is_forgotten_when_nothing_failed_for_long():
    rests = Rests(clock := Clock())
    rests.broke(EVENT)
    clock.after(FIRST_REST + REMEMBERED)
    assert rests.resting() == set()
    assert len(rests) == 0
    assert rests.broke(EVENT) == 1


happenings = st.lists(
    st.tuples(st.sampled_from(["failed", "broke", "wait", "well"]), st.integers(1, 50), st.floats(0, 200)), max_size=80
)


@given(happenings)
def test_nobody_rests_for_ever_and_no_more_are_remembered_than_rested_lately(happened):
    rests = Rests(now := Clock())
    lately = {}
    for what, lane, passed in happened:
        now.after(passed)
        rests.wait(lane, 1.0) if what == "wait" else getattr(rests, what)(lane)
        lately[lane] = now()
        assert (lane in rests.resting()) is (what != "well")
        remembered = {each for each, at in lately.items() if at + LONGEST_REST + REMEMBERED >= now()}
        assert len(rests) <= len(remembered)
    now.after(LONGEST_REST)
    assert rests.resting() == set()


def length(rests, clock):
    """Seconds for which the event rests from now; the clock is there afterwards."""
    began = clock()
    step = FIRST_REST / 2
    while EVENT in rests.resting():
        clock.after(step)
    return clock() - began
