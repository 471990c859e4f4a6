"""Metafields of products and variants."""

import hashlib
from typing import Any

import orjson

from sandbox.shopify import shapes
from sandbox.shopify.reading.fields import BY_ID, Resolver, connection, globally, read, times


def metafields(owner: Any, _info: Any, args: dict[str, Any]) -> list[shapes.Metafield]:
    found = list(owner.metafields.values())
    if (namespace := args.get("namespace")) is not None:
        found = [m for m in found if m.namespace == namespace]
    if (keys := args.get("keys")) is not None:
        wanted = {key if "." in key else f"{args.get('namespace')}.{key}" for key in keys}
        found = [m for m in found if f"{m.namespace}.{m.key}" in wanted]
    return found


def metafield(owner: Any, _info: Any, key: str, namespace: str | None = None) -> shapes.Metafield | None:
    if namespace is None:
        namespace, _, key = key.rpartition(".")
    found: shapes.Metafield | None = owner.metafields.get((namespace, key))
    return found


def digest(metafield: shapes.Metafield) -> str:
    """What `compareDigest` compares: SHA-256 of the stored value."""
    return hashlib.sha256(metafield.value.encode()).hexdigest()


def json_value(metafield: shapes.Metafield, _info: Any) -> Any:
    if metafield.type in {"number_integer", "boolean", "json", "rating", "money"} or metafield.type.startswith("list."):
        return orjson.loads(metafield.value)
    return metafield.value


HAS_METAFIELDS: dict[str, Resolver] = {"metafield": metafield, "metafields": connection(metafields, BY_ID)}

METAFIELD: dict[str, Resolver] = {
    **globally("Metafield"),
    **times(),
    "compareDigest": lambda metafield, _: digest(metafield),
    "jsonValue": json_value,
    "key": read("key"),
    "namespace": read("namespace"),
    "owner": read("owner"),
    "ownerType": lambda m, _: "PRODUCT" if isinstance(m.owner, shapes.Product) else "PRODUCTVARIANT",
    "type": read("type"),
    "value": read("value"),
}
