"""Headers are unsigned claims: bounded, checked, and never a reason to lose a webhook."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from webhooks import SHOP, headers

from webhook_ingest import label
from webhook_ingest.refusals import Disagrees, Malformed, WrongShop

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-05T09:11:12Z", datetime(2026, 11, 5, 9, 11, 12, tzinfo=UTC)),
        ("2026-11-05T09:11:12.123456789Z", datetime(2026, 11, 5, 9, 11, 12, 123456, tzinfo=UTC)),
        ("2026-11-05T09:11:12.1Z", datetime(2026, 11, 5, 9, 11, 12, 100000, tzinfo=UTC)),
        ("2026-11-05T10:11:12+01:00", datetime(2026, 11, 5, 9, 11, 12, tzinfo=UTC)),
        ("2026-11-05T09:11:12", datetime(2026, 11, 5, 9, 11, 12, tzinfo=UTC)),
    ],
)
def test_shopifys_times_are_read(text, expected):
    assert label.instant(text, NOW) == expected


@pytest.mark.parametrize("text", [None, "", "yesterday", "0001-01-01T00:00:00+23:59", "2026-13-01T00:00:00Z", "٣"])
def test_a_time_that_cannot_be_read_is_none(text):
    assert label.instant(text, NOW) is None


def test_nobody_sees_the_future():
    assert label.instant((NOW + timedelta(seconds=30)).isoformat(), NOW) is not None
    assert label.instant((NOW + timedelta(hours=1)).isoformat(), NOW) is None


@given(st.text())
def test_any_text_is_a_time_or_none(text):
    parsed = label.instant(text, NOW)
    assert parsed is None or parsed.utcoffset() == timedelta(0)


def test_path_and_header_name_the_same_topic():
    assert label.topic({"x-shopify-topic": "products/update"}, "products/update") == "products/update"
    assert label.topic({"x-shopify-topic": "products/update"}, None) == "products/update"
    assert label.topic({}, "products/update") == "products/update"


def test_two_topics_disagree():
    with pytest.raises(Disagrees):
        label.topic({"x-shopify-topic": "products/update"}, "products/delete")


def test_no_topic_is_malformed():
    with pytest.raises(Malformed):
        label.topic({}, None)


@pytest.mark.parametrize("named", [SHOP, SHOP.upper()])
def test_the_shop_is_compared_whatever_its_case(named):
    assert label.read(headers(b"", X_Shopify_Shop_Domain=named), SHOP, NOW).shop == SHOP


def test_another_shop_is_refused():
    with pytest.raises(WrongShop):
        label.read(headers(b""), "other.myshopify.com", NOW)


def test_without_a_setting_every_shop_is_served_but_one_must_be_named():
    assert label.read(headers(b""), None, NOW).shop == SHOP
    with pytest.raises(Malformed):
        label.read({}, None, NOW)


def test_without_a_header_the_shop_that_is_set_is_meant():
    assert label.read({}, SHOP, NOW).shop == SHOP


@pytest.mark.parametrize("domain", ["", "a b", "a\nb", "ä.example", "a" * 300, "-a.example"])
def test_what_is_no_domain_is_malformed(domain):
    with pytest.raises(Malformed):
        label.read({"x-shopify-shop-domain": domain}, None, NOW)


@pytest.mark.parametrize("strange", ["", "a b", "x" * 200, "é", "a\r\nNats-Msg-Id: b"])
def test_strange_ids_and_versions_are_left_out(strange):
    read = label.read(headers(b"", X_Shopify_Webhook_Id=strange, X_Shopify_API_Version=strange), SHOP, NOW)
    assert read.webhook_id is None
    assert read.api_version is None
