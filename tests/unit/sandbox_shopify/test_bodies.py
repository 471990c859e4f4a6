"""Webhook bodies: their shape, their bytes, and what a subscription leaves out."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from decimal import Decimal

from sandbox.shopify import catalogue, stock
from sandbox.shopify.bodies import Writing, body_of, encode, only
from sandbox.shopify.catalogue import MetafieldDraft, VariantDraft
from sandbox.shopify.courier import sign
from sandbox.shopify.webhooks import slash_form, triggered_at

PRODUCT_KEYS = {
    "admin_graphql_api_id", "body_html", "created_at", "handle", "id", "product_type", "published_at",
    "template_suffix", "title", "updated_at", "vendor", "status", "published_scope", "tags", "variants",
    "options", "images", "image", "media", "variant_gids", "has_variants_that_requires_components", "category",
}  # fmt: skip
VARIANT_KEYS = {
    "admin_graphql_api_id", "barcode", "compare_at_price", "created_at", "id", "inventory_policy", "position",
    "price", "product_id", "sku", "taxable", "title", "updated_at", "option1", "option2", "option3", "image_id",
    "inventory_item_id", "inventory_quantity", "old_inventory_quantity",
}  # fmt: skip


def product_of(shop, variants=1):
    names = [f"T{number}" for number in range(variants)]
    drafts = [VariantDraft([name], price=Decimal(49), tracked=True) for name in names]
    with shop.action("create", "test") as action:
        product = catalogue.create_product(
            action,
            {"title": "A/B <Live> & more", "handle": "a-b", "tags": ["jazz", "new"], "status": "DRAFT"},
            [("Ticket", names)],
            drafts,
        )
        catalogue.set_metafield(action, product, MetafieldDraft("event", "subtitle", "single_line_text_field", "s"))
        catalogue.set_metafield(action, product, MetafieldDraft("other", "thing", "number_integer", "7"))
        ticket = MetafieldDraft("ticket", "capacity", "number_integer", "100")
        catalogue.set_metafield(action, product.variants[0], ticket)
    return product


def test_a_product_body_has_shopifys_keys(shop):
    body = body_of("PRODUCTS_UPDATE", product_of(shop), Writing(shop.identity))
    assert set(body) == PRODUCT_KEYS
    assert set(body["variants"][0]) == VARIANT_KEYS
    assert (body["status"], body["tags"], body["variants"][0]["price"]) == ("draft", "jazz, new", "49.00")
    assert isinstance(body["id"], int)


def test_times_are_whole_seconds_in_the_shops_offset(shop):
    body = body_of("PRODUCTS_UPDATE", product_of(shop), Writing(shop.identity))
    assert body["updated_at"] == "2026-11-22T13:00:00+01:00"
    assert body["variant_gids"][0]["updated_at"] == "2026-11-22T12:00:00.000Z"


def test_only_the_first_hundred_variants_are_in_the_body_and_all_in_the_gids(shop):
    body = body_of("PRODUCTS_UPDATE", product_of(shop, 150), Writing(shop.identity))
    assert (len(body["variants"]), len(body["variant_gids"])) == (100, 150)


def test_metafields_ride_only_when_asked_for(shop):
    product = product_of(shop)
    assert "metafields" not in body_of("PRODUCTS_UPDATE", product, Writing(shop.identity))
    body = body_of("PRODUCTS_UPDATE", product, Writing(shop.identity, frozenset({"event"})))
    assert [(m["namespace"], m["key"], m["value"]) for m in body["metafields"]] == [("event", "subtitle", "s")]
    assert "metafields" not in body["variants"][0]


def test_variant_metafields_and_typed_values_are_knobs(shop):
    product = product_of(shop)
    writing = Writing(shop.identity, frozenset({"ticket"}), variant_metafields=True, typed_values=True)
    body = body_of("PRODUCTS_UPDATE", product, writing)
    assert body["metafields"] == []
    assert [m["value"] for m in body["variants"][0]["metafields"]] == [100]


def test_bytes_are_escaped_as_shopify_does(shop):
    raw = encode(body_of("PRODUCTS_UPDATE", product_of(shop), Writing(shop.identity)))
    assert rb'"title":"A\/B \u003cLive\u003e \u0026 more"' in raw
    assert rb'"gid:\/\/shopify\/Product\/' in raw
    assert json.loads(raw)["title"] == "A/B <Live> & more"


def test_emoji_and_right_to_left_titles_stay_utf8():
    assert encode({"title": "🎷 ערב"}) == '{"title":"🎷 ערב"}'.encode()


def test_include_fields_reach_into_variants():
    body = {"id": 1, "title": "x", "variants": [{"id": 2, "price": "1.00"}, {"id": 3, "price": "2.00"}]}
    assert only(body, ["id", "variants.price"]) == {"id": 1, "variants": [{"price": "1.00"}, {"price": "2.00"}]}
    assert only(body, ["variants.price", "variants"]) == {"variants": body["variants"]}
    assert only(body, []) == body


def test_an_untracked_item_has_no_available(shop):
    product = product_of(shop)
    level = product.variants[0].item.active_levels[0]
    with shop.action("set", "test") as action:
        stock.set_quantity(action, level, "available", 5)
    body = body_of("INVENTORY_LEVELS_UPDATE", level, Writing(shop.identity))
    assert body["available"] == 5
    assert body["admin_graphql_api_id"].endswith(f"?inventory_item_id={level.item.id}")
    level.item.tracked = False
    assert body_of("INVENTORY_LEVELS_UPDATE", level, Writing(shop.identity))["available"] is None


def test_a_delete_says_only_the_id(shop):
    product = product_of(shop)
    assert body_of("PRODUCTS_DELETE", product, Writing(shop.identity)) == {"id": product.id}


def test_the_signature_is_base64_of_hmac_sha256():
    expected = base64.b64encode(hmac.new(b"secret", b"body", hashlib.sha256).digest()).decode()
    assert sign(b"secret", b"body") == expected


def test_topics_have_two_forms():
    assert slash_form("INVENTORY_LEVELS_UPDATE") == "inventory_levels/update"
    assert slash_form("APP_UNINSTALLED") == "app/uninstalled"


def test_triggered_at_has_sub_seconds():
    text = triggered_at(datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC))
    assert text.startswith("2026-11-22T12:00:00.123456")
    assert len(text) == len("2026-11-22T12:00:00.123456789Z")
