"""What the environment says to the syncer is checked at the door."""

import pytest
from pydantic import ValidationError

from syncer.settings import LEAST_POOL, SyncerSettings

NEEDED = {
    "nats_url": "nats://host",
    "postgres_dsn": "postgresql://host/db",
    "redis_url": "redis://host",
    "shopify_shop": "blue-hall.myshopify.com",
    "shopify_access_token": "t0ken",
}


def test_the_pool_holds_more_connections_than_may_wait_for_one():
    assert SyncerSettings(**NEEDED).postgres_pool_size >= LEAST_POOL + 2
    assert SyncerSettings(**NEEDED, postgres_pool_size=LEAST_POOL).postgres_pool_size == LEAST_POOL


@pytest.mark.parametrize("size", [-1, 1, LEAST_POOL - 1])
def test_a_pool_where_things_would_wait_for_each_other_is_refused_and_says_why(size):
    with pytest.raises(ValidationError, match=f"needs {LEAST_POOL} at least"):
        SyncerSettings(**NEEDED, postgres_pool_size=size)


def test_a_pool_has_an_end():
    with pytest.raises(ValidationError):
        SyncerSettings(**NEEDED, postgres_pool_size=201)
