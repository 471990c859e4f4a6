"""What a description leaves for the search index, whatever was written into it."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncer.rows import MAX_SEARCHED, plain


@pytest.mark.parametrize(
    ("html", "words"),
    [
        ("<p>Doors open</p><p>at 7</p>", ["Doors", "open", "at", "7"]),
        ("Rock &amp; Roll &#233;t&eacute;", ["Rock", "&", "Roll", "été"]),
        ("5 < 7 and 7 > 5", ["5", "<", "7", "and", "7", ">", "5"]),
        ("<![word[ a <b", ["<![word[", "a", "<b"]),
        ("<![if !supportLists]>Word<![endif]>", ["Word"]),
        ("<!-- hidden -->shown", ["shown"]),
        ("", []),
    ],
)
def test_words_are_found_between_the_tags(html, words):
    assert plain(html).split() == words


@pytest.mark.parametrize(
    "piece", ["<a ", "<", "<!--", "<a b=", "</", "&", "&#", "&#9", "<![", "<script>", "x>", '<a b="']
)
def test_a_hostile_description_holds_nobody_up(piece):
    html = piece * (MAX_SEARCHED // len(piece) + 1)
    began = time.perf_counter()
    plain(html)
    assert time.perf_counter() - began < 1


def test_a_number_that_is_no_character_is_no_error():
    assert plain(f"a &#{'9' * 5000}; &#x{'f' * 5000}; b").split()[0] == "a"


@given(st.text("<>!&#;[]-ax1 \x00", max_size=60))
def test_nothing_that_is_written_raises_or_leaves_a_nul(html):
    words = plain(html)
    assert "\x00" not in words
    assert words.encode().decode() == words
