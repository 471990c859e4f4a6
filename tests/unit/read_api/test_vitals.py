"""What one process tells of itself."""

import time

import pytest

from read_api.feed import SILENCE, Feed
from read_api.l1 import L1
from read_api.vitals import Vitals
from shared.settings import NatsSettings
from shared.tags import Document


@pytest.fixture
def feed() -> Feed:
    """Connected, and told all that has arrived."""
    made = Feed(NatsSettings(nats_url="nats://127.0.0.1:4222"))
    made.live, made.heard_at = True, time.monotonic()
    return made


def test_a_feed_that_fell_silent_hears_nothing_though_it_is_connected(feed):
    vitals = Vitals(feed)
    assert vitals.hears
    assert vitals.summary()["feed"]["live"]
    feed.heard_at -= SILENCE
    assert not vitals.hears
    assert not vitals.summary()["feed"]["live"]
    assert vitals.summary()["feed"]["silent_seconds"] >= SILENCE


def test_before_the_first_read_there_is_no_ratio_of_hits(feed):
    l1 = L1(1 << 20, feed)
    assert Vitals(feed, l1).summary()["l1"]["hit_ratio"] is None
    l1.get("event:1", "public")
    l1.store("event:1", "public", Document(1, 200, b"{}"), l1.generation)
    l1.get("event:1", "public")
    told = Vitals(feed, l1).summary()["l1"]
    assert (told["documents"], told["hits"], told["misses"], told["hit_ratio"]) == (1, 1, 1, 0.5)
    assert told["bytes"] == l1.bytes > 0


def test_no_two_processes_have_one_name(feed):
    assert Vitals(feed).summary()["id"] != Vitals(feed).summary()["id"]
