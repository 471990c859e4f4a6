"""If-Match is read as RFC 9110 has it, Prefer as RFC 7240 has it, and a cursor belongs to its question."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from writer.api import conditions, cursors, preferences
from writer.api.conditions import Condition, InvalidCondition


@pytest.mark.parametrize(
    ("header", "revisions"),
    [
        ('"17-3f2a9c01b7de"', {17}),
        ('"17"', {17}),
        ('"17-3f2a-gzip", W/"18-a","19-b"', {17, 19}),
        ('"x-17", "0-a", "017-a", "-1"', set()),
        (' "17-a" ,, "18-b" ,', {17, 18}),
    ],
)
def test_the_revision_stands_in_front_and_weak_tags_dont_match(header, revisions):
    assert conditions.parse(header) == Condition(frozenset(revisions))


def test_a_star_is_anything():
    found = conditions.parse("*")
    assert found is not None
    assert found.holds(1)
    assert found.holds(None)
    assert not Condition(frozenset({2})).holds(None)


@pytest.mark.parametrize("header", ["", " ", "17", '"17', '"17" "18"', 'w/"17"', "*,*", '"1"' * 4000])
def test_what_is_no_list_of_tags_is_named(header):
    with pytest.raises(InvalidCondition):
        conditions.parse(header)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("wait=10", 10),
        ("respond-async, wait=5", 5),
        ('foo="a, wait=3"; bar, Wait = "7"', 7),
        ("wait=100", 30),
        ("wait=0", 0),
        ("wait=1, wait=2", 1),
        (", ,wait=2", 2),
        ("wait", None),
        ("wait=-1", None),
        ("wait=1.5", None),
        ("waiting=1", None),
        ("", None),
        (None, None),
        ('"', None),
        ("a," * 600 + "wait=1", None),
    ],
)
def test_a_wait_is_found_among_preferences(header, seconds):
    assert preferences.wait(header) == seconds


@given(st.text(max_size=200))
def test_nothing_that_is_sent_breaks_the_reading(text):
    preferences.wait(text)
    try:
        conditions.parse(text)
    except InvalidCondition:
        return


@given(st.integers(1, cursors.MAX_SEQ), st.text(max_size=20), st.text(max_size=20))
def test_a_cursor_belongs_to_its_question(seq, question, other):
    cursor = cursors.encode(question, seq)
    assert len(cursor) <= cursors.MAX_LENGTH
    assert cursors.decode(question, cursor) == seq
    if other != question:
        with pytest.raises(cursors.InvalidCursor):
            cursors.decode(other, cursor)


@given(st.text(max_size=128))
def test_no_other_text_is_a_cursor(text):
    with pytest.raises(cursors.InvalidCursor):
        cursors.decode("q", text)
