"""All ids, cut into ranges: none is left out, none comes twice."""

from bisect import bisect_right
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from syncer.export.ranges import Range, cut, probes

IDS = st.lists(st.integers(1, 2**62), min_size=1, max_size=200, unique=True).map(sorted)


def ranges_of(ids: list[int], parts: int, number: int = 7) -> list[Range]:
    low, high = ids[0], ids[-1]
    counted = [(probe, bisect_right(ids, probe)) for probe in probes(low, high, number)]
    return cut(parts, low, high, counted, len(ids))


@given(IDS, st.integers(1, 5))
def test_ranges_follow_each_other_without_a_gap(ids, parts):
    ranges = ranges_of(ids, parts)
    assert 1 <= len(ranges) <= parts
    assert (ranges[0].low, ranges[-1].high) == (None, None)  # who is created, or comes to light, belongs to one, too
    assert all(left.high is not None and right.low == left.high + 1 for left, right in pairwise(ranges))


def test_even_ids_are_cut_evenly_and_lumps_as_well_as_the_probes_tell():
    ids = list(range(1000, 4000))
    assert [each.terms() for each in ranges_of(ids, 3)] == ["id:<=1999", "id:>=2000 AND id:<=2999", "id:>=3000"]
    lumps = [*range(1, 101), *range(10**6, 10**6 + 800, 8), *range(10**6 + 800, 10**6 + 900)]
    shares = [sum(1 for id_ in lumps if (each.low or 0) <= id_ <= (each.high or 2**63)) for each in ranges_of(lumps, 2)]
    assert min(shares) >= 100


def test_all_products_are_asked_for_without_a_search_whose_index_lags():
    assert Range().argument() == ""
    assert Range(5, 9).argument() == '(query: "id:>=5 AND id:<=9")'
    assert str(Range(None, 9)) == "products from the first to 9"
