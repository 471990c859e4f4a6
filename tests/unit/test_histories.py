"""The checker of histories finds every violation, and accuses nobody who is innocent."""

from dataclasses import replace
from itertools import accumulate

import pytest
from histories import Read, Visible, ages, below_what_was_named, judge, outdated, unsettled, went_back
from hypothesis import given
from hypothesis import strategies as st

A, B = "a", "b"


def read(began: float, ended: float, revision: int, process: str = A, tag: str = "event:1", named: int = 0) -> Read:
    return Read(f"reader of {process}", process, tag, began, ended, revision, named)


def test_a_revision_that_goes_back_in_one_process_is_found():
    history = [read(0, 1, 2), read(1.5, 2, 1)]
    [violation] = judge(history)
    assert (violation.promise, violation.read, violation.known) == ("went back", history[1], history[0])
    assert "went back: reader of a of a was answered event:1 at 1 in 1.5000 to 2.0000, 0.5000 s after:" in str(
        violation
    )


def test_it_is_found_though_others_read_in_between_and_whatever_the_order_of_the_history():
    history = [read(0, 9, 1), read(3, 4, 1), read(0, 1, 3), read(2, 2.5, 3), read(1.5, 8, 3)]
    assert [violation.read for violation in went_back(history)] == [history[1]]
    assert [violation.read for violation in went_back(history[::-1])] == [history[1]]


def test_reads_at_the_same_time_may_come_in_any_order():
    assert judge([read(0, 2, 5), read(1, 3, 4)]) == []
    assert judge([read(0, 2, 5), read(2, 3, 4)]) == []  # at the very same time


def test_processes_and_tags_know_nothing_of_each_other():
    assert list(went_back([read(0, 0.1, 2), read(0.2, 0.3, 1, process=B), read(0.2, 0.3, 1, tag="events")])) == []


def test_readers_can_be_asked_for_instead_of_processes():
    history = [read(0, 0.1, 2), replace(read(0.2, 0.3, 1), process=B)]
    assert len(list(went_back(history, within=lambda each: each.reader))) == 1


def test_an_answer_below_the_revision_that_its_reader_named_is_found():
    history = [read(0, 1, 4, named=4), read(0, 1, 3, process=B, named=4)]
    assert [violation.read for violation in below_what_was_named(history)] == [history[1]]
    assert len(judge(history)) == 1


def test_what_is_older_than_what_another_process_answered_a_second_ago_is_found():
    fast, slow = read(0, 0.1, 2), read(1.1, 1.2, 1, process=B)
    [violation] = judge([fast, slow])
    assert (violation.promise, violation.read, violation.known) == ("outdated", slow, fast)
    assert judge([fast, replace(slow, began=1.09)]) == []


def test_what_is_older_than_what_was_announced_a_second_ago_is_found():
    told = Visible("event:1", 2, 0.1)
    assert [violation.known for violation in judge([read(1.1, 1.2, 1)], [told])] == [told]
    assert judge([read(1.09, 1.2, 1)], [told]) == []
    assert judge([read(1.1, 1.2, 1, tag="event:2")], [told]) == []
    assert list(outdated([read(0.3, 1.2, 1)], [told], window=0.1))


def test_an_answer_that_says_it_may_be_old_may_be_but_never_goes_back():
    history = [read(0, 0.1, 2, process=B), replace(read(5, 6, 1), excused=True)]
    assert judge(history) == []
    assert len(judge([*history, read(1, 2, 2)])) == 1


def test_a_list_that_says_it_may_be_old_may_be_older_than_another_list_but_not_than_itself():
    def of(document: str, revision: int, began: float, *, excused: bool) -> Read:
        return replace(read(began, began + 0.1, revision), document=document, excused=excused)

    other = [of("/a", 5, 0, excused=False), of("/b", 4, 1, excused=True)]
    assert judge(other) == []
    assert [each.promise for each in judge([*other, of("/b", 3, 2, excused=True)])] == ["went back"]
    assert [each.promise for each in judge([other[0], of("/b", 4, 1, excused=False)])] == ["went back"]


def test_its_age_counts_from_when_anything_newer_was_seen_first():
    history = [read(0, 5, 7), read(0.5, 1.5, 9, process=B), read(2, 3, 6, process="c"), read(1, 1.1, 1)]
    assert ages(history) == [0, 0, 0.5, 0]


def test_who_does_not_show_the_newest_at_the_end_is_found():
    history = [read(0, 1, 1), read(2, 3, 2), read(2, 3, 1, process=B), read(2, 3, 7, tag="events")]
    found = judge(history, newest={"event:1": 2, "events": 7}, settled=1.5)
    assert [violation.read for violation in found] == [history[2]]
    assert found[0].promise == "2 is the newest"


def test_what_nobody_read_at_the_end_is_not_taken_for_shown():
    with pytest.raises(AssertionError, match="nobody read event:1"):
        judge([read(0, 1, 1)], newest={"event:1": 1}, settled=1.5)


TIMES = st.integers(0, 60).map(lambda each: each / 10)


@st.composite
def register(draw: st.DrawFn) -> tuple[list[Read], list[Visible]]:
    """What anyone can see of one atomic register: every read takes its value at some moment while it is under way."""
    writes = sorted(draw(st.lists(TIMES, min_size=1, max_size=8)))
    reads = []
    for _ in range(draw(st.integers(1, 12))):
        began, moment, ended = sorted(draw(st.tuples(TIMES, TIMES, TIMES)))
        revision = sum(written <= moment for written in writes)
        reads.append(read(began, ended, revision, process=draw(st.sampled_from((A, B)))))
    told = [Visible("event:1", number, at) for number, at in enumerate(writes, 1) if draw(st.booleans())]
    return reads, told


@given(register())
def test_a_correct_register_is_never_accused(history: tuple[list[Read], list[Visible]]):
    reads, told = history
    assert judge(reads, told) == []
    assert list(outdated(reads, told, window=1e-9)) == []
    everybody = list(went_back(reads, within=lambda _: None))
    assert everybody == []


@given(
    st.lists(st.builds(read, TIMES, TIMES, st.integers(0, 4), process=st.sampled_from((A, B)))),
    st.lists(st.builds(Visible, st.just("event:1"), st.integers(0, 4), TIMES)),
)
def test_it_finds_exactly_what_comparing_each_with_each_finds(reads: list[Read], told: list[Visible]):
    reads = [replace(each, began=min(each.began, each.ended), ended=max(each.began, each.ended)) for each in reads]
    back = [
        each for each in reads
        if any(o.process == each.process and o.ended < each.began and o.revision > each.revision for o in reads)
    ]  # fmt: skip
    seen = [(other.revision, other.ended) for other in reads] + [(other.revision, other.at) for other in told]
    old = [
        each for each in reads
        if any(revision > each.revision and each.began - at >= 1.0 for revision, at in seen)
    ]  # fmt: skip
    assert {*map(id, back)} == {id(violation.read) for violation in went_back(reads)}
    assert {*map(id, old)} == {id(violation.read) for violation in outdated(reads, told)}


@given(st.lists(st.integers(0, 3), min_size=1), st.data())
def test_a_register_with_one_old_answer_is_accused_of_it(steps: list[int], data: st.DataObject):
    """One reader after the other; one of them is shown what was true before what the one before it was shown."""
    values = list(accumulate(steps, initial=1))
    victim = data.draw(st.integers(1, len(values) - 1))
    shown = [*values[:victim], values[victim - 1] - 1, *values[victim + 1 :]]
    reads = [read(number, number + 0.5, value) for number, value in enumerate(shown)]
    assert reads[victim] in [violation.read for violation in went_back(reads)]
    assert list(unsettled(reads, {"event:1": values[-1]}, len(values) - 1)) == [] or victim == len(values) - 1
