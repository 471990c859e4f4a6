"""What the environment says of the CDN is checked at the door."""

import pytest
from pydantic import SecretStr, ValidationError

from shared.settings import load
from syncer.purger import providers
from syncer.purger.settings import CdnSettings

CLOUDFLARE = {"cdn_provider": "cloudflare", "cdn_api_token": "t0ken", "cdn_zone_id": "0123abc"}
FASTLY = {"cdn_provider": "fastly", "cdn_api_token": "t0ken", "cdn_service_id": "SU1Z0isxPaozGVKXdv0eY"}
VARNISH = {"cdn_provider": "varnish", "cdn_varnish_urls": "http://b:8080/,http://a:8080"}


def settings(**given: object) -> CdnSettings:
    return CdnSettings.model_validate(given)


def test_without_a_provider_there_is_nothing_to_say():
    assert settings().cdn_provider is None


async def test_without_a_provider_there_is_neither_an_edge_nor_its_quota():
    with pytest.raises(ValueError, match="CDN_PROVIDER"):
        providers.quota(settings())
    with pytest.raises(ValueError, match="CDN_PROVIDER"):
        async with providers.opened(settings()):
            pass


@pytest.mark.parametrize("given", [CLOUDFLARE, FASTLY, VARNISH], ids=lambda given: given["cdn_provider"])
def test_a_provider_needs_what_belongs_to_it(given):
    settings(**given)
    for name in given.keys() - {"cdn_provider"}:
        with pytest.raises(ValidationError, match=name.upper()):
            settings(**{key: value for key, value in given.items() if key != name})


@pytest.mark.parametrize("name", ["Fastly", "FASTLY", " fastly "])
def test_a_provider_is_written_in_any_case(name):
    assert settings(**FASTLY | {"cdn_provider": name}).edge() == settings(**FASTLY).edge()


def test_an_empty_provider_is_none():
    assert settings(cdn_provider="").cdn_provider is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"CDN_PROVIDER": "Fastly", "CDN_API_TOKEN": "t"}, "CDN_PROVIDER: fastly needs CDN_SERVICE_ID\n"),
        ({"CDN_PROVIDER": "cloudflare"}, "CDN_PROVIDER: cloudflare needs CDN_API_TOKEN, CDN_ZONE_ID\n"),
        ({"CDN_PROVIDER": "varnish"}, "CDN_PROVIDER: varnish needs CDN_VARNISH_URLS\n"),
        ({"CDN_INTERVAL": "20"}, "CDN_REPEAT_AFTER: must be more than CDN_INTERVAL\n"),
    ],
)
def test_what_is_missing_is_said_as_every_other_wrong_setting_is(monkeypatch, capsys, given, said):
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        load(CdnSettings)
    assert capsys.readouterr().err == said


@pytest.mark.parametrize(
    "url",
    ["http://api.cloudflare.com", "ftp://a", "https://", "https://u:p@a", "https://a?b", "http://10.0.0.1", "a"],
)
def test_the_token_never_travels_unencrypted_to_another_machine(url):
    with pytest.raises(ValidationError):
        settings(**CLOUDFLARE, cdn_api_url=url)


@pytest.mark.parametrize(
    "url", ["https://api.example/v4", "http://127.0.0.1:8080", "http://localhost:1/x", "http://[::1]:2"]
)
def test_an_address_of_ones_own_is_private_or_this_machine(url):
    assert settings(**CLOUDFLARE, cdn_api_url=url).cdn_api_url == url


@pytest.mark.parametrize("token", ["", "a b", "a\r\nb", "é"])
def test_a_token_that_no_header_may_hold_is_refused_and_not_shown(token):
    with pytest.raises(ValidationError) as caught:
        settings(**CLOUDFLARE | {"cdn_api_token": SecretStr(f"{token}")})
    assert token not in str(caught.value) or token == ""


@pytest.mark.parametrize("name", ["a/b", "a b", "../x", "", "x" * 65])
def test_a_zone_is_one_part_of_a_path(name):
    with pytest.raises(ValidationError):
        settings(**CLOUDFLARE | {"cdn_zone_id": name})


def test_a_repeat_comes_after_more_than_an_interval():
    with pytest.raises(ValidationError, match="CDN_REPEAT_AFTER"):
        settings(cdn_interval=5, cdn_repeat_after=5)


def test_the_same_edge_has_the_same_name_and_another_one_another():
    """A token that is rotated is no other edge; whatever names what is purged makes one."""
    base = settings(**CLOUDFLARE).edge()
    assert settings(**CLOUDFLARE | {"cdn_api_token": "other", "cdn_rate": 3}).edge() == base
    assert (
        settings(**VARNISH).edge() == settings(**VARNISH | {"cdn_varnish_urls": "http://a:8080,http://b:8080"}).edge()
    )
    others = [CLOUDFLARE | {"cdn_zone_id": "other"}, CLOUDFLARE | {"cdn_api_url": "https://x"}, FASTLY, VARNISH]
    assert len({base, *(settings(**other).edge() for other in others)}) == 5


def test_what_the_settings_leave_out_is_the_providers_least():
    least = providers.quota(settings(**CLOUDFLARE))
    assert (round(least.rate * 60), least.burst, least.batch) == (5, 25, 100)
    assert providers.quota(settings(**FASTLY)).rate * 3600 <= 100_000
    assert providers.quota(settings(**CLOUDFLARE, cdn_rate=10, cdn_burst=50)) == providers.Quota(10, 50, 100)
