"""The state of the shop: what an action changes, when it changed, and who is told."""

from collections import deque
from decimal import Decimal

import pytest

from sandbox.shopify import catalogue, stock
from sandbox.shopify.catalogue import MetafieldDraft, VariantDraft
from sandbox.shopify.shop import Shop


def make(shop: Shop, *names, tracked=True, available=100):
    location = shop.default_location.id
    drafts = [
        VariantDraft([name], price=Decimal(25), tracked=tracked, quantities={location: available}) for name in names
    ]
    with shop.action("create", "test") as action:
        fields = {"title": "Jazz", "handle": catalogue.free_handle(shop, "jazz")}
        return catalogue.create_product(action, fields, [("Ticket", list(names))], drafts)


def topics(told):
    return [happening.topic for happening in told]


def test_a_new_product_says_create_and_not_update(shop, told):
    make(shop, "VIP")
    assert topics(told).count("PRODUCTS_CREATE") == 1
    assert "PRODUCTS_UPDATE" not in topics(told)
    assert {"INVENTORY_ITEMS_CREATE", "INVENTORY_LEVELS_CONNECT"} <= set(topics(told))


def test_all_that_one_action_caused_shares_an_event_id(shop, told):
    make(shop, "VIP", "Standing")
    assert len({happening.event_id for happening in told}) == 1


def test_edits_within_one_second_share_updated_at(shop, clock):
    product = make(shop, "VIP")
    clock.forward(60)
    stamps = []
    for title in ("A", "B"):
        with shop.action("edit", "test") as action:
            catalogue.edit_product(action, product, {"title": title})
        stamps.append(product.updated_at)
        clock.forward(0.3)
    assert stamps[0] == stamps[1]
    assert stamps[0].microsecond == 0


def test_an_edit_that_changes_nothing_fires_only_when_the_rules_say_so(shop, told, clock):
    product = make(shop, "VIP")
    before = product.updated_at
    told.clear()
    clock.forward(60)
    with shop.action("edit", "test") as action:
        catalogue.edit_product(action, product, {"title": product.title})
    assert (told, product.updated_at) == ([], before)
    shop.rules.no_op_update_fires = True
    with shop.action("edit", "test") as action:
        catalogue.edit_product(action, product, {"title": product.title})
    assert topics(told) == ["PRODUCTS_UPDATE"]


def test_selling_moves_available_to_committed_and_leaves_on_hand(shop, told):
    product = make(shop, "VIP")
    level = product.variants[0].item.active_levels[0]
    told.clear()
    with shop.action("sell", "test") as action:
        stock.sell(action, level, 3)
    assert [level.quantity(name) for name in ("available", "committed", "on_hand")] == [97, 3, 100]
    assert topics(told) == ["INVENTORY_LEVELS_UPDATE", "PRODUCTS_UPDATE"]


def test_setting_on_hand_moves_available_and_lists_two_rows(shop):
    level = make(shop, "VIP").variants[0].item.active_levels[0]
    with shop.action("sell", "test") as action:
        stock.sell(action, level, 10)
        rows = stock.set_quantity(action, level, "on_hand", 60)
    assert (level.quantity("available"), level.quantity("on_hand")) == (50, 60)
    assert [(row.name, row.delta) for row in rows] == [("available", -40), ("on_hand", -40)]


@pytest.mark.parametrize("bumps", [True, False])
def test_whether_inventory_bumps_the_product_is_a_rule(shop, told, clock, bumps):
    product = make(shop, "VIP")
    before = product.updated_at
    shop.rules.inventory_bumps_product = bumps
    told.clear()
    clock.forward(60)
    with shop.action("set", "test") as action:
        stock.set_quantity(action, product.variants[0].item.active_levels[0], "available", 1)
    assert (product.updated_at > before) is bumps
    assert ("PRODUCTS_UPDATE" in topics(told)) is bumps
    assert "INVENTORY_LEVELS_UPDATE" in topics(told)


def test_a_deleted_product_is_told_once_and_remembered(shop, told):
    product = make(shop, "VIP")
    told.clear()
    with shop.action("delete", "test") as action:
        catalogue.edit_product(action, product, {"title": "Gone"})
        catalogue.delete_product(action, product)
    assert topics(told) == ["INVENTORY_ITEMS_DELETE", "PRODUCTS_DELETE"]
    assert [gone.product_id for gone in shop.destroyed] == [product.id]
    assert (shop.products, shop.variants, shop.items, shop.levels, shop.handles) == ({}, {}, {}, {}, {})


def test_equal_metafields_change_nothing(shop, told):
    product = make(shop, "VIP")
    draft = MetafieldDraft("event", "subtitle", "single_line_text_field", "x")
    for _ in range(2):
        told.clear()
        with shop.action("set", "test") as action:
            catalogue.set_metafield(action, product, draft)
    assert told == []


def test_variants_keep_their_positions_in_a_row(shop):
    product = make(shop, "A", "B", "C")
    with shop.action("delete", "test") as action:
        catalogue.remove_variant(action, product.variants[1])
    assert [(v.title, v.position) for v in product.variants] == [("A", 1), ("C", 2)]
    assert [value.name for value in product.options[0].values] == ["A", "C"]


def test_the_journal_tells_what_was_done(shop):
    product = make(shop, "VIP")
    with shop.action("edit", "control", {"id": product.id}) as action:
        catalogue.edit_product(action, product, {"title": "New"})
    entry = shop.journal[-1]
    assert (entry.action, entry.origin, entry.effects) == ("edit", "control", [f"product {product.id}: title"])


def test_an_action_that_fails_says_nothing(shop, told):
    told.clear()
    entries = len(shop.journal)
    with pytest.raises(ZeroDivisionError), shop.action("edit", "test"):
        _ = 1 / 0
    assert (told, len(shop.journal)) == ([], entries)


def test_handles_are_made_from_titles_of_any_script(shop):
    assert catalogue.slug("Jazz Night! 🎷") == "jazz-night"
    assert catalogue.slug("ערב תיאטרון") == "ערב-תיאטרון"
    assert catalogue.slug("🎷") == "product"
    make(shop, "VIP")
    assert catalogue.free_handle(shop, "jazz") == "jazz-1"


def test_a_full_journal_says_up_to_where_it_has_forgotten(shop):
    shop.journal = deque(maxlen=2)
    for number in range(5):
        with shop.action(f"edit {number}", "control"):
            pass
    assert ([entry.sequence for entry in shop.journal], shop.forgotten, shop.entries) == ([4, 5], 3, 5)
