"""What caches on the way may keep."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from read_api.audience import Audience
from read_api.cache_policy import CachePolicy
from read_api.settings import ReadApiSettings

SERVERS = {"nats_url": "nats://n", "postgres_dsn": "postgresql://p", "redis_url": "redis://r"}

DIRECTIVES = [
    "public", "private", "no-store", "no-cache", "max-age=300", "s-maxage=600", "S-MaxAge = 5", "Public", "PRIVATE",
    'private="set-cookie"', 'public="x"', "stale-if-error=86400", "must-revalidate",
]  # fmt: skip
VALUES = st.one_of(
    st.lists(st.sampled_from(DIRECTIVES), max_size=4).flatmap(
        lambda directives: st.sampled_from([", ", ",", " ,"]).map(lambda comma: comma.join(directives))
    ),
    st.text(max_size=20),
)
TAGS = st.lists(
    st.one_of(st.integers(0, 2**63).map(lambda number: f"event:{number}"), st.just("events"), st.text(max_size=5)),
    max_size=4,
)


def settings(**given: object) -> ReadApiSettings:
    return ReadApiSettings.model_validate(SERVERS | given)


def policy(**given: object) -> CachePolicy:
    made = settings(**given)
    return CachePolicy(
        made.cache_control_public, made.cache_control_cdn, made.cache_control_organizer, made.cache_control_surrogate
    )


def test_browsers_ask_again_and_the_edge_keeps_it_briefly():
    assert policy().headers(Audience.PUBLIC, ["event:42", "events"]) == {
        "Cache-Control": "public, max-age=0, stale-if-error=86400",
        "CDN-Cache-Control": "public, s-maxage=10, stale-if-error=86400",
        "Cache-Tag": "event:42,events,understudy",
        "Surrogate-Key": "event:42 events understudy",
    }


def test_five_and_ten_minutes_are_one_setting_away():
    changed = policy(cache_control_public="public, max-age=300, s-maxage=600", cache_control_cdn=None)
    headers = changed.headers(Audience.PUBLIC)
    assert headers["Cache-Control"] == "public, max-age=300, s-maxage=600"
    assert "CDN-Cache-Control" not in headers


def test_fastly_is_told_by_a_header_of_its_own_where_a_setting_says_so():
    assert "Surrogate-Control" not in policy().headers(Audience.PUBLIC)
    headers = policy(cache_control_surrogate="max-age=10").headers(Audience.PUBLIC)
    assert headers["Surrogate-Control"] == "max-age=10"


def test_what_needs_a_token_is_private_and_depends_on_it():
    told = policy().headers(Audience.ORGANIZER, ["event:42"])
    assert told == {"Cache-Control": "private, no-cache", "Vary": "Authorization"}


@given(VALUES, st.none() | VALUES, st.none() | VALUES, VALUES, st.sampled_from(Audience), TAGS)
def test_no_setting_and_no_tag_shares_what_needs_a_token_or_makes_an_illegal_header(
    public, cdn, surrogate, organizer, audience, tags
):
    given_ = {"public": public, "cdn": cdn, "surrogate": surrogate, "organizer": organizer}
    try:
        made = policy(**{f"cache_control_{name}": value for name, value in given_.items()})
    except ValidationError:
        return
    headers = made.headers(audience, tags)
    for value in headers.values():
        assert re.fullmatch(r"[!-~]+( [!-~]+)*", value)
    if audience is Audience.ORGANIZER:
        assert headers.keys() == {"Cache-Control", "Vary"}
        directives = [part.strip().lower() for part in headers["Cache-Control"].split(",")]
        assert {"private", "no-store"} & set(directives)
        assert not {"public", "s-maxage"} & {directive.partition("=")[0].strip() for directive in directives}
    elif "Cache-Tag" in headers:
        assert headers["Cache-Tag"].split(",") == headers["Surrogate-Key"].split(" ") != []
        assert set(headers["Cache-Tag"].split(",")) == {*tags, "understudy"}
    else:
        assert headers == {"Cache-Control": "no-store"}


@pytest.mark.parametrize("tag", ["", "a b", "a,b", "é", "a\r\nb", "x" * 1025, "Event:1"])
def test_what_no_provider_could_be_told_to_purge_is_kept_by_nobody(tag):
    assert policy().headers(Audience.PUBLIC, [tag]) == {"Cache-Control": "no-store"}


def test_more_tags_than_a_provider_reads_are_kept_by_nobody():
    """Both read 16 KB of a header; what stands behind that could never be purged."""
    sizes = [len(policy().headers(Audience.PUBLIC, _tags(number)).get("Cache-Tag", "")) for number in range(900, 1200)]
    assert max(sizes) <= 16 * 1024
    assert sizes[-1] == 0
    assert all(before < after or after == 0 for before, after in pairwise(sizes))


def _tags(number: int) -> list[str]:
    return [f"event:{8_000_000_000 + each}" for each in range(number)]


@pytest.mark.parametrize(
    "value", ["public, max-age=1", "private, s-maxage=5", "max-age=60", "PUBLIC", "no-cache", 'private="set-cookie"']
)
def test_no_setting_makes_it_public(value):
    with pytest.raises(ValidationError):
        settings(cache_control_organizer=value)


def test_no_policy_made_without_settings_is_public_either():
    with pytest.raises(ValueError, match="never shared"):
        CachePolicy("public", None, "public, max-age=60")


@pytest.mark.parametrize("value", ["public\r\nSet-Cookie: a=b", "é", " public"])
@pytest.mark.parametrize("name", ["public", "cdn", "surrogate", "organizer"])
def test_a_setting_that_is_no_header_is_refused(name, value):
    with pytest.raises(ValidationError):
        settings(**{f"cache_control_{name}": value})


@pytest.mark.parametrize("name", ["public", "cdn", "surrogate", "organizer"])
@pytest.mark.parametrize(
    "value",
    ["{}=abc", "{}", "{}=", "{}=-1", "{}=1.5", "{}=10m", "{} = 5", '{}="5', "MUST-REVALIDATE, {}=1m", "no-cache {}=x"],
)
@pytest.mark.parametrize("directive", ["max-age", "s-maxage", "Stale-If-Error", "stale-while-revalidate"])
def test_what_counts_seconds_is_a_number_and_is_named_when_it_is_none(name, value, directive):
    with pytest.raises(ValidationError, match=f"{directive.lower()} must be a number of seconds"):
        settings(**{f"cache_control_{name}": value.format(directive)})


@pytest.mark.parametrize("value", ["max-age=0", 'stale-if-error="86400"', "max-age=600+30;edge", "x-max-age=a, public"])
def test_a_number_is_taken_as_it_is(value):
    assert settings(cache_control_surrogate=value).cache_control_surrogate == value


@pytest.mark.parametrize("value", ["private", "Private, max-age=5", "public, PRIVATE"])
def test_what_anyone_may_read_is_not_private(value):
    with pytest.raises(ValidationError, match="may not be private"):
        settings(cache_control_public=value)


@pytest.mark.parametrize("value", ["no-store", "no-cache", "public, no-store"])
def test_what_anyone_may_read_need_not_be_kept(value):
    assert settings(cache_control_public=value).cache_control_public == value


@pytest.mark.parametrize(
    ("value", "taken"),
    [
        ("*", "*"), ("https://shop.example", "https://shop.example"), ("http://localhost:3000", "http://localhost:3000"),
        ("HTTPS://Shop.example", "https://shop.example"), ("http://[::1]:8080", "http://[::1]:8080"),
        ("capacitor://localhost", "capacitor://localhost"),
    ],
)  # fmt: skip
def test_an_origin_is_read_as_browsers_write_it(value, taken):
    assert settings(cors_origin=value).cors_origin == taken


@pytest.mark.parametrize(
    "value",
    [
        "shop.example", "https://shop.example/", "https://a, https://b", "https://a https://b", "https://*.example",
        "null", "https://u:p@a", "https://a?b", "https://a:port", "https://", "//a", "**",
    ],
)  # fmt: skip
def test_what_is_no_origin_is_refused(value):
    with pytest.raises(ValidationError, match="must be \\* or one origin"):
        settings(cors_origin=value)


@pytest.mark.parametrize("name", ["public", "organizer"])
def test_a_policy_that_must_be_there_may_not_be_empty(name):
    with pytest.raises(ValidationError):
        settings(**{f"cache_control_{name}": ""})


def test_an_empty_setting_is_none_where_none_is_possible():
    made = settings(cache_control_cdn="", cache_control_surrogate="", cors_origin="")
    assert (made.cdn_policy, made.cache_control_surrogate, made.cors_origin) == (None, None, None)


def test_the_classic_policy_is_one_setting_away():
    """A CDN looks at CDN-Cache-Control first, and would not see the s-maxage beside it."""
    made = settings(cache_control_public="public, max-age=300, s-maxage=600")
    assert made.cdn_policy is None
    both = settings(cache_control_public="public, s-maxage=600", cache_control_cdn="public, s-maxage=5")
    assert both.cdn_policy == "public, s-maxage=5"
    assert settings().cdn_policy is not None
