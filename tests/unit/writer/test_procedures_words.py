"""Tables: handles, pointers, stock plans, and what a metafield holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.shopify.catalogue import slug as shopifys_slug
from sandbox.shopify.metafield_types import value_problem
from sandbox.shopify.seeding import DEFINED
from shared.metafields import EVENT_TYPES, TICKET_TYPES, Metafields
from shared.shopify.errors import UserError
from writer.procedures.capacity import BelowSold, Change, Level, Moves, Stock, Stocked, plan
from writer.procedures.handles import LONGEST, candidates, slug
from writer.procedures.pointers import pointers

HOME, AWAY, FAR = "gid://shopify/Location/1", "gid://shopify/Location/2", "gid://shopify/Location/3"
WHERE = Metafields()


@pytest.mark.parametrize(
    ("title", "handle"),
    [
        ("Jazz Night", "jazz-night"),
        ("  Jazz -- Night!  ", "jazz-night"),
        ("Café Zürich", "cafe-zurich"),
        ("İstanbul", "istanbul"),
        ("ليلة موسيقية", "ليلة-موسيقية"),
        ("한국 공연", "한국-공연"),
        ("夜のジャズ", "夜のジャズ"),
        ("_snake_case_", "snake-case"),
        ("🎷🎷", ""),
        ("x" * 300, "x" * LONGEST),
    ],
)
def test_a_handle_is_what_shopify_stores_as_it_is(title, handle):
    assert slug(title) == handle
    assert not handle or shopifys_slug(handle) == handle


@given(st.text(max_size=300))
def test_any_title_has_handles_that_shopify_leaves_alone(title):
    handles = candidates(title, "01990000-0000-7000-8000-abcdef123456")
    assert handles[-1] == "event-abcdef123456"
    assert len(set(handles)) == len(handles)
    for handle in handles:
        assert slug(handle) == handle == shopifys_slug(handle)
        assert len(handle) <= 255


EVENT_SENT = {
    "product": {"metafields": [WHERE.of_event("starts_at").as_input("x"), WHERE.of_event("venue_city").as_input("y")]}
}
SENT = {"input": {"variants": [{}, {"metafields": [WHERE.of_ticket("visible").as_input(True)]}]}}
TICKET_SENT = {"tickets": [{}]}


@pytest.mark.parametrize(
    ("kind", "sent", "field", "code", "pointer"),
    [
        ("event.create", SENT, ["input", "title"], None, "#/title"),
        ("event.create", SENT, ["input", "handle"], None, "#/handle"),
        ("event.create", SENT, ["input", "descriptionHtml"], None, "#/description_html"),
        ("event.create", SENT, ["input", "variants"], None, "#/tickets"),
        ("event.create", SENT, ["input", "variants", "1"], None, "#/tickets/1"),
        ("event.create", SENT, ["input", "variants", "0", "price"], None, "#/tickets/0/price"),
        ("event.create", SENT, ["input", "variants", "0", "compareAtPrice"], None, "#/tickets/0/compare_at_price"),
        ("event.create", SENT, ["input", "variants", "1", "metafields", "0", "value"], None, "#/tickets/1/visible"),
        ("event.create", SENT, ["input", "variants", "9", "metafields", "9", "value"], None, "#/tickets/9"),
        ("event.create", SENT, ["input", "variants", "1", "inventoryQuantities", "0"], None, "#/tickets/1/capacity"),
        ("event.create", SENT, ["input", "variants", "1", "optionValues", "0"], None, "#/tickets/1/name"),
        ("event.create", SENT, ["input", "productOptions", "0", "values", "1", "name"], None, "#/tickets/1/name"),
        ("event.create", SENT, ["input", "productOptions", "0", "name"], None, "#/tickets"),
        ("event.create", SENT, [], None, "#"),
        ("event.edit", EVENT_SENT, ["title"], None, "#/title"),
        ("event.edit", EVENT_SENT, ["metafields", "0", "value"], None, "#/starts_at"),
        ("event.edit", EVENT_SENT, ["metafields", "1", "value"], None, "#/venue/city"),
        ("event.edit", EVENT_SENT, ["product", "metafields", "1", "type"], None, "#/venue/city"),
        ("event.edit", EVENT_SENT, ["metafields", "7", "value"], None, "#"),
        ("event.edit", EVENT_SENT, ["customProductType"], None, "#"),
        ("ticket.create", {"tickets": [{"metafields": [WHERE.of_ticket("type").as_input("x")]}]},
         ["variants", "0", "metafields", "0", "value"], None, "#/type"),
        ("ticket.create", TICKET_SENT, ["variants", "0"], "VARIANT_ALREADY_EXISTS_CHANGE_OPTION_VALUE", "#/name"),
        ("ticket.edit", TICKET_SENT, ["variants"], "VARIANT_ALREADY_EXISTS", "#/name"),
        ("ticket.edit", TICKET_SENT, ["variants", "0", "price"], "GREATER_THAN_OR_EQUAL_TO", "#/price"),
        ("ticket.edit", TICKET_SENT, ["variants", "0", "inventoryItem", "sku"], None, "#/sku"),
        ("ticket.edit", {"input": {}}, ["input", "changes", "0", "delta"], "INVALID_QUANTITY_TOO_HIGH", "#/capacity"),
        ("ticket.edit", TICKET_SENT, [], None, "#"),
    ],
)  # fmt: skip
def test_shopifys_field_is_a_pointer_into_the_command(kind, sent, field, code, pointer):
    (found,) = pointers(kind, sent, [UserError(tuple(field), "No.", code)], WHERE)
    assert (found.pointer, found.message, found.code) == (pointer, "No.", code)


@given(
    st.lists(st.one_of(st.sampled_from(["input", "variants", "metafields", "price"]), st.text(max_size=3)), max_size=6)
)
def test_any_field_has_a_pointer(path):
    for kind in ("event.create", "event.edit", "ticket.edit", "ticket.create"):
        for sent in (EVENT_SENT, SENT, TICKET_SENT, {}):
            (found,) = pointers(kind, sent, [UserError(tuple(path), "No.")], WHERE)
            assert found.pointer.startswith("#")


def stock(capacity, **available):
    places = {"home": HOME, "away": AWAY, "far": FAR}
    return Stock("item", tuple(Level(places[name], pieces) for name, pieces in available.items()), capacity)


@pytest.mark.parametrize(
    ("now", "wanted", "known", "planned"),
    [
        (stock(100, home=70), 120, None, Moves((Change(HOME, 20, None),))),
        (stock(100, home=70), 100, None, Moves()),
        (stock(100, home=70), 80, None, Moves((Change(HOME, -20, 70),))),
        (stock(100, home=70), 30, None, Moves((Change(HOME, -70, 70),))),
        (stock(100, home=70), 29, None, BelowSold(30)),
        (stock(100, home=70), 120, 999, Moves((Change(HOME, 20, None),))),  # what Shopify says, counts
        (stock(None, home=70), 120, 100, Moves((Change(HOME, 20, None),))),
        (stock(None, home=70), 120, None, Moves((Change(HOME, 50, None),))),
        (stock(50, home=80), 100, None, Moves((Change(HOME, 20, None),))),  # more than its capacity: nothing is sold
        (stock(100, away=30, far=40), 120, None, Moves((Change(FAR, 20, None),))),
        (stock(100, home=10, away=30, far=40), 50, None, Moves((Change(HOME, -10, 10), Change(FAR, -40, 40)))),
        (stock(100, home=-5, away=30), 90, None, Moves((Change(AWAY, -10, 30),))),
        (stock(50, home=-5), 60, None, Moves((Change(HOME, 10, None),))),
        (stock(50, home=-5), 52, None, Moves((Change(HOME, 2, None),))),  # still oversold, and less so
        (stock(50, home=-5), 49, None, BelowSold(55)),
        (stock(None, home=-5), 10, None, Moves((Change(HOME, 10, None),))),
        (stock(None), 40, None, Stocked(HOME, 40)),
        (stock(40), 50, None, Stocked(HOME, 10)),
        (stock(40), 30, None, BelowSold(40)),
        (stock(100, home=0), 0, None, BelowSold(100)),
        (stock(5, home=5), 0, None, Moves((Change(HOME, -5, 5),))),
    ],
)
def test_stock_moves_by_what_the_capacity_changes(now, wanted, known, planned):
    assert plan(now, wanted, known, HOME) == planned


def test_metafields_have_the_types_that_shops_define():
    defined = {owner: types for owner, _, types in DEFINED}
    assert defined == {"PRODUCT": dict(EVENT_TYPES), "PRODUCTVARIANT": dict(TICKET_TYPES)}


@pytest.mark.parametrize(
    ("metafield", "value", "stored"),
    [
        (WHERE.of_event("subtitle"), "Live", "Live"),
        (WHERE.of_event("starts_at"), "2026-12-01T19:00:00Z", "2026-12-01T19:00:00+00:00"),
        (WHERE.of_event("starts_at"), "2026-12-01T19:00:00Z", "2026-12-01T20:00:00+01:00"),
        (WHERE.of_event("starts_at"), "2026-12-01T19:00:00Z", "2026-12-01T19:00:00"),
        (WHERE.of_ticket("capacity"), 100, "100"),
        (WHERE.of_ticket("visible"), False, "false"),
        (WHERE.of_ticket("visible"), None, None),
    ],
)
def test_a_metafield_says_what_was_written(metafield, value, stored):
    assert metafield.says(stored, value)
    assert not metafield.says(None if stored else "x", value)
    assert not metafield.says("other", value)
    if value is not None:
        assert value_problem(metafield.type, metafield.text(value)) is None
