"""What the headers say of a webhook. Unsigned, so each is bounded and checked before it travels on. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from webhook_ingest.refusals import Disagrees, Malformed, WrongShop

TOPIC = "x-shopify-topic"
SHOP = "x-shopify-shop-domain"
WEBHOOK_ID = "x-shopify-webhook-id"
TRIGGERED_AT = "x-shopify-triggered-at"
API_VERSION = "x-shopify-api-version"
SIGNATURE = "x-shopify-hmac-sha256"

MAX_SKEW = timedelta(minutes=1)  # of Shopify's clock before ours
DOMAIN = re.compile(r"[a-z0-9][a-z0-9.-]{0,254}")
NAME = re.compile(r"[A-Za-z0-9_.:-]{1,128}")  # of a webhook id: a UUID as far as is known
VERSION = re.compile(r"\d{4}-\d{2}|unstable")


@dataclass(frozen=True)
class Label:
    """All but the shop are None where the header is absent or strange."""

    shop: str
    webhook_id: str | None
    triggered_at: datetime | None
    api_version: str | None


def topic(headers: Mapping[str, str], path: str | None) -> str:
    """The topic as path and header name it; one of them is enough.

    Raises:
        Disagrees: they name different topics.
        Malformed: neither names one.
    """
    header = headers.get(TOPIC)
    if header and path and header != path:
        raise Disagrees("X-Shopify-Topic and the path name different topics.")
    if not (header or path):
        raise Malformed("X-Shopify-Topic is missing, and the path names no topic.")
    return header or path or ""


def read(headers: Mapping[str, str], shop: str | None, now: datetime) -> Label:
    """`shop` is the only one that is served, or None for any.

    Raises:
        WrongShop: the header names another.
        Malformed: it names none, and none is set.
    """
    named = headers.get(SHOP, shop or "").lower()
    if shop and named != shop:
        raise WrongShop("X-Shopify-Shop-Domain is not the shop that is served here.")
    if not DOMAIN.fullmatch(named):
        raise Malformed("X-Shopify-Shop-Domain is missing, or no domain.")
    return Label(
        shop=named,
        webhook_id=_matching(NAME, headers.get(WEBHOOK_ID)),
        triggered_at=instant(headers.get(TRIGGERED_AT), now),
        api_version=_matching(VERSION, headers.get(API_VERSION)),
    )


def instant(text: str | None, now: datetime) -> datetime | None:
    """ISO 8601 with up to nine decimals, those after the sixth cut off. None where it is absent or can't be read.

    Nobody sees the future: a change from ahead of our time would win over everything until then, so that is None, too.
    """
    try:
        parsed = datetime.fromisoformat(text or "")
        parsed = (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return None if parsed > now + MAX_SKEW else parsed


def _matching(pattern: re.Pattern[str], text: str | None) -> str | None:
    return text if text is not None and pattern.fullmatch(text) else None
