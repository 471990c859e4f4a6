"""Products, variants, options and metafields: every change to them, in an `Action`. Callers check."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sandbox.shopify import stock
from sandbox.shopify.shapes import Destroyed, Image, InventoryItem, Metafield, Option, OptionValue, Product, Variant
from sandbox.shopify.shop import Action, Shop

DEFAULT_OPTION = "Title"
DEFAULT_VALUE = "Default Title"


@dataclass(slots=True)
class VariantDraft:
    """A variant to be. `quantities` is available by location id; None means 0 at the default location."""

    option_values: list[str]
    price: Decimal = Decimal(0)
    compare_at_price: Decimal | None = None
    sku: str | None = None
    barcode: str | None = None
    inventory_policy: str = "DENY"
    taxable: bool = True
    tracked: bool = False  # as Shopify: untracked unless asked for
    requires_shipping: bool = True
    cost: Decimal | None = None
    quantities: dict[int, int] | None = None
    metafields: list["MetafieldDraft"] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class MetafieldDraft:
    namespace: str
    key: str
    type: str
    value: str


def slug(text: str) -> str:
    """Shopify's handle for a title: letters of any script stay."""
    return re.sub(r"[^\w]+", "-", text.lower()).strip("-_") or "product"


def free_handle(shop: Shop, wanted: str) -> str:
    """The handle itself, or with the first free -1, -2, ..."""
    if wanted not in shop.handles:
        return wanted
    number = 1
    while f"{wanted}-{number}" in shop.handles:
        number += 1
    return f"{wanted}-{number}"


def default_options() -> list[tuple[str, list[str]]]:
    return [(DEFAULT_OPTION, [DEFAULT_VALUE])]


def has_only_default_variant(product: Product) -> bool:
    return len(product.variants) == 1 and product.variants[0].option_values == [DEFAULT_VALUE]


def create_product(
    action: Action, fields: Mapping[str, Any], options: list[tuple[str, list[str]]], drafts: list[VariantDraft]
) -> Product:
    """A new product, unpublished. `fields` are attributes of `Product`; `handle` must be free."""
    shop = action.shop
    product = Product(
        id=shop.numbers.next("Product"),
        created_at=action.now,
        updated_at=action.now,
        **{
            "body_html": "",
            "vendor": shop.identity.name,
            "product_type": "",
            "status": "ACTIVE",
            "tags": [],
            **fields,
        },
    )
    shop.products[product.id] = product
    shop.handles[product.handle] = product.id
    for name, values in options:
        add_option(action, product, name, values)
    action.created[product.id] = product
    action.did(f"product {product.id} created")
    for draft in drafts:
        add_variant(action, product, draft)
    return product


def add_option(action: Action, product: Product, name: str, values: list[str]) -> Option:
    numbers = action.shop.numbers
    option = Option(
        id=numbers.next("ProductOption"),
        name=name,
        position=len(product.options) + 1,
        values=[OptionValue(numbers.next("ProductOptionValue"), value) for value in values],
    )
    product.options.append(option)
    return option


def edit_product(action: Action, product: Product, fields: Mapping[str, Any]) -> list[str]:
    """Set attributes; the names of those that changed. Nothing changed, nothing fires (unless the rules say so)."""
    changed = [name for name, value in fields.items() if getattr(product, name) != value]
    if "handle" in changed:
        del action.shop.handles[product.handle]
        action.shop.handles[fields["handle"]] = product.id
    for name in changed:
        setattr(product, name, fields[name])
    if changed:
        action.did(f"product {product.id}: {', '.join(changed)}")
    if changed or action.shop.rules.no_op_update_fires:
        action.touch(product)
    return changed


def set_images(action: Action, product: Product, images: list[tuple[str, str | None]]) -> None:
    """Replace all images by (url, alt)."""
    product.images = [
        Image(action.shop.numbers.next("MediaImage"), url, alt, 1200, 800, action.now) for url, alt in images
    ]
    action.did(f"product {product.id}: images")
    action.touch(product)


def delete_product(action: Action, product: Product) -> None:
    shop = action.shop
    for variant in list(product.variants):
        forget_variant(action, variant)
    del shop.products[product.id]
    del shop.handles[product.handle]
    shop.destroyed.append(Destroyed(shop.numbers.next("BasicEvent"), product.id, product.title, action.now))
    action.tell("PRODUCTS_DELETE", product.id, product)
    action.did(f"product {product.id} deleted")


def add_variant(action: Action, product: Product, draft: VariantDraft) -> Variant:
    """Append a variant, stock it, and make its option values known to the product's options."""
    shop = action.shop
    variant = Variant(
        id=shop.numbers.next("ProductVariant"),
        product=product,
        option_values=list(draft.option_values),
        price=draft.price,
        compare_at_price=draft.compare_at_price,
        barcode=draft.barcode,
        inventory_policy=draft.inventory_policy,
        taxable=draft.taxable,
        position=len(product.variants) + 1,
        created_at=action.now,
        updated_at=action.now,
    )
    variant.item = InventoryItem(
        id=shop.numbers.next("InventoryItem"),
        variant=variant,
        sku=draft.sku,
        tracked=draft.tracked,
        requires_shipping=draft.requires_shipping,
        cost=draft.cost,
        created_at=action.now,
        updated_at=action.now,
    )
    product.variants.append(variant)
    shop.variants[variant.id] = variant
    shop.items[variant.item.id] = variant.item
    know_option_values(action, product, draft.option_values)
    action.tell("INVENTORY_ITEMS_CREATE", variant.item.id, variant.item)
    quantities = draft.quantities if draft.quantities is not None else {shop.default_location.id: 0}
    for location_id, available in quantities.items():
        stock.activate(action, variant.item, shop.locations[location_id], available)
    variant.old_quantity = variant.quantity
    for metafield in draft.metafields:
        set_metafield(action, variant, metafield)
    action.did(f"variant {variant.id} created")
    action.touch(product)
    return variant


def know_option_values(action: Action, product: Product, values: list[str]) -> None:
    for option, value in zip(product.options, values, strict=True):
        if value not in {known.name for known in option.values}:
            option.values.append(OptionValue(action.shop.numbers.next("ProductOptionValue"), value))


def forget_unused_option_values(product: Product) -> None:
    """A value that no variant uses any more leaves its option."""
    for index, option in enumerate(product.options):
        used = {variant.option_values[index] for variant in product.variants}
        option.values = [value for value in option.values if value.name in used]


def edit_variant(action: Action, variant: Variant, fields: Mapping[str, Any]) -> list[str]:
    """Set attributes of the variant; the names of those that changed."""
    changed = [name for name, value in fields.items() if getattr(variant, name) != value]
    for name in changed:
        setattr(variant, name, fields[name])
    if "option_values" in changed:
        know_option_values(action, variant.product, variant.option_values)
        forget_unused_option_values(variant.product)
    if changed:
        variant.updated_at = action.now
        action.did(f"variant {variant.id}: {', '.join(changed)}")
    if changed or action.shop.rules.no_op_update_fires:
        action.touch(variant.product)
    return changed


def edit_item(action: Action, item: InventoryItem, fields: Mapping[str, Any]) -> list[str]:
    """Set attributes of the inventory item (sku, tracked, cost, requires_shipping)."""
    changed = [name for name, value in fields.items() if getattr(item, name) != value]
    for name in changed:
        setattr(item, name, fields[name])
    if changed:
        item.updated_at = action.now
        action.did(f"inventory item {item.id}: {', '.join(changed)}")
        action.tell("INVENTORY_ITEMS_UPDATE", item.id, item)
        action.touch(item.variant.product)
    return changed


def remove_variant(action: Action, variant: Variant) -> None:
    product = variant.product
    forget_variant(action, variant)
    product.variants.remove(variant)
    for position, left in enumerate(product.variants, start=1):
        left.position = position
    forget_unused_option_values(product)
    action.did(f"variant {variant.id} deleted")
    action.touch(product)


def forget_variant(action: Action, variant: Variant) -> None:
    """Take it off every shelf but its product's list."""
    shop = action.shop
    del shop.variants[variant.id]
    del shop.items[variant.item.id]
    for level in variant.item.levels.values():
        del shop.levels[level.id]
    action.tell("INVENTORY_ITEMS_DELETE", variant.item.id, variant.item)


def rename_option_value(action: Action, product: Product, option: Option, value: OptionValue, name: str) -> None:
    """Every variant that uses the value takes the new name."""
    index = product.options.index(option)
    for variant in product.variants:
        if variant.option_values[index] == value.name:
            variant.option_values = [*variant.option_values[:index], name, *variant.option_values[index + 1 :]]
            variant.updated_at = action.now
    action.did(f"option value {value.id}: {value.name} -> {name}")
    value.name = name
    action.touch(product)


def set_metafield(action: Action, owner: Product | Variant, draft: MetafieldDraft) -> Metafield:
    """Create or overwrite; an equal value changes nothing."""
    found = owner.metafields.get((draft.namespace, draft.key))
    if found and (found.type, found.value) == (draft.type, draft.value):
        if action.shop.rules.no_op_update_fires:
            _bump_for_metafield(action, owner)
        return found
    if found:
        found.type, found.value, found.updated_at = draft.type, draft.value, action.now
    else:
        found = Metafield(
            id=action.shop.numbers.next("Metafield"),
            namespace=draft.namespace,
            key=draft.key,
            type=draft.type,
            value=draft.value,
            owner=owner,
            created_at=action.now,
            updated_at=action.now,
        )
        owner.metafields[draft.namespace, draft.key] = found
    action.did(f"metafield {draft.namespace}.{draft.key} of {owner.id}")
    _bump_for_metafield(action, owner)
    return found


def delete_metafield(action: Action, owner: Product | Variant, namespace: str, key: str) -> bool:
    """False when there was none."""
    if owner.metafields.pop((namespace, key), None) is None:
        return False
    action.did(f"metafield {namespace}.{key} of {owner.id} deleted")
    _bump_for_metafield(action, owner)
    return True


def _bump_for_metafield(action: Action, owner: Product | Variant) -> None:
    if not action.shop.rules.metafields_bump_product:
        return
    if isinstance(owner, Variant):
        owner.updated_at = action.now
        action.touch(owner.product)
        return
    action.touch(owner)


def publish(action: Action, product: Product, publication_ids: list[int]) -> None:
    new = [number for number in publication_ids if number not in product.publications]
    product.publications.update(new)
    if product.publications and product.published_at is None:
        product.published_at = action.now
    if new:
        action.did(f"product {product.id} published")
        action.touch(product)


def unpublish(action: Action, product: Product, publication_ids: list[int]) -> None:
    gone = [number for number in publication_ids if number in product.publications]
    product.publications.difference_update(gone)
    if not product.publications:
        product.published_at = None
    if gone:
        action.did(f"product {product.id} unpublished")
        action.touch(product)
