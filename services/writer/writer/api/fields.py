"""The fields of commands: what each may hold, and its one spelling. Pure."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Annotated, Any
from zoneinfo import available_timezones

from pydantic import AfterValidator, BeforeValidator, Field

MAX_TEXT = 255  # characters, as Shopify's own titles, types, options and tags
MAX_DESCRIPTION = 65_535  # characters; larger than any description that is read
MAX_TAGS = 250  # Shopify takes no longer arrays
MAX_TICKETS = 250  # the same
MAX_CAPACITY = 1_000_000_000  # the most that Shopify keeps as stock
MAX_DIGITS = 15  # of an amount, before the point: what the projections hold
MAX_PER_ORDER = 1_000_000

RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
# Lone surrogates are no text: they can't be stored, nor sent.
PRINTABLE = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]*")
HOLDABLE = re.compile(r"[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]*")  # several lines
AMOUNT = re.compile(r"[0-9]+(\.[0-9]{1,3})?", re.ASCII)
HANDLE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*", re.ASCII)
EXAMPLE_TIME = "2026-12-01T19:00:00Z"


def _tidy(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _printable(value: str) -> str:
    if PRINTABLE.fullmatch(value) is None:
        raise ValueError("must not hold control characters")
    return value


def _holdable(value: str) -> str:
    if HOLDABLE.fullmatch(value) is None:
        raise ValueError("must not hold control characters, but for tabs and line ends")
    return value


def _instant(value: str) -> str:
    """UTC, whole seconds: what Shopify's date_time metafields hold."""
    if RFC3339.fullmatch(value) is None:
        raise ValueError(f"must be RFC 3339 with an offset, as in {EXAMPLE_TIME}")
    try:
        at = datetime.fromisoformat(_shortened(value.upper())).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("is no time that exists") from None
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def _shortened(value: str) -> str:
    """Without the fraction: JavaScript writes one always."""
    return re.sub(r"\.\d+", "", value)


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _zone(value: str) -> str:
    if value not in _zones():
        raise ValueError("must be the name of a time zone, as in Europe/Berlin")
    return value


def _amount(value: str) -> str:
    if value.startswith("-"):
        raise ValueError("must not be negative")
    if AMOUNT.fullmatch(value) is None:
        raise ValueError("must be an amount in digits, with at most 3 decimals, as in 25.00")
    if Decimal(value) >= 10**MAX_DIGITS:
        raise ValueError(f"must have at most {MAX_DIGITS} digits before the point")
    return value


def _handle(value: str) -> str:
    if HANDLE.fullmatch(value) is None:
        raise ValueError("must be lower-case letters, digits and single hyphens between them")
    return value


def _tag(value: str) -> str:
    if "," in value:
        raise ValueError("must not hold a comma: Shopify would make two tags of it")
    return value


def _once(value: list[str]) -> list[str]:
    """Shopify keeps tags that differ in case as one."""
    kept: dict[str, str] = {}
    for tag in value:
        kept.setdefault(tag.casefold(), tag)
    return list(kept.values())


Text = Annotated[str, Field(min_length=1, max_length=MAX_TEXT), BeforeValidator(_tidy), AfterValidator(_printable)]
Html = Annotated[str, Field(max_length=MAX_DESCRIPTION), AfterValidator(_holdable)]
Handle = Annotated[str, Field(min_length=1, max_length=MAX_TEXT, examples=["jazz-night"]), AfterValidator(_handle)]
Instant = Annotated[str, Field(max_length=64, examples=[EXAMPLE_TIME]), AfterValidator(_instant)]
Zone = Annotated[str, Field(max_length=64, examples=["Europe/Berlin"]), AfterValidator(_zone)]
Amount = Annotated[
    str,
    Field(max_length=40, examples=["25.00"], description="In the shop's currency, as a string."),
    AfterValidator(_amount),
]
Currency = Annotated[str, Field(pattern="^[A-Z]{3}$", examples=["EUR"], description="That of the shop; no other.")]
Tags = Annotated[list[Annotated[Text, AfterValidator(_tag)]], Field(max_length=MAX_TAGS), AfterValidator(_once)]
Capacity = Annotated[int, Field(ge=0, le=MAX_CAPACITY)]
PerOrder = Annotated[int, Field(ge=1, le=MAX_PER_ORDER)]
