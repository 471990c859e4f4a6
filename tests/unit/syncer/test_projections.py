"""What readers shall see of a product and its stock: derived, never counted, never guessed."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import products
import pytest
from hypothesis import given
from hypothesis import strategies as st
from products import ITEM, VARIANT, Product, Variant, by_read, by_webhook, many

from syncer import changes
from syncer.projections import INTEGER, Facts, Stock, project
from syncer.rules import Rules

RULES = Rules()
COUNTED = (INTEGER[0], INTEGER[-1])


def projected(product=None, *, stock=None, observed=None, rules=RULES, change=by_read):
    """The event; its stock by location is `stock`, or what the read said."""
    seen = changes.sighting(change(product or Product()), rules)
    by_item = {
        item: tuple(
            Stock(level.location_id, level.available, level.committed, level.on_hand)
            for level in levels
            if level.available is not None
        )
        for item, levels in seen.levels.items()
    }
    return project(
        seen.product, Facts(by_item if stock is None else stock, observed or {}, "EUR"), rules, complete=True
    )


def ticket(variant=None, **more):
    [one] = projected(Product(variants=(variant or Variant(),)), **more).tickets
    return one


def of(metafields, **more):
    return Variant(metafields={f"ticket.{name}": value for name, value in metafields.items()}, **more)


def at_locations(*available):
    return {ITEM: tuple(Stock(place, number, None, None) for place, number in enumerate(available, 1))}


def test_available_is_the_sum_over_locations():
    assert ticket(Variant(levels={1: (30, 0, 30), 2: (12, 3, 15)}, quantity=7)).available == 42


def test_a_location_where_it_is_stocked_no_more_counts_nothing():
    assert ticket(Variant(levels={1: (30, 0, 30), 2: None})).available == 30


def test_what_is_stocked_nowhere_any_more_is_sold_out_whatever_the_total_was():
    gone = ticket(Variant(quantity=100), stock={ITEM: ()})
    assert (gone.available, gone.availability, gone.locations) == (0, "sold_out", ())


def test_before_any_level_was_seen_the_webhooks_total_is_shown():
    assert ticket(Variant(quantity=55), stock={}, change=by_webhook).available == 55


def test_what_is_not_tracked_has_no_number_and_never_sells_out():
    untracked = ticket(Variant(tracked=False, quantity=0))
    assert (untracked.available, untracked.sold, untracked.availability, untracked.status) == (
        None,
        None,
        "available",
        "on_sale",
    )


def test_what_oversells_is_available_at_zero_and_below():
    below = ticket(Variant(oversells=True), stock=at_locations(-4))
    assert (below.available, below.availability) == (-4, "available")


def test_capacity_is_the_highest_stock_seen_and_says_so():
    first = ticket(stock=at_locations(80))
    later = ticket(stock=at_locations(30), observed={VARIANT: 80})
    assert (first.capacity, first.capacity_source, first.sold) == (80, "observed", 0)
    assert (later.capacity, later.observed_capacity, later.sold) == (80, 80, 50)


def test_the_metafield_wins_over_what_was_observed_which_is_still_remembered():
    one = ticket(of({"capacity": "120"}), stock=at_locations(100), observed={VARIANT: 200})
    assert (one.capacity, one.capacity_source, one.sold, one.observed_capacity) == (120, "metafield", 20, 200)


def test_sold_is_never_below_zero():
    assert ticket(of({"capacity": "10"}), stock=at_locations(25)).sold == 0


@pytest.mark.parametrize(
    "written", ["", " ", "many", "-5", "12.5", "1e3", "²", "99999999999999", "0x10", "null", "\x00", "+5"]
)
def test_a_capacity_that_is_no_number_is_unknown(written):
    one = ticket(of({"capacity": written, "max_per_order": written}), stock=at_locations(40))
    assert (one.capacity, one.capacity_source, one.max_per_order) == (40, "observed", None)


@pytest.mark.parametrize(("written", "read"), [("0", 0), ("2147483647", 2**31 - 1), (" 12 ", 12), ("007", 7)])
def test_a_capacity_that_is_a_number_is_one(written, read):
    assert ticket(of({"capacity": written})).capacity == read


@given(
    st.lists(st.integers(*COUNTED), max_size=4),
    st.none() | st.integers(0, COUNTED[1]).map(str),
    st.none() | st.integers(*COUNTED),
    st.integers(1, 3),
)
def test_every_number_fits_its_column(stock, capacity, observed, tickets):
    variants = tuple(
        replace(each, metafields={} if capacity is None else {"ticket.capacity": capacity}) for each in many(tickets)
    )
    levels = tuple(Stock(place, number, None, None) for place, number in enumerate(stock, 1))
    event = projected(
        Product(variants=variants),
        stock={each.item: levels for each in variants},
        observed={} if observed is None else {each.id: observed for each in variants},
    )
    for shown in (event, *event.tickets):
        for number in (shown.capacity, shown.sold, shown.available):
            assert number is None or number in INTEGER
        assert shown.sold is None or shown.sold >= 0


@pytest.mark.parametrize(
    ("available", "capacity", "word"),
    [(0, 500, "sold_out"), (-1, 500, "sold_out"), (1, 500, "few_left"), (50, 500, "few_left"), (51, 500, "available"),
     (10, 20, "few_left"), (11, 20, "available"), (10, 0, "few_left")],
)  # fmt: skip
def test_few_are_left_from_a_tenth_or_ten_pieces_down(available, capacity, word):
    assert ticket(of({"capacity": str(capacity)}), stock=at_locations(available)).availability == word


def test_where_few_begin_is_a_setting():
    rules = Rules(few_left_share=0.5, few_left_pieces=3)
    assert ticket(of({"capacity": "100"}), stock=at_locations(50), rules=rules).availability == "few_left"
    assert ticket(of({"capacity": "4"}), stock=at_locations(4), rules=rules).availability == "available"


HIDDEN = of({"visible": "false"}, id=1, item=11, price="1.00", levels={1: (1000, 0, 1000)})
SHOWN = Variant(id=2, item=12, price="40.00", levels={1: (3, 0, 3)})


def test_hidden_tickets_are_in_no_public_figure():
    event = projected(Product(variants=(HIDDEN, SHOWN)))
    assert (event.price_min, event.price_max) == (Decimal("40.00"), Decimal("40.00"))
    assert (event.available_to_buyers, event.availability) == (3, "few_left")
    assert event.available == 1003
    assert [each.status for each in event.tickets] == ["hidden", "on_sale"]


def test_an_event_that_shows_no_ticket_has_no_price_and_is_sold_out():
    event = projected(Product(variants=(HIDDEN,)))
    assert (event.price_min, event.price_max, event.availability, event.available_to_buyers) == (
        None,
        None,
        "sold_out",
        0,
    )


@pytest.mark.parametrize(
    ("written", "visible"), [("false", False), ("0", False), ("true", True), ("", True), ("1", True)]
)
def test_a_ticket_is_hidden_only_when_its_metafield_says_so(written, visible):
    assert ticket(of({"visible": written})).visible is visible


def test_an_events_word_is_the_best_of_its_tickets():
    some = tuple(
        replace(each, levels={1: (number, 0, number)}) for each, number in zip(many(3), (0, 5, 99), strict=True)
    )
    assert [projected(Product(variants=some[:n])).availability for n in (1, 2, 3)] == [
        "sold_out",
        "few_left",
        "available",
    ]


def test_a_total_of_which_a_part_is_unknown_is_unknown():
    event = projected(Product(variants=(Variant(), Variant(id=2, item=2, tracked=False))))
    assert (event.available, event.sold, event.capacity) == (None, None, None)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-12-01T20:00:00+01:00", datetime(2026, 12, 1, 19, tzinfo=UTC)),
        ("2026-12-01T19:00:00Z", datetime(2026, 12, 1, 19, tzinfo=UTC)),
        ("2026-12-01T19:00:00", datetime(2026, 12, 1, 19, tzinfo=UTC)),
        ("2026-12-01", datetime(2026, 12, 1, tzinfo=UTC)),
        ("next Friday", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59-14:00", None),
        ("2026-13-01", None),
        ("", None),
    ],
)
def test_times_in_metafields_are_utc_or_unknown(written, read):
    assert projected(Product(metafields={"event.starts_at": written})).starts_at == read


def test_metafields_fill_the_fields_they_are_mapped_to():
    names = {"organizer": "custom.host", "venue_city": "place.town"}
    rules = Rules(event_metafields={**RULES.event_metafields, **names})
    event = projected(
        Product(metafields={"custom.host": "Blue Hall", "place.town": " Köln ", "event.venue_city": "x"}), rules=rules
    )
    assert (event.organizer, event.venue_city) == ("Blue Hall", "Köln")
    assert set(rules.namespaces()) == {"custom", "event", "place", "ticket"}


@pytest.mark.parametrize(
    ("metafields", "type_", "category"),
    [({}, "music", "music"), ({"event.category": "jazz"}, "music", "jazz"), ({}, "", None)],
)
def test_category_falls_back_to_the_product_type(metafields, type_, category):
    assert projected(Product(metafields=metafields, type=type_)).category == category


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (Rules(), True),
        (Rules(product_types=frozenset({"music"})), True),
        (Rules(product_types=frozenset({"merch"})), False),
        (Rules(tags=frozenset({"jazz"})), True),
        (Rules(product_types=frozenset({"merch"}), tags=frozenset({"jazz"})), True),
        (Rules(tags=frozenset({"rock"})), False),
    ],
)
def test_which_products_are_events_is_a_setting(rules, expected):
    assert rules.is_event(changes.sighting(by_webhook(Product()), rules).product) is expected


ON_TICKET = [f"ticket.{name}" for name in ("capacity", "max_per_order", "visible", "type")]
ON_EVENT = list(RULES.event_metafields.values())


@given(
    st.dictionaries(st.sampled_from(ON_TICKET), st.text(max_size=30)),
    st.dictionaries(st.sampled_from(ON_EVENT), st.text(max_size=30)),
)
def test_whatever_merchants_write_into_metafields_is_projected(on_ticket, on_event):
    event = projected(Product(metafields=_sayable(on_event), variants=(Variant(metafields=_sayable(on_ticket)),)))
    assert event.id == products.PRODUCT


def _sayable(metafields):
    return {name: value.encode("utf-8", "replace").decode() for name, value in metafields.items()}
