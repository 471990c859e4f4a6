"""Variants: everywhere, and the fields of one."""

from typing import Any

from sandbox.shopify import shapes
from sandbox.shopify.context import Info, request_of
from sandbox.shopify.reading.fields import Resolver, globally, read, searched, times
from sandbox.shopify.reading.metafields import HAS_METAFIELDS
from sandbox.shopify.reading.products import option_value_of, published_on
from sandbox.shopify.refusals import not_simulated
from sandbox.shopify.search import Field


def variants_everywhere(_source: Any, info: Info, args: dict[str, Any]) -> list[shapes.Variant]:
    if args.get("savedSearchId"):
        raise not_simulated("savedSearchId")
    fields: dict[str, Field[shapes.Variant]] = {
        "id": Field("number", lambda v: v.id),
        "product_id": Field("number", lambda v: v.product.id),
        "sku": Field("words", lambda v: [v.item.sku or ""]),
        "title": Field("text", lambda v: v.title),
        "updated_at": Field("time", lambda v: v.updated_at),
    }
    found = request_of(info).shop.variants.values()
    return searched(info, found, args.get("query"), fields, lambda v: f"{v.product.title} {v.title}")


def selected_options(variant: shapes.Variant, _info: Any) -> list[dict[str, Any]]:
    return [
        {
            "name": option.name,
            "value": name,
            "optionValue": next(option_value_of(v, {name}) for v in option.values if v.name == name),
        }
        for option, name in zip(variant.product.options, variant.option_values, strict=True)
    ]


def variant_published_on(variant: shapes.Variant, info: Info, publicationId: str) -> bool:  # noqa: N803
    return published_on(variant.product, info, publicationId)


VARIANT: dict[str, Resolver] = {
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
}
