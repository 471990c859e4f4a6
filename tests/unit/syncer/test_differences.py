"""What a drift report says: each field once, as users see it, with the likely cause and since when."""

from dataclasses import replace
from decimal import Decimal

import pytest
from products import ITEM, VARIANT, Product, Variant, at, by_read, many

from syncer import changes
from syncer.projections import Event, Facts, Stock, project
from syncer.reconcile.differences import Repair, differences, judge
from syncer.rules import Rules
from syncer.source import SourceVersion


def event(product: Product | None = None, **observed: int) -> Event:
    seen = changes.sighting(by_read(product or Product()), Rules())
    stock = {
        item: tuple(
            Stock(level.location_id, level.available, level.committed, level.on_hand)
            for level in levels
            if level.available is not None
        )
        for item, levels in seen.levels.items()
    }
    return project(seen.product, Facts(stock, observed or {}, "EUR"), Rules(), complete=True)


def named(before, after):
    return {(each.ticket_id, each.field): (each.ours, each.theirs) for each in differences(before, after)}


def version(updated: float, seen: float | None = None) -> SourceVersion:
    return SourceVersion(at(updated), at(updated if seen is None else seen))


def cause(before, after, known, seen, *, complete=True, stock=None):
    repair = Repair(1, before, after, known, seen, complete, stock or {})
    return {judge(repair, each).cause for each in differences(before, after)}


def test_equal_events_differ_in_nothing():
    assert differences(event(), event()) == []


def test_a_later_updated_at_alone_is_no_difference():
    assert differences(event(), event(Product(updated=50))) == []


def test_every_edited_field_is_named_once_with_both_values():
    before = event(Product(metafields={"event.venue_city": "Berlin", "event.starts_at": "2026-12-01T19:00:00+01:00"}))
    after = event(
        Product(
            title="Late Jazz",
            tags=("late",),
            images=(("https://cdn.example/c.jpg", None),),
            metafields={"event.venue_city": "Hamburg", "event.starts_at": "2026-12-02T19:00:00+01:00"},
        )
    )
    found = named(before, after)
    assert found.keys() == {(None, name) for name in ("title", "tags", "images", "venue.city", "starts_at")}
    assert found[None, "title"] == ("Jazz Night", "Late Jazz")
    assert found[None, "venue.city"] == ("Berlin", "Hamburg")
    assert found[None, "starts_at"] == ("2026-12-01T18:00:00Z", "2026-12-02T18:00:00Z")


def test_a_price_is_the_tickets_difference_and_not_the_ranges_as_well():
    found = named(event(), event(Product(variants=(Variant(price="30.00"),))))
    assert found == {(VARIANT, "price"): ("25.00", "30.00")}


def test_a_lost_sale_is_one_difference():
    sold = Product(variants=(Variant(levels={1: (93, 0, 93)}, quantity=93),))
    before = event(Product(variants=(Variant(levels={1: (100, 0, 100)}),)))
    assert named(before, event(sold)) == {(VARIANT, "available"): (100, 93)}


def test_selling_out_is_told_by_the_number_not_by_the_words_that_follow_from_it():
    before = event(Product(variants=(Variant(levels={1: (1, 0, 1)}, quantity=1),)))
    after = event(Product(variants=(Variant(levels={1: (0, 0, 0)}, quantity=0),)))
    assert named(before, after).keys() == {(VARIANT, "available")}


def test_stock_that_moved_to_another_location_is_a_difference_of_locations():
    before = event(Product(variants=(Variant(levels={1: (60, 0, 60), 2: (40, 0, 40)}),)))
    after = event(Product(variants=(Variant(levels={1: (50, 0, 50), 2: (50, 0, 50)}),)))
    assert named(before, after).keys() == {(VARIANT, "locations")}


def test_what_no_webhook_says_of_stock_is_not_wrong_while_it_is_unknown():
    after = event(Product(variants=(Variant(levels={1: (100, 7, 107)}),)))
    [ticket] = after.tickets
    unsaid = replace(ticket, locations=(Stock(1, 100, None, None),))
    assert differences(replace(after, tickets=(unsaid,)), after) == []


def test_what_was_known_of_committed_stock_and_is_another_differs():
    before = event(Product(variants=(Variant(levels={1: (100, 7, 107)}),)))
    after = event(Product(variants=(Variant(levels={1: (100, 9, 109)}),)))
    assert named(before, after).keys() == {(VARIANT, "locations")}


def test_a_ticket_that_oversells_now_is_a_difference_in_availability():
    before = event(Product(variants=(Variant(levels={1: (0, 0, 0)}, quantity=0),)))
    after = event(Product(variants=(Variant(levels={1: (0, 0, 0)}, quantity=0, oversells=True),)))
    assert named(before, after) == {(VARIANT, "availability"): ("sold_out", "available")}


def test_a_capacity_that_was_set_is_named_and_one_that_was_observed_is_not():
    set_to = event(Product(variants=(Variant(metafields={"ticket.capacity": "500"}),)))
    assert named(event(), set_to) == {(VARIANT, "capacity"): (100, 500)}


def test_tickets_that_are_missing_or_extra_are_named_by_their_ids():
    assert named(event(Product(variants=many(2))), event(Product(variants=many(3)))) == {
        (VARIANT + 2, "tickets"): (None, "Row 2")
    }
    assert named(event(Product(variants=many(2))), event(Product(variants=many(1)))) == {
        (VARIANT + 1, "tickets"): ("Row 1", None)
    }


def test_an_event_that_one_side_lacks_is_one_difference():
    assert named(None, event()) == {(None, "event"): (None, "Jazz Night")}
    assert named(event(), None) == {(None, "event"): ("Jazz Night", None)}
    assert differences(None, None) == []


# Causes


def test_something_newer_in_shopify_was_missed():
    assert cause(event(), event(Product(title="X")), version(0), version(9)) == {"missed"}


def test_other_contents_of_one_second_tie():
    assert cause(event(), event(Product(title="X")), version(0, 0.2), version(0, 40)) == {"tie"}


def test_what_was_incomplete_was_truncated():
    before, after = event(Product(variants=many(2))), event(Product(variants=many(3)))
    assert cause(before, after, version(0, 0.2), version(0, 40), complete=False) == {"truncated"}


def test_of_an_incomplete_event_a_newer_title_was_missed_and_a_ticket_truncated():
    before, after = event(Product(variants=many(1))), event(Product(title="X", variants=many(2)))
    repair = Repair(1, before, after, version(0), version(9), complete=False)
    found = {each.field: judge(repair, each).cause for each in differences(before, after)}
    assert found == {"title": "missed", "tickets": "truncated"}


@pytest.mark.parametrize(("known", "seen", "expected"), [(0, 30, "missed"), (30, 30, "tie"), (None, 30, "missed")])
def test_stock_is_judged_by_the_versions_of_its_own_levels(known, seen, expected):
    before = event(Product(variants=(Variant(levels={1: (100, 0, 100)}),)))
    after = event(Product(variants=(Variant(levels={1: (90, 0, 90)}, quantity=90),)))
    levels = {ITEM: (None if known is None else version(known), version(seen, 40))}
    repair = Repair(1, before, after, version(0), version(0, 40), stock=levels)
    [difference] = differences(before, after)
    judged = judge(repair, difference)
    assert (judged.cause, judged.is_stock, judged.theirs_at) == (expected, True, at(seen))


def test_stock_that_is_tracked_no_more_is_told_by_the_product_and_no_tie_of_levels():
    before = event(Product(variants=(Variant(levels={1: (100, 0, 100)}),)))
    after = event(Product(variants=(Variant(levels={1: (100, 0, 100)}, tracked=False),)))
    levels = {ITEM: (version(3), version(3, 40))}
    repair = Repair(1, before, after, version(10), version(30, 40), stock=levels)
    found = {each.field: judge(repair, each) for each in differences(before, after)}
    assert (found["available"].cause, found["available"].since) == ("missed", at(30))


def test_ours_is_wrong_since_shopify_had_what_we_did_not():
    before, after = event(), event(Product(title="X"))
    [difference] = differences(before, after)
    assert judge(Repair(1, before, after, version(0), version(9, 40)), difference).since == at(9)


def test_an_event_that_we_never_had_is_missing_since_it_was_created():
    after = event(Product(created=-100, updated=5))
    [difference] = differences(None, after)
    assert judge(Repair(1, None, after, None, version(5, 40)), difference).since == at(-100)


def test_a_webhook_up_to_the_moment_when_we_looked_would_have_told_of_a_deletion():
    before = event()
    [difference] = differences(before, None)
    judged = judge(Repair(1, before, None, version(0), version(0, 40)), difference)
    assert (judged.since, judged.ours_at, judged.theirs_at) == (None, at(0), at(40))


def test_money_and_lists_are_plain_json():
    after = event(Product(tags=("a", "b"), variants=(Variant(compare_at_price="50.00"),)))
    found = named(event(), after)
    assert found[None, "tags"] == (["jazz", "live"], ["a", "b"])
    assert found[VARIANT, "compare_at_price"] == (None, "50.00")
    assert after.tickets[0].compare_at_price == Decimal("50.00")
