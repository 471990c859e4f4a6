"""A shop that is kept over restarts is the same shop."""

import pickle

import pytest

from sandbox.shopify import catalogue
from sandbox.shopify.keeping import Keeper, WrongFormat
from sandbox.shopify.seeding import furnish, seed_events
from sandbox.shopify.shop import Shop
from sandbox.shopify.subscriptions import Subscriptions
from sandbox.shopify.truth import product_truth


def keeper_of(path, identity, clock):
    shop = Shop(identity, clock, lambda _: None)
    return Keeper(path, shop, Subscriptions(shop.numbers, "2026-10", allow_http=False))


def test_what_was_kept_comes_back(tmp_path, shop, clock):
    first = keeper_of(tmp_path / "shop", shop.identity, clock)
    assert not first.load()
    furnish(first.shop)
    seed_events(first.shop, 20, 1)
    first.subscriptions.create("PRODUCTS_UPDATE", {"uri": "https://example.com/x"}, clock())
    assert first.step()
    assert not first.step()
    second = keeper_of(tmp_path / "shop", shop.identity, clock)
    assert second.load()
    assert second.shop.definitions == first.shop.definitions != {}
    kept = [product_truth(product) for product in second.shop.products.values()]
    assert kept == [product_truth(product) for product in first.shop.products.values()]
    assert [s.uri for s in second.subscriptions.all.values()] == ["https://example.com/x"]


def test_a_kept_shop_goes_on_with_new_ids_and_its_own_objects(tmp_path, shop, clock):
    first = keeper_of(tmp_path / "shop", shop.identity, clock)
    furnish(first.shop)
    seed_events(first.shop, 3, 1)
    first.save()
    second = keeper_of(tmp_path / "shop", shop.identity, clock)
    second.load()
    with second.shop.action("create", "test") as action:
        fields = {"title": "New", "handle": "brand-new"}
        product = catalogue.create_product(action, fields, catalogue.default_options(), [])
    assert product.id not in first.shop.products
    variant = next(iter(second.shop.variants.values()))
    assert second.shop.products[variant.product.id] is variant.product
    assert second.subscriptions.create("APP_UNINSTALLED", {"uri": "https://a.b/c"}, clock()).id


def test_a_file_of_another_version_is_not_read(tmp_path, shop, clock):
    path = tmp_path / "shop"
    path.write_bytes(pickle.dumps({"format": 0}))
    with pytest.raises(WrongFormat):
        keeper_of(path, shop.identity, clock).load()
