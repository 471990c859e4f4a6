"""Webhook bodies as Shopify's (docs/shopify.md 1.7): REST-style resources, byte escapes, the shop's offset. Pure."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from sandbox.shopify.bulk.operation import BulkOperation
from sandbox.shopify.gids import gid
from sandbox.shopify.shapes import Image, InventoryItem, Level, Metafield, Option, Product, ShopIdentity, Variant

VARIANTS_IN_BODY = 100  # the rest is only in variant_gids
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Writing:
    """How one subscription's bodies are written."""

    identity: ShopIdentity
    namespaces: frozenset[str] = frozenset()
    metafields: frozenset[tuple[str, str]] = frozenset()
    variant_metafields: bool = False
    typed_values: bool = False

    def wants(self, metafield: Metafield) -> bool:
        return metafield.namespace in self.namespaces or (metafield.namespace, metafield.key) in self.metafields

    def time(self, at: datetime | None) -> str | None:
        """`2024-11-05T10:11:12+01:00`"""
        zone = timezone(timedelta(minutes=self.identity.offset_minutes))
        return None if at is None else at.astimezone(zone).isoformat(timespec="seconds")


def body_of(topic: str, subject: Any, writing: Writing) -> Json:  # noqa: PLR0911 - one line a topic
    """The body of any simulated topic.

    Raises:
        KeyError: the topic is not simulated.

    """
    match topic:
        case "PRODUCTS_CREATE" | "PRODUCTS_UPDATE":
            return product_body(subject, writing)
        case "PRODUCTS_DELETE":
            return {"id": subject.id}
        case "INVENTORY_LEVELS_CONNECT" | "INVENTORY_LEVELS_UPDATE":
            return level_body(subject, writing)
        case "INVENTORY_LEVELS_DISCONNECT":
            return {"inventory_item_id": subject.item.id, "location_id": subject.location.id}
        case "INVENTORY_ITEMS_CREATE" | "INVENTORY_ITEMS_UPDATE":
            return item_body(subject, writing)
        case "INVENTORY_ITEMS_DELETE":
            return _item_origin(subject)
        case "BULK_OPERATIONS_FINISH":
            return bulk_body(subject, writing)
        case "APP_UNINSTALLED":
            return shop_body(writing)
        case _:
            raise KeyError(topic)


def encode(body: Any) -> bytes:
    r"""JSON with Shopify's escapes: `\/`, and `<`, `>`, `&` as \u003c, \u003e, \u0026."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    for plain, escaped in (("/", "\\/"), ("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026")):
        text = text.replace(plain, escaped)
    return text.encode()


def only(body: Json, fields: list[str]) -> Json:
    """What `includeFields` leaves; dotted names reach into objects and lists of objects."""
    if not fields:
        return body
    deeper: dict[str, list[str]] = {}
    for name in fields:
        head, _, rest = name.partition(".")
        deeper.setdefault(head, []).append(rest)
    return {name: _inside(value, deeper[name]) for name, value in body.items() if name in deeper}


def _inside(value: Any, names: list[str]) -> Any:
    if "" in names:
        return value
    if isinstance(value, list):
        return [_inside(element, names) for element in value]
    return only(value, names) if isinstance(value, dict) else value


def product_body(product: Product, writing: Writing) -> Json:
    body = {
        "admin_graphql_api_id": gid("Product", product.id),
        "body_html": product.body_html,
        "created_at": writing.time(product.created_at),
        "handle": product.handle,
        "id": product.id,
        "product_type": product.product_type,
        "published_at": writing.time(product.published_at),
        "template_suffix": product.template_suffix,
        "title": product.title,
        "updated_at": writing.time(product.updated_at),
        "vendor": product.vendor,
        "status": product.status.lower(),
        "published_scope": "global" if product.published_at else "web",
        "tags": ", ".join(product.tags),
        "variants": [_variant(variant, writing) for variant in product.variants[:VARIANTS_IN_BODY]],
        "options": [_option(product, option) for option in product.options],
        "images": [_image(product, at, image, writing) for at, image in enumerate(product.images, start=1)],
        "image": _image(product, 1, product.images[0], writing) if product.images else None,
        "media": [_media(at, image, writing) for at, image in enumerate(product.images, start=1)],
        "variant_gids": [
            {"admin_graphql_api_id": gid("ProductVariant", variant.id), "updated_at": _utc_ms(variant.updated_at)}
            for variant in product.variants
        ],
        "has_variants_that_requires_components": False,
        "category": None,
    }
    if writing.namespaces or writing.metafields:
        body["metafields"] = _metafields(product, writing)
    return body


def _variant(variant: Variant, writing: Writing) -> Json:
    values: list[str | None] = [*variant.option_values, None, None, None]
    body: Json = {
        "admin_graphql_api_id": gid("ProductVariant", variant.id),
        "barcode": variant.barcode,
        "compare_at_price": _money(variant.compare_at_price),
        "created_at": writing.time(variant.created_at),
        "id": variant.id,
        "inventory_policy": variant.inventory_policy.lower(),
        "position": variant.position,
        "price": _money(variant.price),
        "product_id": variant.product.id,
        "sku": variant.item.sku,
        "taxable": variant.taxable,
        "title": variant.title,
        "updated_at": writing.time(variant.updated_at),
        "option1": values[0],
        "option2": values[1],
        "option3": values[2],
        "image_id": None,
        "inventory_item_id": variant.item.id,
        "inventory_quantity": variant.quantity,
        "old_inventory_quantity": variant.old_quantity,
    }
    if writing.variant_metafields and (writing.namespaces or writing.metafields):
        body["metafields"] = _metafields(variant, writing)
    return body


def _option(product: Product, option: Option) -> Json:
    return {
        "name": option.name,
        "id": option.id,
        "product_id": product.id,
        "position": option.position,
        "values": [value.name for value in option.values],
    }


def _image(product: Product, position: int, image: Image, writing: Writing) -> Json:
    return {
        "id": image.id,
        "product_id": product.id,
        "position": position,
        "created_at": writing.time(image.created_at),
        "updated_at": writing.time(image.created_at),
        "alt": image.alt,
        "width": image.width,
        "height": image.height,
        "src": image.url,
        "variant_ids": [],
        "admin_graphql_api_id": gid("MediaImage", image.id),
    }


def _media(position: int, image: Image, writing: Writing) -> Json:
    preview = {"width": image.width, "height": image.height, "src": image.url, "status": "READY"}
    return {
        "id": image.id,
        "position": position,
        "created_at": writing.time(image.created_at),
        "updated_at": writing.time(image.created_at),
        "alt": image.alt,
        "status": "READY",
        "media_content_type": "IMAGE",
        "preview_image": preview,
        "variant_ids": [],
        "admin_graphql_api_id": gid("MediaImage", image.id),
    }


def _metafields(owner: Product | Variant, writing: Writing) -> list[Json]:
    kind = "product" if isinstance(owner, Product) else "variant"
    return [
        {
            "id": metafield.id,
            "namespace": metafield.namespace,
            "key": metafield.key,
            "value": _value(metafield) if writing.typed_values else metafield.value,
            "description": None,
            "owner_id": owner.id,
            "created_at": writing.time(metafield.created_at),
            "updated_at": writing.time(metafield.updated_at),
            "owner_resource": kind,
            "type": metafield.type,
            "admin_graphql_api_id": gid("Metafield", metafield.id),
        }
        for metafield in owner.metafields.values()
        if writing.wants(metafield)
    ]


def _value(metafield: Metafield) -> Any:
    match metafield.type:
        case "number_integer":
            return int(metafield.value)
        case "boolean":
            return metafield.value == "true"
        case _:
            return metafield.value


def level_body(level: Level, writing: Writing) -> Json:
    return {
        "inventory_item_id": level.item.id,
        "location_id": level.location.id,
        "available": level.quantity("available") if level.item.tracked else None,
        "updated_at": writing.time(level.updated_at),
        "admin_graphql_api_id": gid("InventoryLevel", level.id, f"inventory_item_id={level.item.id}"),
    }


def item_body(item: InventoryItem, writing: Writing) -> Json:
    origin = _item_origin(item)
    return {
        "id": item.id,
        "sku": item.sku,
        "created_at": writing.time(item.created_at),
        "updated_at": writing.time(item.updated_at),
        "requires_shipping": item.requires_shipping,
        "cost": _money(item.cost),
        **{key: value for key, value in origin.items() if key not in {"id", "admin_graphql_api_id"}},
        "tracked": item.tracked,
        "admin_graphql_api_id": origin["admin_graphql_api_id"],
    }


def _item_origin(item: InventoryItem) -> Json:
    return {
        "id": item.id,
        "country_code_of_origin": None,
        "province_code_of_origin": None,
        "harmonized_system_code": None,
        "country_harmonized_system_codes": [],
        "admin_graphql_api_id": gid("InventoryItem", item.id),
    }


def bulk_body(operation: BulkOperation, writing: Writing) -> Json:
    return {
        "admin_graphql_api_id": operation.gid,
        "completed_at": writing.time(operation.completed_at),
        "created_at": writing.time(operation.created_at),
        "error_code": operation.error_code and operation.error_code.lower(),
        "status": operation.status.lower(),
        "type": "query",
    }


def shop_body(writing: Writing) -> Json:
    """`app/uninstalled` carries the shop; only what this simulation knows of it."""
    return {
        "id": 1,
        "name": writing.identity.name,
        "domain": writing.identity.domain,
        "myshopify_domain": writing.identity.domain,
        "currency": writing.identity.currency,
        "iana_timezone": writing.identity.timezone,
    }


def _money(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:.2f}"


def _utc_ms(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
