"""Credentials only where they are safe, and never shown."""

import pytest
from pydantic import ValidationError

from shared.shopify import ShopifySettings
from shared.shopify.bucket import Bucket
from shared.shopify.budget import LocalBudget
from shared.shopify.client import ShopifyClient
from shared.shopify.http import http_client
from shared.shopify.tokens import ClientCredentials, StaticToken, token_source

CANARY = "shpat_canary"
SHOP = {"shopify_shop": "blue-hall.myshopify.com"}


def test_the_address_is_the_shops_own_unless_it_is_set():
    assert ShopifySettings(**SHOP, shopify_access_token=CANARY).admin_url == "https://blue-hall.myshopify.com"
    set_ = ShopifySettings(**SHOP, shopify_access_token=CANARY, shopify_admin_url="http://127.0.0.1:8100/")
    assert set_.admin_url == "http://127.0.0.1:8100"


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"shopify_access_token": ""},
        {"shopify_client_id": "id"},
        {"shopify_access_token": CANARY, "shopify_admin_url": "http://shopify.test"},
        {"shopify_access_token": CANARY, "shopify_admin_url": "https://shopify.test/path"},
        {"shopify_access_token": CANARY, "shopify_admin_url": "https://a:b@shopify.test"},
        {"shopify_access_token": CANARY, "shopify_admin_url": "ftp://shopify.test"},
        {"shopify_access_token": CANARY, "shopify_api_version": "latest/../.."},
    ],
)
def test_what_would_not_work_or_would_leak_is_refused_without_showing_the_token(more):
    with pytest.raises(ValidationError) as caught:
        ShopifySettings(**SHOP, **more)
    assert CANARY not in str(caught.value)


def test_http_to_another_host_is_an_explicit_choice():
    settings = ShopifySettings(
        **SHOP, shopify_access_token=CANARY, shopify_admin_url="http://shopify:8100", shopify_allow_http=True
    )
    assert settings.admin_url == "http://shopify:8100"


async def test_nothing_that_holds_the_token_shows_it():
    settings = ShopifySettings(
        **SHOP, shopify_access_token=CANARY, shopify_client_id="id", shopify_client_secret=CANARY
    )
    async with http_client(settings) as http:
        source = token_source(settings, http)
        client = ShopifyClient(settings, source, http, LocalBudget(Bucket.full(1000, 50, 0)))
        for thing in (settings, source, client, http, await source.token()):
            assert CANARY not in f"{thing!r} {thing}"


async def test_the_credentials_decide_how_a_token_is_got():
    static = ShopifySettings(**SHOP, shopify_access_token=CANARY)
    granted = ShopifySettings(**SHOP, shopify_client_id="id", shopify_client_secret="secret")
    async with http_client(static) as http:
        assert isinstance(token_source(static, http), StaticToken)
        assert isinstance(token_source(granted, http), ClientCredentials)
