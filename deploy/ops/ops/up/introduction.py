"""Ask another Shopify for its name before anything is built upon it."""

import httpx2
import orjson

from ops.failures import Refused, ServerDown
from ops.up.plan import API_VERSION, OtherShopify

WITHIN = 15.0  # seconds; a real one takes 2-3
QUESTION = {"query": "query Introduction { shop { name myshopifyDomain } }"}


def introduce(shop: OtherShopify) -> str:
    """Its name. Raises ServerDown when nobody answers, Refused when it doesn't take the token or is no Shopify."""
    url = f"{shop.url.rstrip('/')}/admin/api/{API_VERSION}/graphql.json"
    try:
        answer = httpx2.post(url, json=QUESTION, headers={"X-Shopify-Access-Token": shop.token}, timeout=WITHIN)
    except httpx2.HTTPError as error:
        raise ServerDown(f"{shop.url} does not answer: {error!r}") from error
    if answer.status_code in {401, 403}:
        raise Refused(f"{shop.url} does not take this token")
    try:
        return str(orjson.loads(answer.content)["data"]["shop"]["name"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise Refused(
            f"{shop.url} does not speak Shopify's Admin API {API_VERSION} (HTTP {answer.status_code})"
        ) from None
