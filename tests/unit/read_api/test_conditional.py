"""Entity tags and If-None-Match."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from read_api.conditional import entity_tag, is_current

TAG = entity_tag(17, "42:public:event")
OTHERS = st.from_regex(r'(W/)?"[\x21\x23-\x7e]{0,10}"', fullmatch=True)


@given(st.integers(0, 2**63), st.text(max_size=50))
def test_a_tag_is_strong_and_well_formed(revision, identity):
    assert re.fullmatch(r'"[\x21\x23-\x7e]+"', entity_tag(revision, identity))


def test_a_tag_tells_revisions_and_documents_apart():
    assert len({entity_tag(1, "a"), entity_tag(2, "a"), entity_tag(1, "b"), entity_tag(1, "a")}) == 3


@given(st.lists(OTHERS), st.lists(OTHERS), st.booleans(), st.sampled_from([",", ", ", " ,\t", ",,", ", ,"]))
def test_a_tag_is_found_anywhere_in_a_list_weak_or_strong(before, after, weak, comma):
    mine = f"W/{TAG}" if weak else TAG
    assert is_current([comma.join([*before, mine, *after])], TAG)


@given(st.lists(OTHERS.filter(lambda tag: tag.removeprefix("W/") != TAG)))
def test_other_tags_do_not_match(others):
    assert not is_current([", ".join(others)], TAG)


def test_tags_may_hold_commas_and_come_in_several_lines():
    assert is_current(['"a,b"', TAG], TAG)
    assert not is_current([f'"a,{TAG.strip(chr(34))},b"'], TAG)


def test_a_star_matches_whatever_there_is():
    assert is_current([" * "], TAG)


@pytest.mark.parametrize("header", ["", TAG.strip('"'), f"{TAG} x", f"x {TAG}", f'"a" {TAG}', f"w/{TAG}", f"*, {TAG}"])
def test_a_malformed_header_matches_nothing(header):
    assert not is_current([header], TAG)


def test_no_header_matches_nothing():
    assert not is_current([], TAG)


@given(st.text(max_size=100))
def test_no_header_raises(header):
    assert is_current([header], TAG) in {True, False}
