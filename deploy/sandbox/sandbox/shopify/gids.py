"""Shopify's global ids, `gid://shopify/{Kind}/{number}`, to and from numbers. Pure."""

import re
from typing import ClassVar, NamedTuple

GID = re.compile(r"gid://shopify/(?P<kind>[A-Za-z]+)/(?P<number>\d{1,20})(?:\?(?P<query>[^ ]*))?")

STEP = 32_768  # Shopify's own ids grow by multiples of this


class Gid(NamedTuple):
    kind: str
    number: int


def gid(kind: str, number: int, query: str = "") -> str:
    return f"gid://shopify/{kind}/{number}{'?' + query if query else ''}"


def parse_gid(text: str) -> Gid | None:
    """None when the text is no global id."""
    found = GID.fullmatch(text)
    return Gid(found["kind"], int(found["number"])) if found else None


class Numbers:
    """Fresh numbers for each kind: thirteen digits where Shopify's have thirteen."""

    FIRST: ClassVar[dict[str, int]] = {
        "Product": 8_012_345_678_901,
        "ProductVariant": 4_412_345_678_901,
        "InventoryItem": 4_612_345_678_901,
        "InventoryLevel": 1_012_345_678_901,
        "ProductOption": 1_112_345_678_901,
        "ProductOptionValue": 2_112_345_678_901,
        "Metafield": 3_312_345_678_901,
        "MediaImage": 3_512_345_678_901,
        "Location": 81_234_567_890,
        "Publication": 151_234_567_890,
        "WebhookSubscription": 1_712_345_678_901,
    }
    OTHER = 1_912_345_678_901

    def __init__(self) -> None:
        self._last: dict[str, int] = {}

    def next(self, kind: str) -> int:
        known = self._last.get(kind)
        self._last[kind] = self.FIRST.get(kind, self.OTHER) if known is None else known + STEP
        return self._last[kind]
