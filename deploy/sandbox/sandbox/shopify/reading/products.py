"""Products: lists, searches, and the fields of one; its options and pictures."""

import html
import re
from typing import Any

from sandbox.shopify import shapes
from sandbox.shopify.catalogue import has_only_default_variant
from sandbox.shopify.context import Info, number_of, request_of
from sandbox.shopify.gids import gid
from sandbox.shopify.paging import Order
from sandbox.shopify.reading.fields import (
    BY_CREATED,
    BY_ID,
    BY_POSITION,
    COUNT_LIMIT,
    EPOCH,
    Connection,
    Resolver,
    connection,
    count_of,
    globally,
    iso,
    read,
    searched,
    times,
)
from sandbox.shopify.reading.metafields import HAS_METAFIELDS
from sandbox.shopify.refusals import bad_request, invalid_id, not_simulated
from sandbox.shopify.search import Field

PRODUCT_ORDERS: dict[str, Order[shapes.Product]] = {
    "ID": BY_ID,
    "TITLE": Order(lambda p: p.title.lower(), lambda p: p.id),
    "CREATED_AT": BY_CREATED,
    "UPDATED_AT": Order(lambda p: iso(p.updated_at), lambda p: p.id),
    "PUBLISHED_AT": Order(lambda p: iso(p.published_at or EPOCH), lambda p: p.id),
    "PRODUCT_TYPE": Order(lambda p: p.product_type.lower(), lambda p: p.id),
    "VENDOR": Order(lambda p: p.vendor.lower(), lambda p: p.id),
    "INVENTORY_TOTAL": Order(lambda p: p.total_inventory, lambda p: p.id),
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
    "inventory_total": Field("number", lambda p: p.total_inventory),
    "published_status": Field("words", lambda p: ["published" if p.published_at else "unpublished"]),
    "has_only_default_variant": Field("flag", has_only_default_variant),
}


def words(product: shapes.Product) -> str:
    return " ".join([product.title, product.product_type, product.vendor, *product.tags])


def found_products(_source: Any, info: Info, args: dict[str, Any]) -> list[shapes.Product]:
    if args.get("savedSearchId"):
        raise not_simulated("savedSearchId")
    if args.get("sortKey") == "RELEVANCE":
        raise not_simulated("sortKey RELEVANCE")
    query, shop, index = args.get("query"), request_of(info).shop, request_of(info).backstage.index
    if query and index.lag:
        found = searched(info, index.entries(), query, index.fields, lambda entry: entry.words)
        return [entry.product for entry in found if entry.product.id in shop.products]
    return searched(info, shop.products.values(), query, PRODUCT_SEARCH, words)


def order_of_products(info: Info, args: dict[str, Any]) -> Order[shapes.Product]:
    index = request_of(info).backstage.index
    return index.order(args["sortKey"]) if args.get("query") and index.lag else PRODUCT_ORDERS[args["sortKey"]]


def products_count(_source: Any, info: Info, **args: Any) -> dict[str, Any]:
    if args.get("savedSearchId"):
        raise not_simulated("savedSearchId")
    query, index = args.get("query"), request_of(info).backstage.index
    if query and index.lag:
        indexed = searched(info, index.entries(), query, index.fields, lambda entry: entry.words)
        return count_of(len(indexed), args.get("limit", COUNT_LIMIT))
    found = searched(info, request_of(info).shop.products.values(), query, PRODUCT_SEARCH, words)
    return count_of(len(found), args.get("limit", COUNT_LIMIT))


PRODUCTS = Connection(found_products, order_of_products)


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


def published_on(product: shapes.Product, info: Info, publicationId: str) -> bool:  # noqa: N803
    number = number_of(publicationId, "Publication")
    if number not in request_of(info).shop.publications:
        raise invalid_id(publicationId)
    return number in product.publications and product.status in {"ACTIVE", "UNLISTED"}


def _plain_order(variants: list[shapes.Variant], args: dict[str, Any]) -> list[shapes.Variant]:
    if args.get("sortKey", "POSITION") not in {"POSITION", "ID"}:
        raise not_simulated(f"sortKey {args['sortKey']} of variants")
    return variants


FIRST_IMAGE: Resolver = lambda product, _info, **_: product.images[0] if product.images else None  # noqa: E731 - a table row

PRODUCT: dict[str, Resolver] = {
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
    "mediaCount": lambda product, _: count_of(len(product.images)),
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
    "totalInventory": lambda product, info: request_of(info).shop.total_inventory(product),
    "tracksInventory": lambda product, _: any(v.item.tracked for v in product.variants),
    "variants": connection(lambda product, _, args: _plain_order(product.variants, args), BY_POSITION),
    "variantsCount": lambda product, _: count_of(len(product.variants)),
    "vendor": read("vendor"),
}

IMAGE: dict[str, Resolver] = {
    "id": lambda image, _: gid("ProductImage", image.id),
    "altText": read("alt"),
    "height": read("height"),
    "url": read("url"),
    "width": read("width"),
}

MEDIA_IMAGE: dict[str, Resolver] = {
    "id": lambda image, _: gid("MediaImage", image.id),
    "alt": read("alt"),
    "createdAt": read("created_at"),
    "updatedAt": read("created_at"),
    "image": lambda image, _: image,
    "mediaContentType": lambda _, __: "IMAGE",
    "status": lambda _, __: "READY",
    "preview": lambda image, _: {"image": image, "status": "READY"},
}
