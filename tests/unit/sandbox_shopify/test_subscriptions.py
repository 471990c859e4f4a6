"""Webhook subscriptions are refused in Shopify's words."""

import pytest

from sandbox.shopify.gids import Numbers
from sandbox.shopify.refusals import Refused
from sandbox.shopify.subscriptions import Subscriptions

HTTPS = "https://example.com/hook"
TOPIC = "PRODUCTS_UPDATE"


@pytest.fixture
def subscriptions():
    return Subscriptions(Numbers(), "2026-10", allow_http=False)


@pytest.mark.parametrize(
    ("wanted", "field", "message"),
    [
        ({}, "callbackUrl", "Address can't be blank"),
        ({"uri": "nonsense"}, "callbackUrl", "Address is invalid"),
        ({"uri": "http://example.com"}, "callbackUrl", "Address protocol http:// is not supported"),
        ({"uri": "ftp://example.com"}, "callbackUrl", "Address protocol ftp:// is not supported"),
        ({"uri": "arn:aws:x"}, "callbackUrl", "Address is not a valid AWS ARN"),
        ({"uri": f"https://example.com/{'x' * 65536}"}, "callbackUrl", "Address is too big (maximum is 64 KB)"),
        (
            {"uri": HTTPS, "name": "a b"},
            "name",
            "Name name field can only contain alphanumeric characters, underscores, and hyphens",
        ),
        ({"uri": HTTPS, "name": ""}, "name", "Name is too short (minimum is 1 character)"),
    ],
)
def test_a_wrong_subscription_is_refused(subscriptions, clock, wanted, field, message):
    with pytest.raises(Refused) as refused:
        subscriptions.create(TOPIC, wanted, clock())
    assert [(e.field, e.message) for e in refused.value.errors] == [(["webhookSubscription", field], message)]


@pytest.mark.parametrize("wanted", [{"filter": "jazz"}, {"filter": "status:active", "includeFields": ["id"]}])
def test_a_filter_names_fields_that_are_included(subscriptions, clock, wanted):
    with pytest.raises(Refused, match="The specified filter is invalid, please ensure you specify the field"):
        subscriptions.create(TOPIC, {"uri": HTTPS, **wanted}, clock())
    made = subscriptions.create(TOPIC, {"uri": HTTPS, "filter": "status:active OR variants.price:>5"}, clock())
    assert (made.filter, made.format) == ("status:active OR variants.price:>5", "JSON")


def test_an_address_can_be_taken_once_for_each_topic(subscriptions, clock):
    subscriptions.create(TOPIC, {"uri": HTTPS}, clock())
    subscriptions.create("PRODUCTS_CREATE", {"uri": HTTPS}, clock())
    with pytest.raises(Refused, match="Address for this topic has already been taken"):
        subscriptions.create(TOPIC, {"callbackUrl": HTTPS}, clock())


def test_an_update_keeps_what_it_does_not_name(subscriptions, clock):
    made = subscriptions.create(TOPIC, {"uri": HTTPS, "includeFields": ["id"], "name": "a"}, clock())
    changed = subscriptions.update(made.id, {"metafieldNamespaces": ["event"], "name": "a"}, clock())
    assert (changed.uri, changed.include_fields, changed.metafield_namespaces) == (HTTPS, ["id"], ["event"])


def test_what_is_not_there_can_be_neither_updated_nor_deleted(subscriptions, clock):
    for change in (lambda: subscriptions.update(1, {}, clock()), lambda: subscriptions.delete(1)):
        with pytest.raises(Refused, match="Webhook subscription does not exist"):
            change()


def test_http_is_a_switch(clock):
    allowed = Subscriptions(Numbers(), "2026-10", allow_http=True)
    assert allowed.create(TOPIC, {"uri": "http://127.0.0.1:1/x"}, clock()).uri == "http://127.0.0.1:1/x"
