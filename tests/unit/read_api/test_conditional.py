"""Entity tags and If-None-Match."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from read_api.conditional import coded_tag, entity_tag, held

TAG = entity_tag(17, "42:public:event")
OURS = {TAG: 17}
OTHERS = st.from_regex(r'(W/)?"[\x21\x23-\x7e]{0,10}"', fullmatch=True)


@given(st.integers(0, 2**63), st.text(max_size=50))
def test_a_tag_is_strong_and_well_formed(revision, identity):
    assert re.fullmatch(r'"[\x21\x23-\x7e]+"', entity_tag(revision, identity))


def test_a_tag_tells_revisions_and_documents_apart():
    assert len({entity_tag(1, "a"), entity_tag(2, "a"), entity_tag(1, "b"), entity_tag(1, "a")}) == 3


def test_each_coding_has_a_tag_of_its_own_and_the_plain_one_keeps_its():
    tags = [coded_tag(TAG, coding) for coding in ("identity", "gzip", "zstd")]
    assert tags[0] == TAG
    assert len(set(tags)) == 3
    assert held(f"{tags[2]}, {tags[1]}", {tag: tag for tag in tags}) == tags[2]


@given(st.lists(OTHERS), st.lists(OTHERS), st.booleans(), st.sampled_from([",", ", ", " ,\t", ",,", ", ,"]))
def test_a_tag_is_found_anywhere_in_a_list_weak_or_strong(before, after, weak, comma):
    mine = f"W/{TAG}" if weak else TAG
    assert held(comma.join([*before, mine, *after]), OURS) == 17
    assert held(comma + mine, OURS) == 17


@given(st.lists(OTHERS.filter(lambda tag: tag.removeprefix("W/") != TAG)))
def test_other_tags_do_not_match(others):
    assert held(", ".join(others), OURS) is None


def test_tags_may_hold_commas():
    assert held(f'"a,b", {TAG}', OURS) == 17
    assert held(f'"a,{TAG.strip(chr(34))},b"', OURS) is None


def test_a_star_matches_whatever_there_is():
    assert held(" * ", OURS) == 17


@pytest.mark.parametrize("header", ["", TAG.strip('"'), f"{TAG} x", f"x {TAG}", f'"a" {TAG}', f"w/{TAG}", f"*, {TAG}"])
def test_a_malformed_header_matches_nothing(header):
    assert held(header, OURS) is None


def test_a_header_longer_than_any_that_is_meant_matches_nothing():
    assert held(f"{'W/' + chr(34) * 2 + ',':s}" * 3000 + TAG, OURS) is None


@given(st.text(max_size=100))
def test_no_header_raises(header):
    assert held(header, OURS) in {17, None}
