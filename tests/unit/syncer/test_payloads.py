"""Both spellings of a product come to one `Product`, and what can't be read says why."""

import dataclasses
import json
from datetime import UTC, datetime

import orjson
import products
import pytest
from hypothesis import given
from hypothesis import strategies as st
from products import Product, Variant, at, body, by_read, by_webhook, many, node

from syncer import changes, graphql_nodes, webhook_payloads
from syncer.rules import Rules
from syncer.webhook_payloads import MalformedPayload

RULES = Rules()
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
WHOLE_SECONDS = st.integers(-(10**8), 10**8)
PRICES = st.decimals(0, 10**9, places=2).map(str)
TAGS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=","), max_size=8)
METAFIELDS = st.dictionaries(
    st.sampled_from(["event.subtitle", "event.starts_at", "event.city", "ticket.capacity", "ticket.type"]), WORDS
)
VARIANTS = st.builds(
    Variant,
    id=st.integers(1, 2**63 - 1),
    title=WORDS,
    price=PRICES,
    compare_at_price=st.none() | PRICES,
    sku=st.none() | WORDS,
    position=st.integers(1, 2048),
    oversells=st.booleans(),
    item=st.integers(1, 2**63 - 1),
    quantity=st.none() | st.integers(-1000, 10**9),
    updated=WHOLE_SECONDS,
    metafields=METAFIELDS,
)
PRODUCTS = st.builds(
    Product,
    id=st.integers(1, 2**63 - 1),
    handle=WORDS,
    title=WORDS,
    html=WORDS,
    status=st.sampled_from(["active", "draft", "archived", "unlisted"]),
    type=WORDS,
    tags=st.lists(TAGS, max_size=4).map(tuple),
    images=st.lists(st.tuples(WORDS, st.none() | WORDS), max_size=3).map(tuple),
    created=WHOLE_SECONDS,
    updated=WHOLE_SECONDS,
    metafields=METAFIELDS,
    variants=st.lists(VARIANTS, max_size=4, unique_by=lambda variant: variant.id).map(tuple),
)


@given(PRODUCTS)
def test_a_webhook_and_a_read_of_one_product_say_the_same(product):
    seen = changes.sighting(by_webhook(product, variant_metafields=True), RULES).product
    read = changes.sighting(by_read(product), RULES).product
    unsaid = {"tracked": None, "whole_at": None, "early": False}
    as_seen = read.model_copy(update={"variants": tuple(each.model_copy(update=unsaid) for each in read.variants)})
    assert as_seen == seen


@given(PRODUCTS)
def test_what_was_parsed_survives_being_stored_as_json(product):
    for change in (by_webhook(product), by_read(product)):
        seen = changes.sighting(change, RULES).product
        assert type(seen).model_validate_json(seen.model_dump_json()) == seen


@given(PRODUCTS)
def test_no_nul_character_is_left_for_postgresql_to_refuse(product):
    for change in (by_webhook(product, variant_metafields=True), by_read(product)):
        assert "\\u0000" not in changes.sighting(change, RULES).product.model_dump_json()


@pytest.mark.parametrize(
    "title", ["🎷🎉", "ليلة موسيقية", "ערב", "e\u0301", "\u202eevil", "a\x00b", "\x1f\x7f", "日本" * 200]
)
def test_titles_arrive_as_they_were_written(title):
    for change in (by_webhook(Product(title=title)), by_read(Product(title=title))):
        assert changes.sighting(change, RULES).product.title == title.replace("\x00", "")


@pytest.mark.parametrize("spelled", ["jazz, live", "live,jazz", " live ,, jazz , ", ["live", "jazz"], "jazz,live,jazz"])
def test_tags_are_the_same_however_they_are_spelled(spelled):
    assert webhook_payloads.product(body(Product(), tags=spelled)).tags == ("jazz", "live")


@pytest.mark.parametrize("spelled", ["", None, [], " , "])
def test_no_tags_are_no_tags(spelled):
    assert webhook_payloads.product(body(Product(), tags=spelled)).tags == ()


def test_tags_of_a_read_are_trimmed_as_those_of_a_webhook():
    read, _ = graphql_nodes.product(orjson.dumps(node(Product()) | {"tags": [" live", "", "jazz"]}))
    assert read.tags == ("jazz", "live")


def test_ids_beyond_what_javascript_counts_stay_exact():
    huge = 2**53 + 1
    product = Product(id=huge, variants=(Variant(id=huge + 2, item=huge + 4),))
    for change in (by_webhook(product), by_read(product)):
        seen = changes.sighting(change, RULES).product
        assert (seen.id, seen.variants[0].id, seen.variants[0].inventory_item_id) == (huge, huge + 2, huge + 4)


@pytest.mark.parametrize("wrong", [0, -1, 2**63, "x", None, 1.5])
def test_an_id_that_no_column_holds_is_refused(wrong):
    with pytest.raises(MalformedPayload, match=r"^id: "):
        webhook_payloads.product(body(Product(), id=wrong))


def test_a_price_that_is_null_is_refused_and_the_reason_names_the_place_without_the_payload():
    spelled = json.loads(body(Product(title="a secret title")))
    spelled["variants"][0]["price"] = None
    with pytest.raises(MalformedPayload) as caught:
        webhook_payloads.product(orjson.dumps(spelled))
    assert str(caught.value).startswith("variants.0.price: ")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("price", ["-1", "NaN", "Infinity", "1.2345", "1234567890123456", "1e400", "", [], True])
def test_a_price_that_is_no_amount_is_refused(price):
    spelled = json.loads(body(Product()))
    spelled["variants"][0]["price"] = price
    with pytest.raises(MalformedPayload, match=r"variants\.0\.price"):
        webhook_payloads.product(orjson.dumps(spelled))


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("inventory_quantity", 2**31),
        ("inventory_quantity", -(2**31) - 1),
        ("position", 2**31),
        ("inventory_policy", "maybe"),
        ("updated_at", "2026-11-05T10:11:12"),
        ("id", None),
    ],
)
def test_what_no_column_of_a_ticket_holds_is_refused_at_the_door(where, value):
    spelled = json.loads(body(Product()))
    spelled["variants"][0][where] = value
    with pytest.raises(MalformedPayload, match=rf"variants\.0\.{where}"):
        webhook_payloads.product(orjson.dumps(spelled))


def test_a_reason_names_a_few_problems_not_thousands():
    spelled = json.loads(body(Product(variants=many(100))))
    for variant in spelled["variants"]:
        variant["price"] = None
    with pytest.raises(MalformedPayload) as caught:
        webhook_payloads.product(orjson.dumps(spelled))
    assert str(caught.value).count("price") == 5


@pytest.mark.parametrize(
    "broken", [b"", b"null", b"[]", b"{", b'{"id": 1}', b"\xff\xfe", rb'{"id": 1, "title": "\ud800"}', b'"x"', b"1"]
)
def test_what_is_no_product_is_refused_with_a_reason(broken):
    for parse in (webhook_payloads.product, graphql_nodes.product):
        with pytest.raises(MalformedPayload) as caught:
            parse(broken)
        assert len(str(caught.value)) > 5


@pytest.mark.parametrize("missing", ["handle", "title", "status", "updated_at", "variants", "tags", "body_html"])
def test_a_body_without_what_every_body_has_is_refused(missing):
    spelled = json.loads(body(Product()))
    del spelled[missing]
    with pytest.raises(MalformedPayload, match=missing):
        webhook_payloads.product(orjson.dumps(spelled))


def test_a_body_of_another_version_may_say_more_than_we_know():
    assert webhook_payloads.product(body(Product(), brand_new={"a": [1]})) == webhook_payloads.product(body(Product()))


@pytest.mark.parametrize(
    "spelled",
    ["2026-11-05T10:00:00+01:00", "2026-11-05T09:00:00Z", "2026-11-05T05:00:00-04:00", "2026-11-05T09:00:00.000Z"],
)
def test_times_are_the_same_moment_in_every_offset(spelled):
    assert webhook_payloads.product(body(Product(), updated_at=spelled)).updated_at == at(0)


def test_metafield_values_may_come_typed():
    spelled = json.loads(body(Product(), variant_metafields=True))
    values = {"capacity": 120, "visible": False, "type": "seat", "max_per_order": None}
    spelled["variants"][0]["metafields"] = [
        {"namespace": "ticket", "key": key, "value": value} for key, value in values.items()
    ]
    [variant] = webhook_payloads.product(orjson.dumps(spelled)).variants
    assert variant.metafields == {"ticket.capacity": "120", "ticket.visible": "false", "ticket.type": "seat"}


def test_metafields_that_nobody_named_are_left_out_of_both_spellings():
    product = Product(
        metafields={"event.subtitle": "A", "event.unknown": "B", "ticket.capacity": "5", "custom.subtitle": "C"},
        variants=(Variant(metafields={"ticket.capacity": "5", "event.subtitle": "A", "x.y": "z"}),),
    )
    for change in (by_webhook(product, variant_metafields=True), by_read(product)):
        seen = changes.sighting(change, RULES).product
        assert seen.metafields == {"event.subtitle": "A"}
        assert seen.variants[0].metafields == {"ticket.capacity": "5"}


def test_metafields_that_were_not_said_are_unknown_not_empty():
    assert webhook_payloads.product(body(Product(), metafields=False)).metafields is None
    assert webhook_payloads.product(body(Product())).metafields == {}


@pytest.mark.parametrize(
    ("number", "gids", "known"), [(3, False, 3), (99, False, 99), (100, False, None), (150, True, 150)]
)
def test_whether_all_variants_are_known_depends_on_what_was_said(number, gids, known):
    seen = webhook_payloads.product(body(Product(variants=many(number)), gids=gids))
    assert len(seen.variants) == min(number, 100)
    assert (None if seen.all_variants is None else len(seen.all_variants)) == known


@pytest.mark.parametrize("gid", ["gid://shopify/ProductVariant/", "x", "gid://shopify/ProductVariant/1a", ""])
def test_a_variant_gid_without_a_number_is_refused(gid):
    with pytest.raises(MalformedPayload, match="variant_gids"):
        webhook_payloads.product(body(Product(), gids=False, variant_gids=[{"admin_graphql_api_id": gid}]))


def test_a_variant_without_its_time_is_read_not_refused():
    spelled = json.loads(body(Product()))
    del spelled["variants"][0]["updated_at"]
    assert webhook_payloads.product(orjson.dumps(spelled)).variants[0].updated_at is None


def test_a_read_says_the_stock_of_every_item_and_nothing_of_where_it_was_once():
    variant = Variant(levels={1: (5, 2, 7), 2: None})
    _, levels = graphql_nodes.product(orjson.dumps(node(Product(variants=(variant,)))))
    stocked, once = levels[variant.item]
    assert (stocked.available, stocked.committed, stocked.on_hand) == (5, 2, 7)
    assert once.available is None


def test_a_body_about_another_product_than_the_change_is_refused():
    change = by_webhook(Product())
    with pytest.raises(MalformedPayload, match="8012345678901"):
        changes.sighting(change.model_copy(update={"product_id": 1}), RULES)


def test_a_body_about_another_item_than_the_change_is_refused():
    change = products.level(5, 0)
    with pytest.raises(MalformedPayload, match=str(products.ITEM)):
        changes.level(change.model_copy(update={"inventory_item_id": 1}))


def test_a_level_that_came_back_within_the_second_of_its_end_is_not_older_than_it():
    ended = changes.level(products.level(None, None, seen=5.7))
    back = changes.level(products.level(3, 5, seen=5.9))
    assert (ended.available, ended.updated_at) == (None, at(5))
    assert back.updated_at >= ended.updated_at


@pytest.mark.parametrize("available", [2**31, -(2**31) - 1, 1.5, "many"])
def test_a_stock_that_no_column_holds_is_refused(available):
    with pytest.raises(MalformedPayload, match="available"):
        changes.level(products.level(available, 0))


def test_a_delete_is_as_new_as_its_trigger():
    assert changes.burial(products.deletion(seen=7.25)) == (at(7.25), at(7.25))


def test_a_read_is_marked_as_one_and_brings_its_stock():
    seen = changes.sighting(by_read(Product(), seen=9.5), RULES)
    assert (seen.is_read, list(seen.levels), seen.version) == (True, [products.ITEM], (at(0), at(9.5)))
    webhook = changes.sighting(by_webhook(dataclasses.replace(Product()), seen=1), RULES)
    assert (webhook.is_read, dict(webhook.levels)) == (False, {})


def test_shop_time_is_the_same_moment_as_utc():
    assert webhook_payloads.product(body(Product(updated=90))).updated_at == datetime(2026, 11, 5, 9, 1, 30, tzinfo=UTC)
