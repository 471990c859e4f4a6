"""The shop itself, and where it publishes."""

from typing import Any

from sandbox.shopify.context import Info, request_of
from sandbox.shopify.gids import gid
from sandbox.shopify.reading.fields import Resolver, read
from sandbox.shopify.shop import Shop

MAX_VARIANTS = 2048

MAX_OPTIONS = 3

LOCATION_LIMIT = 200


def shop_of(_source: Any, info: Info) -> Shop:
    return request_of(info).shop


def _offset(minutes: int) -> str:
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02d}{abs(minutes) % 60:02d}"


SHOP: dict[str, Resolver] = {
    "id": lambda _, __: gid("Shop", 1),
    "createdAt": read("created_at"),
    "currencyCode": read("identity.currency"),
    "ianaTimezone": read("identity.timezone"),
    "myshopifyDomain": read("identity.domain"),
    "name": read("identity.name"),
    "plan": lambda _, __: {
        "partnerDevelopment": True,
        "publicDisplayName": "Developer Preview",
        "shopifyPlus": False,
    },
    "resourceLimits": lambda _, __: {
        "locationLimit": LOCATION_LIMIT,
        "maxProductOptions": MAX_OPTIONS,
        "maxProductVariants": MAX_VARIANTS,
    },
    "timezoneOffset": lambda shop, _: _offset(shop.identity.offset_minutes),
    "url": lambda shop, _: f"https://{shop.identity.domain}",
}

PUBLICATION: dict[str, Resolver] = {
    "id": lambda publication, _: gid("Publication", publication.id),
    "autoPublish": read("auto_publish"),
    "name": read("name"),
    "supportsFuturePublishing": lambda _, __: False,
}
