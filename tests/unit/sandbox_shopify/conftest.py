"""A shop of its own for each test, with a clock that a test can turn and a record of what was told."""

from datetime import UTC, datetime, timedelta

import pytest

from sandbox.shopify.seeding import furnish
from sandbox.shopify.shapes import ShopIdentity
from sandbox.shopify.shop import Shop


class Clock:
    def __init__(self):
        self.now = datetime(2026, 11, 22, 12, 0, 0, 250_000, tzinfo=UTC)

    def __call__(self):
        return self.now

    def forward(self, seconds):
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def told():
    return []


@pytest.fixture
def shop(clock, told):
    identity = ShopIdentity("Test", "test.myshopify.com", "EUR", "Europe/Berlin", 60)
    shop = Shop(identity, clock, told.append)
    furnish(shop)
    return shop
