"""Questions and their one spelling."""

from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from read_api.audience import Audience
from read_api.cursor import InvalidCursor, Position
from read_api.parameters import ListParameters, ManageListParameters, Question, Sort, ask

WORDS = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=20)
ZONES = st.sampled_from([UTC, timezone(timedelta(hours=-7))])
INSTANTS = st.builds(datetime.fromtimestamp, st.integers(0, 4_000_000_000), ZONES)
ASKED = st.fixed_dictionaries(
    {},
    optional={
        "category": WORDS,
        "tag": WORDS,
        "city": WORDS,
        "q": WORDS,
        "starts_after": INSTANTS.map(datetime.isoformat),
        "starts_before": INSTANTS.map(datetime.isoformat),
        "available": st.sampled_from(["true", "false"]),
        "sort": st.sampled_from(list(Sort)).map(str),
        "limit": st.integers(1, 250).map(str),
    },
)


def public(**asked: str) -> Question:
    return ask(Audience.PUBLIC, ListParameters.model_validate(asked))


@given(ASKED)
def test_the_canonical_spelling_asks_the_same_question(asked):
    question = public(**asked)
    again = public(**dict(parse_qsl(question.query(None))))
    assert (again, again.name) == (question, question.name)


@given(ASKED, ASKED)
def test_different_questions_have_different_names(one, other):
    first, second = public(**one), public(**other)
    assert (first == second) == (first.name == second.name)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {"limit": "50", "sort": "starts_at"}),
        ({"available": "1"}, {"available": "true"}),
        ({"starts_after": "2026-12-01T20:00:00+01:00"}, {"starts_after": "2026-12-01T19:00:00.000z"}),
        ({"q": "  Jazz   NIGHT "}, {"q": "jazz night"}),
        ({"category": " music "}, {"category": "music"}),
    ],
)
def test_equal_questions_have_one_name(one, other):
    assert public(**one).name == public(**other).name


def test_the_audiences_never_share_a_name():
    organizer = ask(Audience.ORGANIZER, ManageListParameters())
    assert organizer.name != public().name


@given(ASKED, ASKED, st.integers(1, 2**63 - 1))
def test_a_cursor_belongs_to_its_filters_and_its_sort(one, other, row):
    mine, theirs = public(**one), public(**other)
    place = "x" if mine.parameters.sort.by == "title" else datetime(2026, 1, 1, tzinfo=UTC)
    cursor = mine.next_cursor(Position(place, row))
    same = {k: v for k, v in one.items() if k != "limit"} == {k: v for k, v in other.items() if k != "limit"}
    if same or mine.query(None).replace(f"limit={mine.parameters.limit}", "") == theirs.query(None).replace(
        f"limit={theirs.parameters.limit}", ""
    ):
        assert public(**other, cursor=cursor).after == Position(place, row)
        return
    with pytest.raises(InvalidCursor):
        public(**other, cursor=cursor)


def test_a_cursor_of_organizers_is_none_of_the_public():
    cursor = ask(Audience.ORGANIZER, ManageListParameters()).next_cursor(Position(None, 1))
    with pytest.raises(InvalidCursor):
        public(cursor=cursor)


@pytest.mark.parametrize("asked", [{"sort": "updated_at"}, {"starts_after": "2026-01-01T00:00:00Z"}])
def test_a_cursor_without_a_start_needs_a_list_that_has_such_events(asked):
    cursor = public(**asked).next_cursor(Position(None, 1))
    with pytest.raises(InvalidCursor):
        public(**asked, cursor=cursor)


@pytest.mark.parametrize(
    "asked",
    [
        {"colour": "blue"},
        {"status": "draft"},
        {"limit": "0"},
        {"limit": "251"},
        {"limit": "many"},
        {"sort": "price"},
        {"sort": ""},
        {"category": ""},
        {"category": "   "},
        {"tag": "a\0b"},
        {"city": "x" * 256},
        {"q": "x" * 201},
        {"q": "a\x1fb\x7f"},
        {"available": "perhaps"},
        {"starts_after": "2026-12-01"},
        {"starts_after": "2026-12-01T19:00:00"},
        {"starts_after": "1767225600"},
        {"starts_after": "2026-12-01T19:00:00 02:00"},
        {"starts_after": "2026-13-01T19:00:00Z"},
        {"starts_after": "9999-12-31T23:59:59-14:00"},
        {"starts_before": "0001-01-01T00:00:00+14:00"},
        {"cursor": ""},
    ],
)
def test_what_is_not_understood_is_refused(asked):
    with pytest.raises(ValidationError):
        ListParameters.model_validate(asked)


def test_organizers_ask_for_a_status():
    assert ask(Audience.ORGANIZER, ManageListParameters(status="draft")).status == "draft"


@given(st.dictionaries(st.sampled_from(list(ListParameters.model_fields)), st.text(max_size=40)))
def test_any_query_string_is_a_question_or_is_refused(asked):
    try:
        question = public(**asked)
    except (ValidationError, InvalidCursor):
        return
    assert question.name
