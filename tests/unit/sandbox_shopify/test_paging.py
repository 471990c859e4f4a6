"""Cursor pages: complete, in order, and honest about what moves between them."""

from dataclasses import dataclass

import pytest
from graphql import GraphQLError
from hypothesis import given
from hypothesis import strategies as st

from sandbox.shopify.paging import Order, page


@dataclass
class Row:
    id: int
    value: int


ORDER = Order(lambda row: row.value, lambda row: row.id)


@given(
    values=st.lists(st.integers(0, 5), max_size=40),
    size=st.integers(1, 7),
    reverse=st.booleans(),
)
def test_pages_joined_are_the_whole_list_in_order(values, size, reverse):
    rows = [Row(number, value) for number, value in enumerate(values)]
    seen, after = [], None
    while True:
        found = page(rows, ORDER, first=size, after=after, reverse=reverse)
        seen += found.nodes
        if not found.page_info.has_next_page:
            break
        after = found.page_info.end_cursor
    assert seen == sorted(rows, key=ORDER.key, reverse=reverse)


def test_last_and_before_page_backwards():
    rows = [Row(number, number) for number in range(10)]
    end = page(rows, ORDER, last=3)
    assert [row.id for row in end.nodes] == [7, 8, 9]
    assert end.page_info.has_previous_page
    earlier = page(rows, ORDER, last=3, before=end.page_info.start_cursor)
    assert [row.id for row in earlier.nodes] == [4, 5, 6]
    assert earlier.page_info.has_next_page


def test_what_is_updated_while_paging_is_seen_twice_and_never_lost():
    rows = [Row(number, number) for number in range(4)]
    first = page(rows, ORDER, first=2)
    rows[0].value = 100
    rest = page(rows, ORDER, first=10, after=first.page_info.end_cursor)
    assert [row.id for row in rest.nodes] == [2, 3, 0]


@pytest.mark.parametrize(
    ("window", "message"),
    [
        ({}, "you must provide one of first or last"),
        ({"first": 1, "last": 1}, "providing both first and last is not supported"),
        ({"first": 251}, "first must be between 0 and 250"),
        ({"first": 1, "after": "%%"}, "Invalid cursor: '%%'."),
    ],
)
def test_a_window_that_shopify_refuses_is_refused(window, message):
    with pytest.raises(GraphQLError, match=message.replace("%", "%")):
        page([], ORDER, **window)
