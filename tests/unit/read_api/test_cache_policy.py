"""What caches on the way may keep."""

import pytest
from pydantic import ValidationError

from read_api.audience import Audience
from read_api.cache_policy import CachePolicy
from read_api.settings import ReadApiSettings

SERVERS = {"nats_url": "nats://n", "postgres_dsn": "postgresql://p", "redis_url": "redis://r"}


def settings(**given: object) -> ReadApiSettings:
    return ReadApiSettings.model_validate(SERVERS | given)


def policy(**given: object) -> CachePolicy:
    made = settings(**given)
    return CachePolicy(made.cache_control_public, made.cache_control_cdn, made.cache_control_organizer)


def test_browsers_ask_again_and_the_edge_keeps_it_briefly():
    assert policy().headers(Audience.PUBLIC) == {
        "Cache-Control": "public, max-age=0, stale-if-error=86400",
        "CDN-Cache-Control": "public, s-maxage=10, stale-if-error=86400",
    }


def test_five_and_ten_minutes_are_one_setting_away():
    changed = policy(cache_control_public="public, max-age=300, s-maxage=600", cache_control_cdn=None)
    assert changed.headers(Audience.PUBLIC) == {"Cache-Control": "public, max-age=300, s-maxage=600"}


def test_what_needs_a_token_is_private_and_depends_on_it():
    assert policy().headers(Audience.ORGANIZER) == {"Cache-Control": "private, no-cache", "Vary": "Authorization"}


@pytest.mark.parametrize("value", ["public, max-age=1", "private, s-maxage=5", "max-age=60", "PUBLIC", "no-cache"])
def test_no_setting_makes_it_public(value):
    with pytest.raises(ValidationError):
        settings(cache_control_organizer=value)


@pytest.mark.parametrize("value", ["public\r\nSet-Cookie: a=b", "", "é", " public"])
def test_a_setting_that_is_no_header_is_refused(value):
    with pytest.raises(ValidationError):
        settings(cache_control_public=value)
