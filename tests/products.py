"""One product in both of Shopify's spellings (docs/shopify.md 1.7, documents/product.graphql), and what was seen of it.

Times are whole seconds after `START`; `seen` may have a fraction.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import orjson

from shared.contracts import InventoryLevelChangedV1, Origin, ProductChangedV1, ProductDeletedV1, Shape

START = datetime(2026, 11, 5, 9, 0, tzinfo=UTC)
SHOP = "blue-hall.myshopify.com"
SHOP_TIME = timezone(timedelta(hours=1))  # webhooks spell times in the shop's offset, reads in UTC
PRODUCT, VARIANT, ITEM, LOCATION = 8012345678901, 4412345678901, 5512345678901, 66123
JOB = UUID("0199a0b0-7d6e-7000-8000-000000000001")

Quantities = tuple[int | None, int, int]  # available, committed, on_hand


@dataclass(frozen=True)
class Variant:
    id: int = VARIANT
    title: str = "Standing"
    price: str = "25.00"
    compare_at_price: str | None = None
    sku: str | None = "ST-1"
    position: int = 1
    oversells: bool = False
    item: int = ITEM
    quantity: int | None = 100
    updated: int = 0
    tracked: bool = True
    metafields: dict[str, str] = field(default_factory=dict)
    levels: dict[int, Quantities | None] = field(default_factory=lambda: {LOCATION: (100, 0, 100)})
    levels_updated: int = 0


@dataclass(frozen=True)
class Product:
    id: int = PRODUCT
    handle: str = "jazz-night"
    title: str = "Jazz Night"
    html: str = "<p>Doors open at 7</p>"
    status: str = "active"
    type: str = "music"
    tags: tuple[str, ...] = ("jazz", "live")
    images: tuple[tuple[str, str | None], ...] = (
        ("https://cdn.example/a.jpg", "A"),
        ("https://cdn.example/b.jpg", None),
    )
    created: int = -3600
    updated: int = 0
    metafields: dict[str, str] = field(default_factory=dict)
    variants: tuple[Variant, ...] = (Variant(),)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def many(number: int, **more: Any) -> tuple[Variant, ...]:
    return tuple(
        Variant(id=VARIANT + n, item=ITEM + n, title=f"Row {n}", position=n + 1, **more) for n in range(number)
    )


def body(
    product: Product, *, gids: bool = True, metafields: bool = True, variant_metafields: bool = False, **more: Any
) -> bytes:
    """The body of a webhook; `more` replaces keys."""
    spelled = {
        "admin_graphql_api_id": f"gid://shopify/Product/{product.id}",
        "body_html": product.html,
        "created_at": _local(product.created),
        "handle": product.handle,
        "id": product.id,
        "product_type": product.type,
        "title": product.title,
        "updated_at": _local(product.updated),
        "status": product.status,
        "tags": ", ".join(product.tags),
        "variants": [_in_body(variant, variant_metafields) for variant in product.variants[:100]],
        "images": [
            {"id": place, "src": url, "alt": alt, "position": place}
            for place, (url, alt) in enumerate(product.images, 1)
        ][::-1],
    }
    if gids:
        spelled["variant_gids"] = [
            {
                "admin_graphql_api_id": f"gid://shopify/ProductVariant/{variant.id}",
                "updated_at": at(variant.updated).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            }
            for variant in product.variants
        ]
    if metafields:
        spelled["metafields"] = _metafields(product.metafields)
    return orjson.dumps(spelled | more)


def node(product: Product) -> dict[str, Any]:
    """The `Product` node of a read that followed every page."""
    return {
        "id": f"gid://shopify/Product/{product.id}",
        "legacyResourceId": str(product.id),
        "handle": product.handle,
        "title": product.title,
        "descriptionHtml": product.html,
        "status": product.status.upper(),
        "productType": product.type,
        "tags": list(product.tags),
        "createdAt": _utc(product.created),
        "updatedAt": _utc(product.updated),
        "media": {"nodes": [{"alt": alt or "", "image": {"url": url}} for url, alt in product.images]},
        "metafields": {"nodes": _metafields(product.metafields)},
        "variants": {"nodes": [_in_node(variant) for variant in product.variants]},
    }


def by_webhook(product: Product, seen: float | None = None, **spelling: Any) -> ProductChangedV1:
    moment = at(product.updated if seen is None else seen)
    return ProductChangedV1(
        id=f"webhook:{product.id}:{moment.timestamp()}", source="test", subject=f"product/{product.id}", time=moment,
        origin=Origin.WEBHOOK, triggered_at=moment, shop=SHOP, topic="products/update", product_id=product.id,
        shape=Shape.WEBHOOK, body=body(product, **spelling),
    )  # fmt: skip


def by_read(product: Product, seen: float | None = None) -> ProductChangedV1:
    moment = at(product.updated if seen is None else seen)
    return ProductChangedV1(
        id=f"refetch:{product.id}:{moment.timestamp()}", source="test", subject=f"product/{product.id}", time=moment,
        origin=Origin.REFETCH, triggered_at=moment, shop=SHOP, product_id=product.id,
        shape=Shape.GRAPHQL, body=orjson.dumps(node(product)),
    )  # fmt: skip


def by_answer(
    product: Product, seen: float | None = None, job: str | UUID = JOB, *, metafields: bool = True
) -> ProductChangedV1:
    """As the mutation of a job answered it that left at `seen`."""
    moment = at(product.updated if seen is None else seen)
    unsaid = {"variants", "media", *(() if metafields else ("metafields",))}
    said = {name: value for name, value in node(product).items() if name not in unsaid}
    return ProductChangedV1(
        id=f"command:{job}", source="test", subject=f"product/{product.id}", time=moment, origin=Origin.COMMAND,
        triggered_at=moment, shop=SHOP, caused_by=str(job), product_id=product.id, shape=Shape.ANSWER,
        body=orjson.dumps(said),
    )  # fmt: skip


def deletion(product_id: int = PRODUCT, seen: float = 0, origin: Origin = Origin.WEBHOOK) -> ProductDeletedV1:
    return ProductDeletedV1(
        id=f"delete:{product_id}:{seen}", source="test", subject=f"product/{product_id}", time=at(seen),
        origin=origin, triggered_at=at(seen), shop=SHOP, product_id=product_id, body=orjson.dumps({"id": product_id}),
    )  # fmt: skip


def level(
    available: int | None, updated: int | None, seen: float | None = None, item: int = ITEM, location: int = LOCATION
) -> InventoryLevelChangedV1:
    """`updated` None: the body of a disconnect, which says neither a time nor a number."""
    moment = at(seen if seen is not None else updated or 0)
    spelled: dict[str, Any] = {"inventory_item_id": item, "location_id": location}
    if updated is not None:
        spelled |= {"available": available, "updated_at": _local(updated)}
    return InventoryLevelChangedV1(
        id=f"level:{item}:{location}:{moment.timestamp()}", source="test", subject=f"inventory/{item}", time=moment,
        origin=Origin.WEBHOOK, triggered_at=moment, shop=SHOP, inventory_item_id=item, location_id=location,
        body=orjson.dumps(spelled),
    )  # fmt: skip


def _in_body(variant: Variant, with_metafields: bool) -> dict[str, Any]:
    spelled = {
        "id": variant.id,
        "title": variant.title,
        "price": variant.price,
        "compare_at_price": variant.compare_at_price,
        "sku": variant.sku,
        "position": variant.position,
        "inventory_policy": "continue" if variant.oversells else "deny",
        "inventory_item_id": variant.item,
        "inventory_quantity": variant.quantity,
        "updated_at": _local(variant.updated),
    }
    return spelled | ({"metafields": _metafields(variant.metafields)} if with_metafields else {})


def _in_node(variant: Variant) -> dict[str, Any]:
    levels = [_level_node(place, numbers, variant.levels_updated) for place, numbers in variant.levels.items()]
    return {
        "legacyResourceId": str(variant.id),
        "title": variant.title,
        "sku": variant.sku,
        "price": variant.price,
        "compareAtPrice": variant.compare_at_price,
        "position": variant.position,
        "inventoryPolicy": "CONTINUE" if variant.oversells else "DENY",
        "inventoryQuantity": variant.quantity,
        "updatedAt": _utc(variant.updated),
        "metafields": {"nodes": _metafields(variant.metafields)},
        "inventoryItem": {
            "legacyResourceId": str(variant.item),
            "tracked": variant.tracked,
            "inventoryLevels": {"nodes": levels},
        },
    }


def _level_node(location: int, numbers: Quantities | None, updated: int) -> dict[str, Any]:
    """None: stocked there once."""
    names = ("available", "committed", "on_hand")
    return {
        "isActive": numbers is not None,
        "updatedAt": _utc(updated),
        "location": {"legacyResourceId": str(location)},
        "quantities": [{"name": name, "quantity": number} for name, number in zip(names, numbers or (), strict=False)],
    }


def _metafields(named: dict[str, str]) -> list[dict[str, str]]:
    split = [(name.partition("."), value) for name, value in named.items()]
    return [{"namespace": name[0], "key": name[2], "value": value} for name, value in split]


def _local(seconds: int) -> str:
    return at(seconds).astimezone(SHOP_TIME).isoformat(timespec="seconds")


def _utc(seconds: int) -> str:
    return at(seconds).strftime("%Y-%m-%dT%H:%M:%SZ")
