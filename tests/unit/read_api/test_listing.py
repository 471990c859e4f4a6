"""The SQL of a list is put together from queries.sql and from nothing else."""

import re

from hypothesis import given
from hypothesis import strategies as st

from read_api.audience import Audience
from read_api.cursor import Position
from read_api.listing import SQL, numbered, page_query
from read_api.parameters import ListParameters, ManageListParameters, Sort, ask

TEXTS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=30)
WORDS_OF_OURS = {"item", "starts_at", "title", "COLLATE", "C", "listed_at", "ASC", "DESC", *map(str, range(1, 20))}
ASKED = st.builds(
    ListParameters,
    category=st.none() | TEXTS,
    tag=st.none() | TEXTS,
    city=st.none() | TEXTS,
    q=st.none() | TEXTS,
    available=st.none() | st.booleans(),
    sort=st.sampled_from(Sort),
)


@given(ASKED)
def test_what_was_asked_travels_as_parameters_only(asked):
    text, arguments = page_query(ask(Audience.PUBLIC, asked))
    used = {int(number) for number in re.findall(r"\$(\d+)", text)}
    assert used == set(range(1, len(arguments) + 1))
    for name in ("category", "tag", "city", "q"):
        value = getattr(asked, name)
        assert value is None or value in arguments
    pieces = " ".join(vars(SQL).values())
    assert set(re.findall(r"\w+", text)) <= set(re.findall(r"\w+", pieces)) | WORDS_OF_OURS


@given(ASKED)
def test_anonymous_readers_are_always_confined_to_active_events(asked):
    text, _ = page_query(ask(Audience.PUBLIC, asked))
    parts = text.split("UNION ALL")
    assert all(SQL.is_public in part for part in parts)
    assert "manage" not in text


def test_organizers_see_every_living_event():
    text, _ = page_query(ask(Audience.ORGANIZER, ManageListParameters()))
    assert "manage_item" in text
    assert "'active'" not in text
    assert "deleted_at IS NULL" in text


def test_a_page_after_the_last_dated_event_reads_the_undated_ones_only():
    first = ask(Audience.PUBLIC, ListParameters())
    then = ask(Audience.PUBLIC, ListParameters(cursor=first.next_cursor(Position(None, 5))))
    text, arguments = page_query(then)
    assert "starts_at IS NOT NULL" not in text
    assert 5 in arguments


def test_a_cast_is_no_parameter():
    assert numbered("SELECT :a::text, :b, :a", {"a": 1, "b": 2}) == ("SELECT $1::text, $2, $1", [1, 2])
