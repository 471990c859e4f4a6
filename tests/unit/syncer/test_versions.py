"""Which sighting wins, and when only Shopify can tell."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from products import Product, Variant, at, by_read, by_webhook, many

from syncer import changes
from syncer.rules import Rules
from syncer.source import Level, SourceVersion, merge, missing, same
from syncer.versions import Known, KnownLevel, after, judge, judge_level

RULES = Rules()


def seen(change):
    return changes.sighting(change, RULES)


def known(change, deleted=False):
    sighting = seen(change)
    return Known(sighting.product, sighting.version, deleted)


def judged(before, change):
    sighting = seen(change)
    return judge(before, sighting.product, sighting.version, sighting.is_read)


READ = known(by_read(Product(updated=10), seen=12))
EDITED = Product(updated=10, title="Edited")


def test_what_was_never_seen_is_taken_and_what_a_webhook_leaves_out_is_read():
    verdict = judged(None, by_webhook(Product()))
    assert verdict.product is not None
    assert verdict.refetch == "tickets"


def test_what_was_never_seen_and_is_read_misses_nothing():
    assert judged(None, by_read(Product())).refetch is None


def test_a_newer_change_wins_over_an_older_one():
    verdict = judged(READ, by_webhook(replace(EDITED, updated=11)))
    assert verdict.product is not None
    assert verdict.product.title == "Edited"


@pytest.mark.parametrize("spelled", [by_webhook, by_read])
def test_an_older_change_is_stale_and_asks_for_nothing(spelled):
    assert judged(READ, spelled(replace(EDITED, updated=9), seen=99)) == (judged(READ, spelled(Product(updated=9))))
    assert judged(READ, spelled(replace(EDITED, updated=9), seen=99)).product is None
    assert judged(READ, spelled(replace(EDITED, updated=9), seen=99)).refetch is None


def test_a_late_retry_with_the_original_payload_does_not_win():
    retried = by_webhook(Product(updated=8, title="Original"), seen=8.2)
    assert judged(READ, retried).product is None


def test_a_duplicate_changes_nothing_and_asks_for_nothing():
    before = known(by_webhook(Product(updated=10), seen=10.3, variant_metafields=True))
    verdict = judged(before, by_webhook(Product(updated=10), seen=10.3, variant_metafields=True))
    assert (verdict.product, verdict.refetch) == (None, None)


def test_two_contents_of_one_second_tie_the_later_is_shown_and_shopify_is_asked():
    before = known(by_webhook(Product(updated=10), seen=10.1))
    later = judged(before, by_webhook(EDITED, seen=10.2))
    earlier = judged(before, by_webhook(EDITED, seen=10.0))
    assert later.product is not None
    assert (later.refetch, earlier.product, earlier.refetch) == ("tie", None, "tie")


def test_a_read_decides_a_tie_and_asks_no_more():
    before = known(by_webhook(Product(updated=10), seen=10.2))
    verdict = judged(before, by_read(EDITED, seen=10.3))
    assert verdict.product is not None
    assert (verdict.product.title, verdict.refetch) == ("Edited", None)


def test_a_read_that_began_before_what_is_known_was_seen_does_not_decide():
    before = known(by_webhook(Product(updated=10), seen=10.2))
    verdict = judged(before, by_read(EDITED, seen=10.1))
    assert (verdict.product, verdict.refetch) == (None, "tie")


def test_a_webhook_of_the_same_second_that_shows_nothing_new_may_be_about_what_it_cannot_show():
    verdict = judged(READ, by_webhook(Product(updated=10), seen=12.5))
    assert (verdict.product, verdict.refetch) == (None, "unseen")
    assert judged(READ, by_webhook(Product(updated=10), seen=11.5)).refetch is None


def test_a_webhook_never_resurrects_what_was_deleted_it_asks():
    grave = Known(None, SourceVersion(at(10), at(10)), deleted=True)
    assert judged(grave, by_webhook(Product(updated=9))) == judged(grave, by_webhook(Product(updated=10)))
    assert judged(grave, by_webhook(Product(updated=9))).refetch is None
    newer = judged(grave, by_webhook(Product(updated=11)))
    assert (newer.product, newer.refetch) == (None, "deleted")


def test_only_a_read_resurrects_and_only_a_newer_one():
    grave = Known(seen(by_read(Product())).product, SourceVersion(at(10), at(10)), deleted=True)
    assert judged(grave, by_read(Product(updated=10), seen=10)).product is None
    assert judged(grave, by_read(Product(updated=9), seen=99)).product is None
    assert judged(grave, by_read(Product(updated=10), seen=10.5)).product is not None


def test_a_read_that_began_after_something_is_newer_whatever_the_clocks_say():
    assert after(known=at(50), began=at(20)) > at(50)
    assert after(known=at(50), began=at(90)) == at(90)


STEPS = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(["A", "B", "C"]), st.integers(0, 9), st.booleans()), max_size=12
)


@given(STEPS)
def test_versions_only_grow_and_every_doubt_is_asked_about(steps):
    """Whatever arrives in whatever order: the row's version never falls, and a tie is never settled in silence."""
    row = None
    for updated, title, tenth, is_read in steps:
        product = Product(updated=updated, title=title)
        change = (by_read if is_read else by_webhook)(product, seen=updated + tenth / 10)
        sighting, verdict = seen(change), judged(row, change)
        if row is not None and verdict.product is not None:
            assert sighting.version > row.version
        tie = row is not None and sighting.version.updated_at == row.version.updated_at
        if tie and not same(row.product, merge(row.product, sighting.product)):
            assert verdict.refetch or is_read
        if verdict.product is not None:
            row = Known(verdict.product, sighting.version, deleted=False)


# Levels


def judged_level(before, available, updated, seen_at, is_read=False):
    return judge_level(before, _level(available, updated), SourceVersion(at(updated), at(seen_at)), is_read)


def _level(available, updated):
    return Level(location_id=1, available=available, updated_at=at(updated))


STOCK = KnownLevel(5, SourceVersion(at(10), at(10.5)))


@pytest.mark.parametrize(
    ("available", "updated", "seen_at", "is_read", "expected"),
    [
        (4, 11, 0, False, (True, False)),  # newer
        (4, 9, 99, False, (False, False)),  # older
        (4, 9, 99, True, (False, False)),
        (5, 10, 10.5, False, (False, False)),  # a duplicate
        (5, 10, 10.9, False, (False, False)),
        (4, 10, 10.6, False, (True, True)),  # a tie, seen later: shown, and asked about
        (4, 10, 10.4, False, (False, True)),  # a tie, seen earlier
        (4, 10, 10.6, True, (True, False)),  # a read decides
        (4, 10, 10.4, True, (False, True)),  # not one that began earlier
        (5, 10, 10.6, True, (True, False)),  # committed and on_hand come with it
        (None, 10, 10.6, False, (True, True)),
    ],
)
def test_levels_are_judged_like_products(available, updated, seen_at, is_read, expected):
    assert judged_level(STOCK, available, updated, seen_at, is_read) == expected


def test_a_level_never_seen_is_taken():
    assert judged_level(None, 1, 0, 0) == (True, False)


# What is known together


def product_of(change):
    return seen(change).product


def test_merging_carries_over_what_a_webhook_cannot_say():
    whole = Product(
        updated=1, metafields={"event.subtitle": "S"}, variants=(Variant(metafields={"ticket.type": "vip"}),)
    )
    before = product_of(by_read(whole))
    merged = merge(before, product_of(by_webhook(replace(whole, updated=2, title="New"), metafields=False)))
    assert merged.title == "New"
    assert merged.metafields == {"event.subtitle": "S"}
    assert merged.variants[0].metafields == {"ticket.type": "vip"}
    assert merged.variants[0].tracked is True
    assert missing(merged) is None


def test_a_variant_that_was_edited_since_it_was_read_has_to_be_read_again():
    before = product_of(by_read(Product()))
    merged = merge(before, product_of(by_webhook(Product(updated=5, variants=(Variant(updated=5, price="30.00"),)))))
    assert str(merged.variants[0].price) == "30.00"
    assert missing(merged) == "tickets"


def test_variants_beyond_the_hundredth_are_carried_over_while_their_times_stand():
    before = product_of(by_read(Product(variants=many(150)), seen=1))
    merged = merge(before, product_of(by_webhook(Product(updated=5, variants=many(150)))))
    assert len(merged.variants) == 150
    assert missing(merged) is None


def test_a_variant_beyond_the_hundredth_that_was_edited_is_missing_until_it_is_read():
    before = product_of(by_read(Product(variants=many(150))))
    edited = (*many(149), replace(many(150)[149], updated=5))
    merged = merge(before, product_of(by_webhook(Product(updated=5, variants=edited))))
    assert len(merged.variants) == 149
    assert missing(merged) == "variants"


def test_a_variant_of_which_only_the_id_was_said_is_kept_and_read():
    before = product_of(by_read(Product(variants=many(101))))
    gids = [{"admin_graphql_api_id": f"gid://shopify/ProductVariant/{each.id}"} for each in many(101)]
    change = by_webhook(Product(updated=5, variants=many(101)), gids=False, variant_gids=gids)
    merged = merge(before, product_of(change))
    assert len(merged.variants) == 101
    assert missing(merged) == "tickets"


def test_a_ticket_that_was_read_within_the_second_of_its_last_edit_is_read_again():
    """Another edit in that second, told too late, would leave its time as it is."""
    before = product_of(by_read(Product(), seen=0.9))
    assert missing(before) is None
    assert missing(merge(before, product_of(by_webhook(Product(updated=5))))) == "tickets"


def test_a_variant_that_is_gone_is_gone():
    before = product_of(by_read(Product(variants=many(3)), seen=1))
    merged = merge(before, product_of(by_webhook(Product(updated=5, variants=many(2)))))
    assert [each.id for each in merged.variants] == [each.id for each in many(2)]
    assert missing(merged) is None


def test_a_full_body_without_the_list_of_ids_drops_nothing_and_is_incomplete():
    before = product_of(by_read(Product(variants=many(120))))
    merged = merge(before, product_of(by_webhook(Product(updated=5, variants=many(120)), gids=False)))
    assert len(merged.variants) == 120
    assert missing(merged) == "variants"


def test_a_first_webhook_without_metafields_misses_them():
    assert missing(product_of(by_webhook(Product(), metafields=False))) == "metafields"


def test_what_a_read_says_stands_whole():
    before = product_of(by_webhook(Product(variants=many(5), metafields={"event.subtitle": "old"})))
    read = product_of(by_read(Product(updated=1, variants=many(2))))
    assert merge(before, read) == read


@given(st.permutations(list(range(6))))
def test_tickets_keep_shopifys_order_however_a_body_lists_them(order):
    variants = many(6)
    shuffled = tuple(variants[place] for place in order)
    merged = merge(
        product_of(by_read(Product(variants=variants))), product_of(by_webhook(Product(updated=1, variants=shuffled)))
    )
    assert [each.position for each in merged.variants] == [1, 2, 3, 4, 5, 6]


def test_stock_and_the_time_it_was_whole_are_no_part_of_what_a_product_says():
    before = product_of(by_read(Product()))
    merged = merge(before, product_of(by_webhook(Product(variants=(Variant(quantity=3),)))))
    assert same(before, merged)
    assert not same(before, merged.model_copy(update={"title": "Other"}))
