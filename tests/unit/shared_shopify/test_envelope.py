"""Whatever Shopify answers, it is data, or an error with a name."""

from datetime import UTC, datetime, timedelta

import httpx2
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import Permanent, Transient, Unavailable
from shared.shopify.bucket import ThrottleStatus
from shared.shopify.envelope import Postmark, postmark, read, refusal, retry_after, user_errors
from shared.shopify.errors import ShopifyFaulted, ShopifyRefused, ShopifyUnavailable, Throttled, UserError

# Literal, from recordings.
THROTTLED = (
    b'{"errors":[{"message":"Throttled","extensions":{"code":"THROTTLED","documentation":"https://shopify.dev/api"}}],'
    b'"extensions":{"cost":{"requestedQueryCost":862,"actualQueryCost":null,"throttleStatus":'
    b'{"maximumAvailable":4000.0,"currentlyAvailable":572,"restoreRate":200.0}}}}'
)
ANSWERED = (
    b'{"data":{"shop":{"name":"x"}},"extensions":{"cost":{"requestedQueryCost":101,"actualQueryCost":46,'
    b'"throttleStatus":{"maximumAvailable":2000.0,"currentlyAvailable":1954,"restoreRate":100.0}}}}'
)
TOO_DEAR = (
    b'{"errors":[{"message":"Query cost is 1293, which exceeds the single query max cost limit (1000).",'
    b'"extensions":{"code":"MAX_COST_EXCEEDED","cost":1293,"maxCost":1000}}]}'
)
DENIED = (
    b'{"errors":[{"message":"Access denied","extensions":{"code":"ACCESS_DENIED"},"path":["shop"]}],'
    b'"data":{"shop":null},"extensions":{"cost":{"requestedQueryCost":1,"actualQueryCost":1}}}'
)
INPUT_TOO_LARGE = (
    b'{"errors":[{"message":"Too many","extensions":{"code":"MAX_INPUT_SIZE_EXCEEDED"}}],"data":null,'
    b'"extensions":{"cost":{"requestedQueryCost":71,"actualQueryCost":null}}}'
)


def test_an_answer_has_data_and_its_cost():
    reading = read(ANSWERED)
    assert reading.error is None
    assert reading.data == {"shop": {"name": "x"}}
    assert reading.cost.status == ThrottleStatus(2000.0, 1954.0, 100.0)
    assert reading.charged() == 46


@pytest.mark.parametrize(
    ("data", "partial"),
    [
        ('{"shop":null}', False),
        ("null", False),
        ('{"productUpdate":{"product":{"id":"1"}},"publishablePublish":null}', True),
        ('{"productUpdate":null,"publishablePublish":null}', False),
    ],
)
def test_a_refusal_says_whether_another_field_was_carried_out(data, partial):
    reading = read(DENIED.replace(b'{"shop":null}', data.encode()))
    assert isinstance(reading.error, ShopifyRefused)
    assert reading.error.partial == partial
    assert not refusal(403, None, b"").partial


def test_throttled_says_when_the_points_will_be_back():
    reading = read(THROTTLED)
    assert isinstance(reading.error, Throttled)
    assert reading.error.retry_after == pytest.approx((862 - 572) / 200)
    assert reading.charged() == 0
    assert reading.cost.requested == 862


def test_too_dear_a_query_is_refused_and_costs_nothing():
    reading = read(TOO_DEAR)
    assert isinstance(reading.error, ShopifyRefused)
    assert reading.error.code == "MAX_COST_EXCEEDED"
    assert reading.charged() == 0


def test_partial_data_with_an_error_is_an_error_that_was_charged():
    reading = read(DENIED)
    assert isinstance(reading.error, ShopifyRefused)
    assert reading.error.code == "ACCESS_DENIED"
    assert reading.charged() == 1


def test_too_large_an_input_is_charged_in_full():
    assert read(INPUT_TOO_LARGE).charged() == 71


def test_an_error_of_shopifys_own_may_pass():
    reading = read(b'{"errors":[{"message":"Internal error","extensions":{"code":"INTERNAL_SERVER_ERROR"}}]}')
    assert isinstance(reading.error, ShopifyFaulted)


def test_a_misread_search_is_told():
    body = (
        b'{"data":{},"extensions":{"search":[{"path":["products"],"warnings":[{"field":"updated_at","message":"?"}]}]}}'
    )
    assert read(body).warnings == ("updated_at: ?",)


def test_an_answer_without_a_cost_has_an_unknown_charge():
    assert read(b'{"data":{}}').charged() is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"null",
        b"{}",
        b'{"data":null}',
        b'{"data":[]}',
        b'{"data":{"a":NaN}}',
        b'{"data":{},"extensions":{"cost":{"requestedQueryCost":"x"}}}',
        b'{"data":{},"extensions":{"cost":{"requestedQueryCost":-1}}}',
        b'{"data":{},"extensions":{"cost":{"requestedQueryCost":1,"throttleStatus":{"maximumAvailable":0}}}}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_what_is_no_graphql_answer_is_a_fault(body):
    with pytest.raises(ShopifyFaulted):
        read(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
words = st.sampled_from(["data", "errors", "extensions", "cost", "message", "code", "throttleStatus", "search"])
shaped = st.dictionaries(words, json_values | st.dictionaries(words, json_values, max_size=3), max_size=4)


# The first text of a run is slow: hypothesis builds its table of all characters.
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(shaped)
def test_no_json_gets_past_the_door_unnamed(document):
    try:
        reading = read(orjson.dumps(document))
    except ShopifyFaulted:
        return
    assert isinstance(reading.data, dict)


@pytest.mark.parametrize(
    ("status", "error", "family"),
    [
        (401, ShopifyRefused, Permanent),
        (402, ShopifyRefused, Permanent),
        (403, ShopifyRefused, Permanent),
        (404, ShopifyRefused, Permanent),
        (423, ShopifyRefused, Permanent),
        (301, ShopifyRefused, Permanent),
        (429, Throttled, Transient),
        (430, Throttled, Transient),
        (408, ShopifyUnavailable, Unavailable),
        (500, ShopifyUnavailable, Unavailable),
        (502, ShopifyUnavailable, Unavailable),
        (503, ShopifyUnavailable, Unavailable),
    ],
)
def test_each_status_says_whether_to_try_again(status, error, family):
    told = refusal(status, "4.0", b'{"errors":"[API] Invalid API key"}')
    assert type(told) is error
    assert isinstance(told, family)
    assert "Invalid API key" in str(told)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("4.0", 4), ("0", 0), (None, 1), ("soon", 1), ("nan", 1), ("-3", 0), ("inf", 60)],
)
def test_retry_after_is_a_decimal_within_bounds(header, seconds):
    assert retry_after(header) == seconds


def test_user_errors_keep_their_field_message_and_code():
    data = {
        "productUpdate": {
            "product": None,
            "userErrors": [
                {"field": ["title"], "message": "Title can't be blank"},
                {"field": None, "message": "No", "code": "INVALID"},
            ],
        }
    }
    assert user_errors(data) == (UserError(("title",), "Title can't be blank"), UserError((), "No", "INVALID"))


def test_user_errors_of_an_unknown_shape_are_a_fault():
    with pytest.raises(ShopifyFaulted):
        user_errors({"x": {"userErrors": [{"field": 7}]}})


def test_an_answers_date_and_version_are_on_its_outside():
    at = datetime(2026, 11, 22, 12, tzinfo=UTC)
    headers = httpx2.Headers({"date": "Sun, 22 Nov 2026 11:59:58 GMT", "x-shopify-api-version": "2026-10"})
    assert postmark(headers, at) == Postmark(at, at - timedelta(seconds=2), "2026-10")


@pytest.mark.parametrize("date", [{}, {"Date": "yesterday"}, {"Date": "Sun, 22 Nov 2026 11:59:58 -0000"}])
def test_a_date_that_says_no_instant_is_none(date):
    assert postmark(date, datetime(2026, 11, 22, 12, tzinfo=UTC)).date is None
