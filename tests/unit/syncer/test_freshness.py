"""How old what was read is, is judged by Shopify's clock, to the second."""

from datetime import timedelta

import pytest
from products import Product, Variant, at, node

from shared.shopify.envelope import Answer, Postmark
from shared.shopify.products import their_clock
from syncer.reconcile.freshness import settles_at


@pytest.mark.parametrize("ahead", [0, 90, -3600])
def test_a_read_is_dated_by_shopifys_clock(ahead):
    arrived = at(12.5)
    answer = Answer({}, None, at(10.0), (), Postmark(arrived, arrived + timedelta(seconds=ahead), None))
    assert their_clock(answer) == at(10.0 + ahead)


@pytest.mark.parametrize("postmark", [None, Postmark(at(12), None, None)])
def test_an_answer_without_a_date_is_dated_by_ours(postmark):
    assert their_clock(Answer({}, None, at(10.0), (), postmark)) == at(10.0)


def test_a_product_has_settled_when_its_second_is_over_and_the_grace_as_well():
    assert settles_at(node(Product(updated=7)), 30.0) == at(7 + 1 + 30)


def test_stock_is_younger_than_its_product_where_it_was_sold_since():
    sold = Product(updated=7, variants=(Variant(levels_updated=90),))
    assert settles_at(node(sold), 30.0) == at(90 + 1 + 30)
