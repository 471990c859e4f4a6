"""Payload and topic belong together; ids arrive whole or not at all."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from webhooks import BODIES, SHOP, product, spelled

from webhook_ingest.agreement import MAX_ID, agree, parse
from webhook_ingest.refusals import Disagrees, Malformed, Refused, WrongShop
from webhook_ingest.topics import TOPICS


def check(topic, payload, shop=SHOP):
    return agree(payload, TOPICS[topic].body, topic, shop)


@pytest.mark.parametrize("topic", TOPICS)
def test_the_documented_body_of_each_topic_agrees(topic):
    check(topic, parse(spelled(BODIES[topic])))


def test_every_topic_has_a_body_here():
    assert set(BODIES) == set(TOPICS)


# Sent again under the other topic, these have the same effect.
SAME_EFFECT = [
    {"products/create", "products/update"},
    {"inventory_levels/update", "inventory_levels/connect"},
    {"inventory_items/create", "inventory_items/update"},
]


@pytest.mark.parametrize("signed_as", TOPICS)
@pytest.mark.parametrize("sent_as", TOPICS)
def test_a_signed_body_cannot_be_sent_again_under_a_topic_of_another_effect(signed_as, sent_as):
    if signed_as == sent_as or {signed_as, sent_as} in SAME_EFFECT:
        check(sent_as, BODIES[signed_as])
        return
    with pytest.raises(Refused):
        check(sent_as, BODIES[signed_as])


@given(st.integers(1, MAX_ID))
def test_ids_keep_every_digit(id):  # noqa: A002
    assert check("products/delete", parse(b'{"id":%d}' % id)) == {"product_id": id}


@pytest.mark.parametrize(
    "id", ["0", "-1", str(MAX_ID + 1), str(2**64), "1" * 40, "1.0", "1e3", '"1"', "null", "true", "[1]", "{}"]
)
def test_what_is_no_whole_positive_number_is_no_id(id):  # noqa: A002
    with pytest.raises(Malformed):
        check("products/delete", parse(f'{{"id":{id}}}'.encode()))


@pytest.mark.parametrize("key", ["id", "title", "variants", "updated_at"])
def test_a_missing_key_is_named(key):
    payload = product()
    del payload[key]
    with pytest.raises(Disagrees, match=key):
        check("products/update", payload)


def test_a_price_of_null_is_for_the_syncer_to_judge():
    assert check("products/update", product(variants=[{"id": 1, "price": None}])) == {"product_id": 8012345678901}


@pytest.mark.parametrize("topic", ["app/uninstalled", "customers/redact", "shop/redact"])
def test_a_payload_that_names_another_shop_is_refused(topic):
    with pytest.raises(WrongShop):
        check(topic, BODIES[topic], shop="another.myshopify.com")


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"null", b"[]", b'"a"', b"{}x", b"\xef\xbb\xbf{}", b'{"a":NaN}', b'{"a":Infinity}', b"{'a':1}",
        b'{"a":"\\ud800"}', b'{"a":"\xff"}', b'{"a":1,}', b'{"a":' + b"[" * 500 + b"]" * 500 + b"}",
        b'{"a":' * 100_000,
    ],
)  # fmt: skip
def test_broken_json_is_refused(body):
    with pytest.raises(Malformed):
        parse(body)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_object_or_refused(body):
    with contextlib.suppress(Malformed):
        assert isinstance(parse(body), dict)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.sampled_from(sorted(TOPICS)), st.dictionaries(st.text(), json_values), json_values)
def test_strange_payloads_are_refused_by_name(topic, strange, value):
    payload = BODIES[topic] | strange
    for key in (*TOPICS[topic].body.ids.values(), "admin_graphql_api_id"):
        payload = payload | {key: value}
    try:
        ids = check(topic, payload)
    except Refused:
        return
    assert all(type(id) is int and 0 < id <= MAX_ID for id in ids.values())  # noqa: A001
