"""Read fields: how each simulated field of the pruned schema is answered. The rest answers NOT_SIMULATED."""

import hashlib
import html
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from operator import attrgetter
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from sandbox.shopify import shapes
from sandbox.shopify.catalogue import has_only_default_variant
from sandbox.shopify.context import Info, Operation, Request, number_of, request_of
from sandbox.shopify.gids import gid, parse_gid
from sandbox.shopify.paging import Order, Page, page
from sandbox.shopify.refusals import bad_request, invalid_id, not_simulated
from sandbox.shopify.search import Field, parse_search
from sandbox.shopify.shop import Shop
from sandbox.shopify.stock import QuantityChange
from sandbox.shopify.subscriptions import Subscription

Resolver = Callable[..., Any]

QUANTITY_NAMES = frozenset({*shapes.ON_HAND_PARTS, "on_hand", "incoming"})
COUNT_LIMIT = 10_000
MAX_VARIANTS = 2048
MAX_OPTIONS = 3
LOCATION_LIMIT = 200
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read(name: str) -> Resolver:
    getter = attrgetter(name)
    return lambda source, _info, **_: getter(source)


def globally(kind: str) -> dict[str, Resolver]:
    """Id and legacyResourceId."""
    return {
        "id": lambda source, _info: gid(kind, source.id),
        "legacyResourceId": lambda source, _info: str(source.id),
    }


def times() -> dict[str, Resolver]:
    return {"createdAt": read("created_at"), "updatedAt": read("updated_at")}


def connection(items: Callable[[Any, Info, dict[str, Any]], Iterable[Any]], order: Order[Any]) -> Resolver:
    """A connection in one fixed order."""

    def resolve(source: Any, info: Info, **args: Any) -> Page[Any]:
        window = {key: args.pop(key, None) for key in ("first", "last", "after", "before")}
        reverse = args.pop("reverse", False)
        return page(list(items(source, info, args)), order, **window, reverse=reverse)

    return resolve


def count_of(number: int, limit: int | None = None) -> dict[str, Any]:
    if limit is not None and number > limit:
        return {"count": limit, "precision": "AT_LEAST"}
    return {"count": number, "precision": "EXACT"}


BY_ID: Order[Any] = Order(lambda item: item.id, lambda item: item.id)
BY_POSITION: Order[Any] = Order(lambda item: item.position, lambda item: item.id)
BY_CREATED: Order[Any] = Order(lambda item: _iso(item.created_at), lambda item: item.id)


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# Products


def _total(product: shapes.Product) -> int:
    return sum(variant.quantity for variant in product.variants if variant.item.tracked)


PRODUCT_ORDERS: dict[str, Order[shapes.Product]] = {
    "ID": BY_ID,
    "TITLE": Order(lambda p: p.title.lower(), lambda p: p.id),
    "CREATED_AT": BY_CREATED,
    "UPDATED_AT": Order(lambda p: _iso(p.updated_at), lambda p: p.id),
    "PUBLISHED_AT": Order(lambda p: _iso(p.published_at or EPOCH), lambda p: p.id),
    "PRODUCT_TYPE": Order(lambda p: p.product_type.lower(), lambda p: p.id),
    "VENDOR": Order(lambda p: p.vendor.lower(), lambda p: p.id),
    "INVENTORY_TOTAL": Order(_total, lambda p: p.id),
}

PRODUCT_SEARCH: dict[str, Field[shapes.Product]] = {
    "id": Field("number", lambda p: p.id),
    "title": Field("text", lambda p: p.title),
    "handle": Field("words", lambda p: [p.handle]),
    "status": Field("words", lambda p: [p.status]),
    "tag": Field("words", lambda p: p.tags),
    "product_type": Field("words", lambda p: [p.product_type]),
    "vendor": Field("words", lambda p: [p.vendor]),
    "sku": Field("words", lambda p: [v.item.sku or "" for v in p.variants]),
    "created_at": Field("time", lambda p: p.created_at),
    "updated_at": Field("time", lambda p: p.updated_at),
    "published_at": Field("time", lambda p: p.published_at),
    "inventory_total": Field("number", _total),
    "published_status": Field("words", lambda p: ["published" if p.published_at else "unpublished"]),
    "has_only_default_variant": Field("flag", has_only_default_variant),
}


def _words(product: shapes.Product) -> str:
    return " ".join([product.title, product.product_type, product.vendor, *product.tags])


def searched(info: Info, items: Iterable[Any], query: str | None, fields: Any, default: Any) -> list[Any]:
    """What the query leaves; its warnings go to `extensions.search`."""
    if not query:
        return list(items)
    request = request_of(info)
    found = parse_search(query, fields, default, request.shop.now())
    if found.warnings:
        warnings = [warning.as_json() for warning in found.warnings]
        request.search.append({"path": info.path.as_list(), "query": query, "warnings": warnings})
    return [item for item in items if found.matches(item)]


def products(_source: Any, info: Info, **args: Any) -> Page[shapes.Product]:
    if args.get("savedSearchId"):
        raise not_simulated("savedSearchId")
    sort_key = args.pop("sortKey")
    if sort_key == "RELEVANCE":
        raise not_simulated("sortKey RELEVANCE")
    found = searched(info, request_of(info).shop.products.values(), args.pop("query", None), PRODUCT_SEARCH, _words)
    return page(found, PRODUCT_ORDERS[sort_key], **args)


def products_count(_source: Any, info: Info, **args: Any) -> dict[str, Any]:
    if args.get("savedSearchId"):
        raise not_simulated("savedSearchId")
    found = searched(info, request_of(info).shop.products.values(), args.get("query"), PRODUCT_SEARCH, _words)
    return count_of(len(found), args.get("limit", COUNT_LIMIT))


def product_by_identifier(_source: Any, info: Info, identifier: dict[str, Any]) -> Any:
    shop = request_of(info).shop
    if "customId" in identifier:
        raise bad_request("Metafield definition of type 'id' is required when using custom ids.")
    if "handle" in identifier:
        return shop.products.get(shop.handles.get(identifier["handle"], 0))
    return shop.products.get(number_of(identifier["id"], "Product"))


def plain_text(product: shapes.Product, _info: Any, truncateAt: int | None = None) -> str:  # noqa: N803 - GraphQL's name
    text = html.unescape(re.sub(r"<[^>]+>", "", product.body_html)).strip()
    return text if truncateAt is None or len(text) <= truncateAt else f"{text[: max(0, truncateAt - 3)]}..."


def price_range(product: shapes.Product, info: Info) -> dict[str, Any]:
    currency = request_of(info).shop.identity.currency
    prices = [variant.price for variant in product.variants]
    return {
        "minVariantPrice": {"amount": min(prices), "currencyCode": currency},
        "maxVariantPrice": {"amount": max(prices), "currencyCode": currency},
    }


def options(product: shapes.Product, _info: Any, first: int | None = None) -> list[dict[str, Any]]:
    found = product.options if first is None else product.options[:first]
    return [option_of(product, option) for option in found]


def option_of(product: shapes.Product, option: shapes.Option) -> dict[str, Any]:
    index = product.options.index(option)
    used = {variant.option_values[index] for variant in product.variants}
    return {
        "id": gid("ProductOption", option.id),
        "name": option.name,
        "position": option.position,
        "values": [value.name for value in option.values if value.name in used],
        "optionValues": [option_value_of(value, used) for value in option.values],
    }


def option_value_of(value: shapes.OptionValue, used: set[str]) -> dict[str, Any]:
    return {
        "id": gid("ProductOptionValue", value.id),
        "name": value.name,
        "hasVariants": value.name in used,
    }


def selected_options(variant: shapes.Variant, _info: Any) -> list[dict[str, Any]]:
    return [
        {
            "name": option.name,
            "value": name,
            "optionValue": next(option_value_of(v, {name}) for v in option.values if v.name == name),
        }
        for option, name in zip(variant.product.options, variant.option_values, strict=True)
    ]


def published_on(product: shapes.Product, info: Info, publicationId: str) -> bool:  # noqa: N803
    number = number_of(publicationId, "Publication")
    if number not in request_of(info).shop.publications:
        raise invalid_id(publicationId)
    return number in product.publications and product.status in {"ACTIVE", "UNLISTED"}


def variant_published_on(variant: shapes.Variant, info: Info, publicationId: str) -> bool:  # noqa: N803
    return published_on(variant.product, info, publicationId)


# Metafields


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


# Stock


def levels(item: shapes.InventoryItem, info: Info, args: dict[str, Any]) -> list[shapes.Level]:
    if args.get("query"):
        raise not_simulated("query of inventoryLevels")
    _ = info
    return list(item.levels.values()) if args.get("includeInactive") else item.active_levels


def location_levels(location: shapes.Location, info: Info, args: dict[str, Any]) -> list[shapes.Level]:
    if args.get("query"):
        raise not_simulated("query of inventoryLevels")
    everything = request_of(info).shop.levels.values()
    return [x for x in everything if x.location is location and (x.active or args.get("includeInactive"))]


def level_at(item: shapes.InventoryItem, _info: Any, locationId: str, includeInactive: bool = False) -> Any:  # noqa: N803
    level = item.levels.get(number_of(locationId, "Location"))
    return level if level and (level.active or includeInactive) else None


def level_of_item(
    location: shapes.Location,
    info: Info,
    inventoryItemId: str,  # noqa: N803 - GraphQL's name
    includeInactive: bool = False,  # noqa: N803 - GraphQL's name
) -> Any:
    item = request_of(info).shop.items.get(number_of(inventoryItemId, "InventoryItem"))
    level = item.levels.get(location.id) if item else None
    return level if level and (level.active or includeInactive) else None


def quantities(level: shapes.Level, _info: Any, names: list[str]) -> list[dict[str, Any]]:
    for name in names:
        if name not in QUANTITY_NAMES:
            raise bad_request(f"The specified quantity name '{name}' is invalid.")
    return [
        {
            "id": gid("InventoryQuantity", level.id, f"inventory_item_id={level.item.id}&name={name}"),
            "name": name,
            "quantity": level.quantity(name),
            "updatedAt": level.updated_at,
        }
        for name in names
    ]


# Lookups


def look_up(kind: str, shelf: Callable[[Request], dict[int, Any]]) -> Resolver:
    def resolve(_source: Any, info: Info, id: str) -> Any:  # noqa: A002 - GraphQL's name
        return shelf(request_of(info)).get(number_of(id, kind))

    return resolve


SHELVES: dict[str, Callable[[Request], dict[int, Any]]] = {
    "Product": lambda request: request.shop.products,
    "ProductVariant": lambda request: request.shop.variants,
    "InventoryItem": lambda request: request.shop.items,
    "InventoryLevel": lambda request: request.shop.levels,
    "Location": lambda request: request.shop.locations,
    "Publication": lambda request: request.shop.publications,
    "WebhookSubscription": lambda request: request.backstage.subscriptions.all,
}


def node(_source: Any, info: Info, id: str) -> Any:  # noqa: A002 - GraphQL's name
    found = parse_gid(id)
    if found is None:
        raise invalid_id(id)
    if found.kind not in SHELVES:
        raise not_simulated(f"node of {found.kind}")
    return SHELVES[found.kind](request_of(info)).get(found.number)


def nodes(_source: Any, info: Info, ids: list[str]) -> list[Any]:
    return [node(None, info, id=one) for one in ids]


def location(_source: Any, info: Info, id: str | None = None) -> Any:  # noqa: A002 - GraphQL's name
    shop = request_of(info).shop
    return shop.default_location if id is None else shop.locations.get(number_of(id, "Location"))


def locations(_source: Any, info: Info, args: dict[str, Any]) -> list[shapes.Location]:
    if args.get("query"):
        raise not_simulated("query of locations")
    everything = request_of(info).shop.locations.values()
    return [found for found in everything if found.active or args.get("includeInactive")]


def variants_everywhere(_source: Any, info: Info, args: dict[str, Any]) -> list[shapes.Variant]:
    if args.get("savedSearchId"):
        raise not_simulated("savedSearchId")
    fields = {
        "id": Field[shapes.Variant]("number", lambda v: v.id),
        "product_id": Field[shapes.Variant]("number", lambda v: v.product.id),
        "sku": Field[shapes.Variant]("words", lambda v: [v.item.sku or ""]),
        "title": Field[shapes.Variant]("text", lambda v: v.title),
        "updated_at": Field[shapes.Variant]("time", lambda v: v.updated_at),
    }
    found = request_of(info).shop.variants.values()
    return searched(info, found, args.get("query"), fields, lambda v: f"{v.product.title} {v.title}")


def items_everywhere(_source: Any, info: Info, args: dict[str, Any]) -> list[shapes.InventoryItem]:
    fields = {
        "id": Field[shapes.InventoryItem]("number", lambda i: i.id),
        "sku": Field[shapes.InventoryItem]("words", lambda i: [i.sku or ""]),
        "created_at": Field[shapes.InventoryItem]("time", lambda i: i.created_at),
        "updated_at": Field[shapes.InventoryItem]("time", lambda i: i.updated_at),
    }
    return searched(info, request_of(info).shop.items.values(), args.get("query"), fields, lambda i: i.sku or "")


def subscriptions(_source: Any, info: Info, args: dict[str, Any]) -> list[Subscription]:
    if args.get("query"):
        raise not_simulated("query of webhookSubscriptions")
    found = list(request_of(info).backstage.subscriptions.all.values())
    if topics := args.get("topics"):
        found = [s for s in found if s.topic in topics]
    if uri := args.get("uri") or args.get("callbackUrl"):
        found = [s for s in found if s.uri == uri]
    return [s for s in found if s.format == args.get("format", s.format)]


EVENT_SEARCH: dict[str, Field[shapes.Destroyed]] = {
    "id": Field("number", lambda e: e.id),
    "action": Field("words", lambda _: ["destroy"]),
    "subject_type": Field("words", lambda _: ["PRODUCT"]),
    "created_at": Field("time", lambda e: e.at),
}
BY_EVENT_ID: Order[shapes.Destroyed] = Order(lambda e: e.id, lambda e: e.id)
BY_EVENT_TIME: Order[shapes.Destroyed] = Order(lambda e: _iso(e.at), lambda e: e.id)


def events(_source: Any, info: Info, **args: Any) -> Page[shapes.Destroyed]:
    """Only destroys of products are simulated; a query that asks for them, and nothing wider, is answered."""
    query = args.pop("query", None) or ""
    order = BY_EVENT_TIME if args.pop("sortKey") == "CREATED_AT" else BY_EVENT_ID
    if not re.search(r"\baction:['\"]?destroy\b", query):
        raise not_simulated("events other than action:destroy")
    found = searched(info, request_of(info).shop.destroyed, query, EVENT_SEARCH, lambda e: e.title)
    return page(found, order, **args)


def product_operation(_source: Any, info: Info, id: str) -> Operation | None:  # noqa: A002
    found = parse_gid(id)
    if found is None:
        raise invalid_id(id)
    return request_of(info).backstage.operations.get(found.number)


def shop_of(_source: Any, info: Info) -> Shop:
    return request_of(info).shop


def later(what: str) -> Resolver:
    def resolve(_source: Any, _info: Info, **_: Any) -> Any:
        raise not_simulated(what)

    return resolve


QUERY: dict[str, Resolver] = {
    "product": look_up("Product", SHELVES["Product"]),
    "productByIdentifier": product_by_identifier,
    "productByHandle": lambda source, info, handle: product_by_identifier(source, info, {"handle": handle}),
    "products": products,
    "productsCount": products_count,
    "productVariant": look_up("ProductVariant", SHELVES["ProductVariant"]),
    "productVariants": connection(variants_everywhere, BY_ID),
    # `query` is ignored, as Shopify ignores it (FACTS 2.6)
    "productVariantsCount": lambda _, info, limit=COUNT_LIMIT, **__: count_of(
        len(request_of(info).shop.variants), limit
    ),
    "productOperation": product_operation,
    "node": node,
    "nodes": nodes,
    "inventoryItem": look_up("InventoryItem", SHELVES["InventoryItem"]),
    "inventoryItems": connection(items_everywhere, BY_ID),
    "inventoryLevel": look_up("InventoryLevel", SHELVES["InventoryLevel"]),
    "location": location,
    "locations": connection(locations, BY_ID),
    "publications": connection(lambda _, info, __: request_of(info).shop.publications.values(), BY_ID),
    "shop": shop_of,
    "webhookSubscription": look_up("WebhookSubscription", SHELVES["WebhookSubscription"]),
    "webhookSubscriptions": connection(subscriptions, BY_CREATED),
    "webhookSubscriptionsCount": lambda _, info, limit=COUNT_LIMIT, **__: count_of(
        len(request_of(info).backstage.subscriptions.all), limit
    ),
    "events": events,
    "bulkOperation": later("Bulk operations"),
    "bulkOperations": later("Bulk operations"),
    "currentBulkOperation": later("Bulk operations"),
}

FIRST_IMAGE: Resolver = lambda product, _info, **_: product.images[0] if product.images else None  # noqa: E731 - a table row

TYPES: dict[str, dict[str, Resolver]] = {
    "Product": {
        **globally("Product"),
        **times(),
        **HAS_METAFIELDS,
        "description": plain_text,
        "descriptionHtml": read("body_html"),
        "featuredImage": FIRST_IMAGE,
        "featuredMedia": FIRST_IMAGE,
        "handle": read("handle"),
        "hasOnlyDefaultVariant": lambda product, _: has_only_default_variant(product),
        "hasOutOfStockVariants": lambda product, _: any(v.item.tracked and v.quantity <= 0 for v in product.variants),
        "images": connection(lambda product, _, __: product.images, BY_ID),
        "media": connection(lambda product, _, __: product.images, BY_ID),
        "options": options,
        "priceRangeV2": price_range,
        "productType": read("product_type"),
        "publishedAt": read("published_at"),
        "publishedOnPublication": published_on,
        "resourcePublicationsCount": lambda product, _, **__: count_of(len(product.publications)),
        "seo": lambda product, _: {"title": product.seo_title, "description": product.seo_description},
        "status": read("status"),
        "tags": lambda product, _: sorted(product.tags),
        "templateSuffix": read("template_suffix"),
        "title": read("title"),
        "totalInventory": lambda product, _: _total(product),
        "tracksInventory": lambda product, _: any(v.item.tracked for v in product.variants),
        "variants": connection(lambda product, _, args: _plain_order(product.variants, args), BY_POSITION),
        "variantsCount": lambda product, _: count_of(len(product.variants)),
        "vendor": read("vendor"),
    },
    "ProductVariant": {
        **globally("ProductVariant"),
        **times(),
        **HAS_METAFIELDS,
        "availableForSale": read("for_sale"),
        "barcode": read("barcode"),
        "compareAtPrice": read("compare_at_price"),
        "displayName": lambda variant, _: f"{variant.product.title} - {variant.title}",
        "inventoryItem": read("item"),
        "inventoryPolicy": read("inventory_policy"),
        "inventoryQuantity": read("quantity"),
        "position": read("position"),
        "price": read("price"),
        "product": read("product"),
        "publishedOnPublication": variant_published_on,
        "selectedOptions": selected_options,
        "sku": read("item.sku"),
        "taxable": read("taxable"),
        "title": read("title"),
    },
    "Metafield": {
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
    },
    "Image": {
        "id": lambda image, _: gid("ProductImage", image.id),
        "altText": read("alt"),
        "height": read("height"),
        "url": read("url"),
        "width": read("width"),
    },
    "MediaImage": {
        "id": lambda image, _: gid("MediaImage", image.id),
        "alt": read("alt"),
        "createdAt": read("created_at"),
        "updatedAt": read("created_at"),
        "image": lambda image, _: image,
        "mediaContentType": lambda _, __: "IMAGE",
        "status": lambda _, __: "READY",
        "preview": lambda image, _: {"image": image, "status": "READY"},
    },
    "InventoryItem": {
        **globally("InventoryItem"),
        **times(),
        "inventoryLevel": level_at,
        "inventoryLevels": connection(levels, BY_ID),
        "locationsCount": lambda item, _: count_of(len(item.active_levels)),
        "requiresShipping": read("requires_shipping"),
        "sku": read("sku"),
        "tracked": read("tracked"),
        "variant": read("variant"),
        "variants": connection(lambda item, _, __: [item.variant], BY_POSITION),
    },
    "InventoryLevel": {
        **times(),
        "id": lambda level, _: gid("InventoryLevel", level.id, f"inventory_item_id={level.item.id}"),
        "isActive": read("active"),
        "item": read("item"),
        "location": read("location"),
        "quantities": quantities,
    },
    "InventoryChange": {
        "delta": read("delta"),
        "item": read("item"),
        "ledgerDocumentUri": read("ledger_document_uri"),
        "location": read("location"),
        "name": read("name"),
        "quantityAfterChange": lambda _, __: None,  # always null, observed
    },
    "Location": {
        **globally("Location"),
        **times(),
        "address": lambda found, _: {"city": found.city, "countryCode": found.country_code},
        "fulfillsOnlineOrders": lambda _, __: True,
        "inventoryLevel": level_of_item,
        "inventoryLevels": connection(location_levels, BY_ID),
        "isActive": read("active"),
        "name": read("name"),
    },
    "Publication": {
        "id": lambda publication, _: gid("Publication", publication.id),
        "autoPublish": read("auto_publish"),
        "name": read("name"),
        "supportsFuturePublishing": lambda _, __: False,
    },
    "Shop": {
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
    },
    "BasicEvent": {
        "id": lambda event, _: gid("BasicEvent", event.id),
        "action": lambda _, __: "destroy",
        "createdAt": read("at"),
        "message": lambda event, _: f"deleted product: {event.title}.",
        "subjectId": lambda event, _: gid("Product", event.product_id),
        "subjectType": lambda _, __: "PRODUCT",
    },
    "WebhookSubscription": {
        **globally("WebhookSubscription"),
        **times(),
        "apiVersion": lambda s, _: {"handle": s.api_version, "displayName": s.api_version, "supported": True},
        "callbackUrl": read("uri"),
        "endpoint": lambda s, _: {"__typename": "WebhookHttpEndpoint", "callbackUrl": s.uri},
        "filter": read("filter"),
        "format": read("format"),
        "includeFields": read("include_fields"),
        "metafieldNamespaces": read("metafield_namespaces"),
        "metafields": lambda s, _: [{"namespace": namespace, "key": key} for namespace, key in s.metafields],
        "name": read("name"),
        "topic": read("topic"),
        "uri": read("uri"),
    },
    **{
        kind: {
            "id": lambda operation, _: gid(operation.kind, operation.id),
            "product": lambda operation, info: request_of(info).shop.products.get(operation.product_id),
            "status": lambda _, __: "COMPLETE",
            "userErrors": lambda _, __: [],
            "deletedProductId": lambda operation, _: (
                operation.deleted_product_id and gid("Product", operation.deleted_product_id)
            ),
        }
        for kind in ("ProductSetOperation", "ProductDeleteOperation")
    },
}

# Answered from the attributes or keys of what their parent resolved to.
PLAIN_TYPES: frozenset[str] = frozenset(
    {"Count", "SEO", "MoneyV2", "ProductPriceRangeV2", "ProductOption", "ProductOptionValue", "SelectedOption",
     "MediaPreviewImage", "InventoryQuantity", "InventoryAdjustmentGroup", "LocationAddress", "ShopPlan",
     "ShopResourceLimits", "ApiVersion", "WebhookHttpEndpoint", "WebhookSubscriptionMetafieldIdentifier",
     "MetafieldIdentifier", "PageInfo"}
)  # fmt: skip

KINDS: dict[type, str] = {
    shapes.Product: "Product",
    shapes.Variant: "ProductVariant",
    shapes.InventoryItem: "InventoryItem",
    shapes.Level: "InventoryLevel",
    shapes.Metafield: "Metafield",
    shapes.Location: "Location",
    shapes.Publication: "Publication",
    shapes.Destroyed: "BasicEvent",
    shapes.Image: "MediaImage",
    Subscription: "WebhookSubscription",
    Shop: "Shop",
    QuantityChange: "InventoryChange",
}


def kind_of(value: Any, *_: Any) -> str:
    """The object type behind an interface or a union."""
    if isinstance(value, Operation):
        return value.kind
    return value["__typename"] if isinstance(value, dict) else KINDS[type(value)]


def _plain_order(variants: list[shapes.Variant], args: dict[str, Any]) -> list[shapes.Variant]:
    if args.get("sortKey", "POSITION") not in {"POSITION", "ID"}:
        raise not_simulated(f"sortKey {args['sortKey']} of variants")
    return variants


def _offset(minutes: int) -> str:
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02d}{abs(minutes) % 60:02d}"


def offset_minutes(zone: str, at: datetime) -> int:
    """The shop's UTC offset now; webhook times are printed in it."""
    offset = at.astimezone(ZoneInfo(zone)).utcoffset() or timedelta()
    return int(offset.total_seconds() // 60)


def money(amount: Decimal) -> str:
    return f"{amount:.2f}"
