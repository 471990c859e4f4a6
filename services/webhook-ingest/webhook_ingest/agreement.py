"""Read a payload, and make sure that it is what its topic says. Pure."""

from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json

from webhook_ingest.refusals import Disagrees, Malformed, WrongShop
from webhook_ingest.topics import Body

MAX_ID = 2**63 - 1  # PostgreSQL's bigint; Shopify's test notifications use ids above 2^53


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object, whole numbers of any size kept exactly. Nested at most 200 deep (the parser's own limit).

    Raises:
        Malformed: no JSON (NaN, lone surrogates and other near misses included), too deep, or not an object.
    """
    try:
        payload = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise Malformed("The body is not JSON, or nested too deeply.") from error
    if not isinstance(payload, dict):
        raise Malformed("The body is JSON, but not an object.")
    return payload


def agree(payload: Mapping[str, Any], expected: Body, topic: str, shop: str) -> dict[str, int]:
    """The ids that the contract of this topic asks for, by its attributes.

    Raises:
        Disagrees: the payload is no body of this topic.
        Malformed: an id is no whole number from 1 to 2^63 - 1.
        WrongShop: the payload names another shop than the headers.
    """
    if missing := sorted((expected.has | set(expected.ids.values())) - payload.keys()):
        raise Disagrees(f"A body of {topic} has {', '.join(missing)}; this one has not.")
    if surplus := sorted(expected.never & payload.keys()):
        raise Disagrees(f"A body of {topic} never has {', '.join(surplus)}; this one has.")
    gid = payload.get("admin_graphql_api_id")
    if expected.gid and gid is not None and not str(gid).startswith(f"gid://shopify/{expected.gid}/"):
        raise Disagrees(f"A body of {topic} is about a {expected.gid}; its admin_graphql_api_id says otherwise.")
    named = payload.get(expected.shop) if expected.shop else None
    if named is not None and str(named).lower() != shop:
        raise WrongShop("The payload names another shop than X-Shopify-Shop-Domain.")
    return {attribute: _id(payload[key], key) for attribute, key in expected.ids.items()}


def _id(value: Any, key: str) -> int:
    if type(value) is not int or not 0 < value <= MAX_ID:  # a bool is an int, too
        raise Malformed(f"{key} is not a whole number from 1 to {MAX_ID}.")
    return value
