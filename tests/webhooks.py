"""Webhooks as Shopify sends them: signed, labelled, spelled with its escapes."""

import base64
import hashlib
import hmac
import json
from typing import Any

SECRET = "a client secret"
SHOP = "blue-hall.myshopify.com"
UPDATED_AT = "2026-11-05T10:11:12+01:00"


def spelled(payload: Any) -> bytes:
    """JSON with Shopify's escapes (docs/shopify.md 1.7)."""
    text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    for character, escape in (("/", r"\/"), ("<", r"\u003c"), (">", r"\u003e"), ("&", r"\u0026")):
        text = text.replace(character, escape)
    return text.encode()


def signed(body: bytes, secret: str = SECRET) -> str:
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def headers(body: bytes, topic: str | None = "products/update", *, secret: str = SECRET, **more: str) -> dict[str, str]:
    """As delivered; `more` replaces or adds, underscores standing for hyphens."""
    named = {
        "Content-Type": "application/json",
        "X-Shopify-Hmac-Sha256": signed(body, secret),
        "X-Shopify-Shop-Domain": SHOP,
        "X-Shopify-API-Version": "2026-10",
        "X-Shopify-Webhook-Id": "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043",
        "X-Shopify-Event-Id": "98880550-7158-44d4-b7cd-2c97c8a091b5",
        "X-Shopify-Triggered-At": "2026-11-05T09:11:12.123456789Z",
    }
    if topic is not None:
        named["X-Shopify-Topic"] = topic
    given = {name.replace("_", "-").lower(): value for name, value in more.items()}
    return {name.lower(): value for name, value in named.items()} | given


def product(id: int = 8012345678901, **more: Any) -> dict[str, Any]:  # noqa: A002 (the key's name)
    return {
        "admin_graphql_api_id": f"gid://shopify/Product/{id}",
        "body_html": "<p>Doors open at 7 & close at 8</p>",
        "created_at": UPDATED_AT,
        "handle": "jazz-night",
        "id": id,
        "product_type": "music",
        "title": "Jazz Night",
        "updated_at": UPDATED_AT,
        "status": "active",
        "tags": "jazz, live",
        "variants": [],
        "options": [],
        "images": [],
    } | more


GID = "gid://shopify/"
LEVEL = {
    "inventory_item_id": 49148385,
    "location_id": 24826418,
    "available": 12,
    "updated_at": UPDATED_AT,
    "admin_graphql_api_id": f"{GID}InventoryLevel/24826418?inventory_item_id=49148385",
}
ITEM = {
    "id": 49148385,
    "sku": "A",
    "tracked": True,
    "updated_at": UPDATED_AT,
    "admin_graphql_api_id": f"{GID}InventoryItem/49148385",
}
CUSTOMER = {"shop_id": 954889, "shop_domain": SHOP, "customer": {"id": 191167, "email": "a@example.com"}}

# One body for each topic, as docs/shopify.md 1.6 and 1.7 describe them.
BODIES: dict[str, dict[str, Any]] = {
    "products/create": product(),
    "products/update": product(),
    "products/delete": {"id": 8012345678901},
    "inventory_levels/update": LEVEL,
    "inventory_levels/connect": LEVEL | {"available": None},
    "inventory_levels/disconnect": {"inventory_item_id": 49148385, "location_id": 24826418},
    "inventory_items/create": ITEM,
    "inventory_items/update": ITEM,
    "inventory_items/delete": {
        "id": 49148385,
        "country_code_of_origin": None,
        "admin_graphql_api_id": f"{GID}InventoryItem/49148385",
    },
    "bulk_operations/finish": {
        "admin_graphql_api_id": f"{GID}BulkOperation/147595010",
        "completed_at": UPDATED_AT,
        "created_at": UPDATED_AT,
        "error_code": None,
        "status": "completed",
        "type": "query",
    },
    "app/uninstalled": {"id": 548380009, "name": "Blue Hall", "domain": None, "myshopify_domain": SHOP},
    "customers/data_request": CUSTOMER | {"orders_requested": [299938], "data_request": {"id": 9999}},
    "customers/redact": CUSTOMER | {"orders_to_redact": [299938]},
    "shop/redact": {"shop_id": 954889, "shop_domain": SHOP},
}
