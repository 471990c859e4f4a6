"""Input checks that several mutations share: titles, handles, prices, metafields, option values. No effects."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from sandbox.shopify.catalogue import MetafieldDraft, VariantDraft, free_handle, slug
from sandbox.shopify.context import number_of
from sandbox.shopify.refusals import UserError, refuse
from sandbox.shopify.shapes import Product
from sandbox.shopify.shop import Shop

MAX_TEXT = 255  # characters
MAX_TAGS = 250
MAX_PRICE = Decimal(10) ** 18
PRODUCT_TEXTS = {"title": "Title", "handle": "Handle", "vendor": "Vendor", "productType": "Product type"}
PLAIN_FIELDS = {
    "title": "title",
    "descriptionHtml": "body_html",
    "vendor": "vendor",
    "productType": "product_type",
    "status": "status",
    "templateSuffix": "template_suffix",
}


def text_errors(wanted: dict[str, Any]) -> list[UserError]:
    errors = []
    for name, label in PRODUCT_TEXTS.items():
        if len(wanted.get(name) or "") > MAX_TEXT:
            errors.append(UserError([name], f"{label} is too long (maximum is 255 characters)"))
            if name == "productType":
                message = "Custom product type is too long (maximum is 255 characters)"
                errors.append(UserError(["customProductType"], message))
    tags = tags_of(wanted.get("tags"))
    if len(tags) > MAX_TAGS or any(len(tag) > MAX_TEXT for tag in tags):
        errors.append(UserError(["tags"], "Product tags is invalid"))
    return errors


def product_fields(shop: Shop, wanted: dict[str, Any], own: Product | None) -> dict[str, Any]:
    """`Product` attributes from a product input; None for a text means empty.

    Raises:
        Refused: the handle belongs to another product.

    """
    fields = {ours: wanted[name] for name, ours in PLAIN_FIELDS.items() if name in wanted}
    for name in ("body_html", "vendor", "product_type"):
        if name in fields and fields[name] is None:
            fields[name] = shop.identity.name if name == "vendor" else ""
    if "tags" in wanted:
        fields["tags"] = tags_of(wanted["tags"])
    if "seo" in wanted:
        seo = wanted["seo"] or {}
        fields |= {"seo_title": seo.get("title"), "seo_description": seo.get("description")}
    if wanted.get("handle"):
        fields["handle"] = _handle(shop, wanted["handle"], own)
    elif own is None:
        fields["handle"] = free_handle(shop, slug(wanted["title"]))
    return fields


def _handle(shop: Shop, wanted: str, own: Product | None) -> str:
    handle = slug(wanted)
    holder = shop.handles.get(handle)
    if holder is not None and (own is None or holder != own.id):
        message = f"Handle '{wanted}' already in use. Please provide a new handle."
        raise refuse(["input", "handle"], message, "HANDLE_NOT_UNIQUE")
    return handle


def tags_of(tags: Iterable[str] | None) -> list[str]:
    """Trimmed, split at commas, once each whatever their case; sorted as Shopify gives them back."""
    found: dict[str, str] = {}
    for tag in tags or ():
        for part in tag.split(","):
            if part.strip():
                found.setdefault(part.strip().lower(), part.strip())
    return sorted(found.values())


def price_errors(wanted: dict[str, Any], field: list[str], code: str = "GREATER_THAN_OR_EQUAL_TO") -> list[UserError]:
    """`code` is that of a negative price: it differs from mutation to mutation."""
    price, compare = wanted.get("price"), wanted.get("compareAtPrice")
    if price is not None and price < 0:
        return [UserError([*field, "price"], "Price must be greater than or equal to 0", code)]
    if price is not None and price >= MAX_PRICE:
        return [UserError(field, "must be less than 1000000000000000000")]
    if compare is not None and compare < 0:
        return [UserError(field, "must be greater than or equal to 0")]
    if compare is not None and compare >= MAX_PRICE:
        return [UserError([*field, "compareAtPrice"], "must be less than 1000000000000000000", "INVALID_INPUT")]
    return []


def cost_errors(
    item: dict[str, Any] | None, field: list[str], code: str, too_high: str | None = None
) -> list[UserError]:
    """`code` is that of a negative cost; `too_high`, of one that is too high, is the same unless given."""
    cost = (item or {}).get("cost")
    here = [*field, "inventoryItem", "cost"]
    if cost is not None and cost < 0:
        return [UserError(here, "Cost per item must be greater than or equal to 0", code)]
    if cost is not None and cost >= MAX_PRICE:
        return [UserError(here, "Cost per item must be less than 1000000000000000000", too_high or code)]
    return []


def code_errors(wanted: dict[str, Any], field: list[str], code: str) -> list[UserError]:
    """SKU and barcode of a variant input."""
    texts = {
        "SKU": (["sku"], wanted.get("sku") or (wanted.get("inventoryItem") or {}).get("sku")),
        "Barcode": (["barcode"], wanted.get("barcode")),
    }
    return [
        UserError([*field, *name], f"{label} is too long (maximum is 255 characters)", code)
        for label, (name, text) in texts.items()
        if len(text or "") > MAX_TEXT
    ]


def option_values(
    product: Product, inputs: list[dict[str, Any]], field: list[str], current: list[str] | None
) -> list[str]:
    """The variant's value for each option of the product, in the options' order; `current` fills what is not named.

    Raises:
        Refused: an option named twice, unknown, or missing.

    """
    found: dict[str, str] = {}
    for at, wanted in enumerate(inputs):
        here = [*field, "optionValues", str(at)]
        option = _option(product, wanted)
        if option is None:
            raise refuse(here, "Option does not exist", "INVALID_INPUT" if current is None else "OPTION_DOES_NOT_EXIST")
        if option.name in found:
            raise refuse([*field, "optionValues"], f"Duplicated option name '{option.name}'", "INVALID_INPUT")
        name = wanted.get("name")
        if name is None and wanted.get("id"):
            number = number_of(wanted["id"], "ProductOptionValue")
            name = next((value.name for value in option.values if value.id == number), None)
        if not name:
            raise refuse(
                here,
                "Option value does not exist",
                "INVALID_INPUT" if current is None else "OPTION_VALUE_DOES_NOT_EXIST",
            )
        if len(name) > MAX_TEXT:
            raise refuse(
                here,
                "Option value name is too long",
                "INVALID_INPUT" if current is None else "OPTION_VALUE_NAME_TOO_LONG",
            )
        found[option.name] = name
    values = []
    for index, option in enumerate(product.options):
        if option.name not in found and current is None:
            raise refuse(field, f"You need to add option values for {option.name}", "NEED_TO_ADD_OPTION_VALUES")
        values.append(found.get(option.name) or (current or [])[index])
    return values


def _option(product: Product, wanted: dict[str, Any]) -> Any:
    if wanted.get("optionId"):
        number = number_of(wanted["optionId"], "ProductOption")
        return next((option for option in product.options if option.id == number), None)
    return next((option for option in product.options if option.name == wanted.get("optionName")), None)


def variant_draft(wanted: dict[str, Any], values: list[str], metafields: list[MetafieldDraft]) -> VariantDraft:
    item = wanted.get("inventoryItem") or {}
    return VariantDraft(
        option_values=values,
        price=wanted.get("price") or Decimal(0),
        compare_at_price=wanted.get("compareAtPrice"),
        sku=wanted.get("sku") or item.get("sku"),
        barcode=wanted.get("barcode"),
        inventory_policy=wanted.get("inventoryPolicy") or "DENY",
        taxable=wanted.get("taxable", True),
        tracked=item.get("tracked", False),
        requires_shipping=item.get("requiresShipping", True),
        cost=item.get("cost"),
        metafields=metafields,
    )


def variant_fields(wanted: dict[str, Any]) -> dict[str, Any]:
    """`Variant` attributes that an update names; a null price keeps the price."""
    names = {
        "price": "price",
        "compareAtPrice": "compare_at_price",
        "barcode": "barcode",
        "inventoryPolicy": "inventory_policy",
        "taxable": "taxable",
    }
    fields = {ours: wanted[name] for name, ours in names.items() if name in wanted}
    return {
        name: value for name, value in fields.items() if value is not None or name in {"compare_at_price", "barcode"}
    }


def item_fields(item: dict[str, Any] | None) -> dict[str, Any]:
    """`InventoryItem` attributes that an update names."""
    names = {"sku": "sku", "tracked": "tracked", "requiresShipping": "requires_shipping", "cost": "cost"}
    return {
        ours: item[name]
        for name, ours in names.items()
        if item and name in item and (item[name] is not None or name in {"sku", "cost"})
    }
