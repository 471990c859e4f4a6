"""The place in a list, as text."""

import base64
from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from read_api.cursor import MAX_ID, MAX_LENGTH, InvalidCursor, Position, decode, encode

IDS = st.integers(1, MAX_ID)
TITLES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=255)
INSTANTS = st.none() | st.datetimes(timezones=st.just(UTC))


@given(st.text(), TITLES, IDS)
def test_a_cursor_names_the_row_it_was_made_of(question, title, row):
    assert decode(question, encode(question, Position(title, row)), timed=False) == Position(title, row)


@given(st.text(), INSTANTS, IDS)
def test_a_cursor_keeps_the_microsecond_and_the_unknown(question, instant, row):
    assert decode(question, encode(question, Position(instant, row)), timed=True) == Position(instant, row)


@given(TITLES, IDS)
def test_a_cursor_fits_in_a_url(title, row):
    cursor = encode("?", Position(title, row))
    assert len(cursor) <= MAX_LENGTH
    assert set(cursor) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@given(st.text(), st.text(), IDS)
def test_a_cursor_of_another_question_is_refused(mine, other, row):
    if mine == other:
        return
    with pytest.raises(InvalidCursor):
        decode(other, encode(mine, Position("x", row)), timed=False)


@given(st.text(max_size=200), st.booleans())
def test_any_text_is_a_cursor_or_is_refused_and_nothing_else_happens(text, timed):
    with pytest.raises(InvalidCursor):
        decode("?", text, timed=timed)


@given(st.data())
def test_a_changed_cursor_is_refused_or_is_the_one_spelling_of_another_row(data):
    cursor = encode("?", Position("Jazz Night", 42))
    at = data.draw(st.integers(0, len(cursor) - 1))
    changed = cursor[:at] + data.draw(st.sampled_from("AZaz09-_=+/ ")) + cursor[at + 1 :]
    try:
        position = decode("?", changed, timed=False)
    except InvalidCursor:
        return
    assert encode("?", position) == changed


def forged(*parts: object) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(parts)).rstrip(b"=").decode()


DIGEST = orjson.loads(base64.urlsafe_b64decode(encode("?", Position("x", 1)) + "=="))[0]


@pytest.mark.parametrize(
    "cursor",
    [
        forged(DIGEST, "x", "0"),
        forged(DIGEST, "x", "-1"),
        forged(DIGEST, "x", str(2**63)),
        forged(DIGEST, "x", "1" * 3000),
        forged(DIGEST, "x", " 1"),
        forged(DIGEST, "x", 1),
        forged(DIGEST, "x", "1", "more"),
        forged(DIGEST, "\0", "1"),
        forged(DIGEST, None, "1"),
        forged(DIGEST, 5, "1"),
        forged(DIGEST, ["x"], "1"),
        forged("0000000000000000", "x", "1"),
        base64.urlsafe_b64encode(b'["%b","\\ud800","1"]' % DIGEST.encode()).rstrip(b"=").decode(),
        encode("?", Position("x", 1)) + "=",
        encode("?", Position("x", 1)) + "\n",
        "",
        "é",
    ],
)
def test_a_forged_cursor_is_refused(cursor):
    with pytest.raises(InvalidCursor):
        decode("?", cursor, timed=False)


@pytest.mark.parametrize("place", ["2026-01-01T00:00:00", "2026-01-01", "0001-01-01T00:00:00+14:00", "soon"])
def test_an_instant_has_one_spelling(place):
    with pytest.raises(InvalidCursor):
        decode("?", forged(DIGEST, place, "1"), timed=True)


def test_an_instant_of_another_zone_is_the_same_place():
    berlin = datetime.fromisoformat("2026-12-01T20:00:00+01:00")
    assert encode("?", Position(berlin, 1)) == encode("?", Position(berlin.astimezone(UTC), 1))
