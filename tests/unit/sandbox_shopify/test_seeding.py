"""Seeded events: the same for the same seed, and all that an event needs."""

from datetime import datetime

from sandbox.shopify.seeding import furnish, seed_events
from sandbox.shopify.shop import Shop
from sandbox.shopify.truth import product_truth


def seeded(shop, clock, seed, events=60):
    fresh = Shop(shop.identity, clock, lambda _: None)
    furnish(fresh)
    seed_events(fresh, events, seed)
    return [product_truth(product) for product in fresh.products.values()]


def test_the_same_seed_makes_the_same_shop(shop, clock):
    assert seeded(shop, clock, 7) == seeded(shop, clock, 7)
    assert seeded(shop, clock, 7) != seeded(shop, clock, 8)


def test_every_event_may_have_the_same_number_of_tickets(shop, clock):
    fresh = Shop(shop.identity, clock, lambda _: None)
    furnish(fresh)
    seed_events(fresh, 10, 1, tickets=5)
    assert (len(fresh.products), len(fresh.variants), len(fresh.levels)) == (11, 55, 110)


def test_seeded_events_have_what_an_event_needs(shop, clock):
    products = seeded(shop, clock, 1)
    assert {product["status"] for product in products} == {"active", "draft", "archived"}
    assert len({product["handle"] for product in products}) == len(products)
    assert any(not product["title"].isascii() for product in products)
    for product in products:
        assert product["id"] > 10**12
        fields = {m["key"]: m["value"] for m in product["metafields"] if m["namespace"] == "event"}
        assert {"starts_at", "timezone", "venue_name", "venue_city", "organizer", "category"} <= set(fields)
        assert datetime.fromisoformat(fields["starts_at"]).tzinfo
        for variant in product["variants"]:
            assert variant["tracked"]
            assert len(variant["levels"]) == 2
            capacity = next(int(m["value"]) for m in variant["metafields"] if m["key"] == "capacity")
            assert 0 <= variant["inventory_quantity"] <= capacity
