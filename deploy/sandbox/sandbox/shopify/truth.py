"""The shop as plain JSON, whole and by REST-like names: what a checker compares a projection to. Pure."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sandbox.shopify.shapes import Level, Metafield, Product, Variant
from sandbox.shopify.shop import JournalEntry

Json = dict[str, Any]


def product_truth(product: Product) -> Json:
    return {
        "id": product.id,
        "handle": product.handle,
        "title": product.title,
        "body_html": product.body_html,
        "vendor": product.vendor,
        "product_type": product.product_type,
        "status": product.status.lower(),
        "tags": product.tags,
        "created_at": iso(product.created_at),
        "updated_at": iso(product.updated_at),
        "published_at": iso(product.published_at),
        "images": [{"url": image.url, "alt": image.alt} for image in product.images],
        "options": [{"name": o.name, "values": [value.name for value in o.values]} for o in product.options],
        "metafields": metafields_truth(product.metafields.values()),
        "variants": [variant_truth(variant) for variant in product.variants],
    }


def variant_truth(variant: Variant) -> Json:
    return {
        "id": variant.id,
        "product_id": variant.product.id,
        "title": variant.title,
        "price": money(variant.price),
        "compare_at_price": money(variant.compare_at_price),
        "sku": variant.item.sku,
        "barcode": variant.barcode,
        "position": variant.position,
        "inventory_policy": variant.inventory_policy.lower(),
        "inventory_item_id": variant.item.id,
        "tracked": variant.item.tracked,
        "inventory_quantity": variant.quantity,
        "created_at": iso(variant.created_at),
        "updated_at": iso(variant.updated_at),
        "levels": [level_truth(level) for level in variant.item.active_levels],
        "metafields": metafields_truth(variant.metafields.values()),
    }


def level_truth(level: Level) -> Json:
    return {
        "inventory_item_id": level.item.id,
        "location_id": level.location.id,
        "available": level.quantity("available"),
        "committed": level.quantity("committed"),
        "on_hand": level.quantity("on_hand"),
        "updated_at": iso(level.updated_at),
    }


def metafields_truth(metafields: Any) -> list[Json]:
    found: list[Metafield] = list(metafields)
    return [{"id": m.id, "namespace": m.namespace, "key": m.key, "type": m.type, "value": m.value} for m in found]


def journal_truth(entry: JournalEntry) -> Json:
    return {
        "sequence": entry.sequence,
        "at": iso(entry.at),
        "origin": entry.origin,
        "action": entry.action,
        "input": plain(entry.input),
        "effects": entry.effects,
        "user_errors": entry.user_errors,
        "request": entry.admission.number if entry.admission else None,
        "admitted_at": iso(entry.admission.at) if entry.admission else None,
    }


def plain(value: Any) -> Any:
    """Arguments as JSON: decimals and times as strings."""
    match value:
        case dict():
            return {key: plain(one) for key, one in value.items()}
        case list():
            return [plain(one) for one in value]
        case Decimal():
            return str(value)
        case datetime():
            return iso(value)
        case _:
            return value


def iso(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def money(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:.2f}"
