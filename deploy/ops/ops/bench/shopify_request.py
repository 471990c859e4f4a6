"""The edit that peers send to Shopify: the same mutation as ours, in the least of words. Pure."""

from collections.abc import Mapping
from typing import Any

ADDRESS, TOKEN = "PEER_SHOPIFY_URL", "PEER_SHOPIFY_TOKEN"  # names in the environment
HEADERS_TOKEN = "X-Shopify-Access-Token"  # noqa: S105  # the header's name
THROTTLED = "THROTTLED"
EDIT = """mutation Edit($product: ProductUpdateInput!) {
  productUpdate(product: $product) { product { id updatedAt } userErrors { field message } }
}"""


def address(shopify: str, version: str) -> str:
    return f"{shopify}/admin/api/{version}/graphql.json"


def variables(event_id: str, fields: Mapping[str, str]) -> dict[str, Any]:
    return {"product": {"id": f"gid://shopify/Product/{event_id}", **fields}}
