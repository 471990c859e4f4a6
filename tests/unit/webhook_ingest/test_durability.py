"""What a NATS server says of its disk is read with care."""

import pytest

from webhook_ingest.durability import judge


def test_sync_always_is_durable():
    assert judge({"jetstream": {"config": {"sync_interval": 120_000_000_000, "sync_always": True}}}) is None


@pytest.mark.parametrize(
    "state",
    [
        {},
        [],
        {"jetstream": {}},
        {"jetstream": None},
        {"jetstream": {"config": {"sync_interval": 120_000_000_000}}},
        {"jetstream": {"config": {"sync_interval": 120_000_000_000, "sync_always": False}}},
        {"jetstream": {"config": {"sync_always": "true"}}},
    ],
)
def test_anything_else_is_not(state):
    assert judge(state)
