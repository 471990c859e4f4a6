"""Secrets come as a list, and never as nothing."""

import pytest
from pydantic import ValidationError

from webhook_ingest.settings import IngestSettings


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NATS_URL", "nats://127.0.0.1:1")
    return monkeypatch


def test_several_secrets_are_separated_by_commas(environment):
    environment.setenv("SHOPIFY_WEBHOOK_SECRETS", "new, old,")
    assert IngestSettings().secrets == (b"new", b"old")


@pytest.mark.parametrize("none", ["", " , "])
def test_without_a_secret_nothing_starts(environment, none):
    environment.setenv("SHOPIFY_WEBHOOK_SECRETS", none)
    with pytest.raises(ValidationError):
        IngestSettings()


def test_secrets_are_not_shown(environment):
    environment.setenv("SHOPIFY_WEBHOOK_SECRETS", "canary")
    assert "canary" not in repr(IngestSettings())


def test_the_shop_is_lower_case(environment):
    environment.setenv("SHOPIFY_WEBHOOK_SECRETS", "s")
    environment.setenv("SHOPIFY_SHOP", "Blue-Hall.myshopify.com")
    assert IngestSettings().shopify_shop == "blue-hall.myshopify.com"
