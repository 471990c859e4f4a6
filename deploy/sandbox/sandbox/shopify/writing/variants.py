"""productVariantsBulkCreate, -Update, -Delete and productOptionUpdate. All or nothing."""

from typing import Any

from sandbox.shopify import catalogue
from sandbox.shopify.context import Info, number_of
from sandbox.shopify.refusals import Refused, UserError, not_simulated, refuse
from sandbox.shopify.shapes import Product, Variant
from sandbox.shopify.shop import Action, Shop
from sandbox.shopify.writing import checks
from sandbox.shopify.writing.frame import Payload, perform
from sandbox.shopify.writing.metafield_inputs import metafield_drafts

MAX_VARIANTS = 2048


def create(_source: Any, info: Info, **arguments: Any) -> Payload:
    number = number_of(arguments["productId"], "Product")

    def effect(action: Action) -> Payload:
        product = _product(action.shop, number)
        strategy = arguments["strategy"]
        replaced = _standalone(product, strategy)
        taken = [variant.option_values for variant in product.variants if variant is not replaced]
        drafts = [_draft(action.shop, product, w, str(at), taken) for at, w in enumerate(arguments["variants"])]
        if len(taken) > MAX_VARIANTS:
            raise refuse(["variants"], "You can only have a maximum of 2048 variants per product", "INVALID")
        created = [catalogue.add_variant(action, product, draft) for draft in drafts]
        if replaced is not None and created:
            catalogue.remove_variant(action, replaced)
        return {"product": product, "productVariants": created}

    return perform(info, arguments, effect, ("product", "productVariants"))


def _standalone(product: Product, strategy: str) -> Variant | None:
    """The variant that gives way to the new ones."""
    if len(product.variants) != 1 or strategy == "PRESERVE_STANDALONE_VARIANT":
        return None
    if strategy == "DEFAULT" and not catalogue.has_only_default_variant(product):
        return None
    return product.variants[0]


def _draft(
    shop: Shop, product: Product, wanted: dict[str, Any], at: str, taken: list[list[str]]
) -> catalogue.VariantDraft:
    field = ["variants", at]
    values = checks.option_values(product, wanted.get("optionValues") or [], field, None)
    metafields, errors = metafield_drafts(
        shop, "PRODUCTVARIANT", None, wanted.get("metafields"), field, "INVALID_INPUT"
    )
    errors += checks.price_errors(wanted, field) + checks.code_errors(wanted, field, "INVALID_INPUT")
    errors += checks.cost_errors(wanted.get("inventoryItem"), field, "INVALID_INPUT")
    if values in taken:
        message = f"The variant '{' / '.join(values)}' already exists. Please change at least one option value."
        errors.append(UserError(field, message, "VARIANT_ALREADY_EXISTS_CHANGE_OPTION_VALUE"))
    quantities: dict[int, int] = {}
    for level in wanted.get("inventoryQuantities") or ():
        location = shop.locations.get(number_of(level["locationId"], "Location"))
        if location is None or not location.active:
            message = f"Quantity for {' / '.join(values)} couldn't be set because the location was deleted."
            errors.append(UserError([*field, "inventoryQuantities"], message, "TRACKED_VARIANT_LOCATION_NOT_FOUND"))
            continue
        quantities[location.id] = level["availableQuantity"]
    if errors:
        raise Refused(*errors)
    taken.append(values)
    draft = checks.variant_draft(wanted, values, metafields)
    draft.quantities = quantities or None
    return draft


def update(_source: Any, info: Info, **arguments: Any) -> Payload:
    number = number_of(arguments["productId"], "Product")
    if arguments["allowPartialUpdates"]:
        raise not_simulated("allowPartialUpdates")

    def effect(action: Action) -> Payload:
        product = _product(action.shop, number)
        plans = [_plan(action.shop, product, wanted, str(at)) for at, wanted in enumerate(arguments["variants"])]
        _refuse_doubles(product, plans)
        for variant, fields, item, metafields in plans:
            catalogue.edit_variant(action, variant, fields)
            catalogue.edit_item(action, variant.item, item)
            for draft in metafields:
                catalogue.set_metafield(action, variant, draft)
        return {"product": product, "productVariants": [plan[0] for plan in plans]}

    return perform(info, arguments, effect, ("product", "productVariants"))


Plan = tuple[Variant, dict[str, Any], dict[str, Any], list[catalogue.MetafieldDraft]]


def _plan(shop: Shop, product: Product, wanted: dict[str, Any], at: str) -> Plan:
    field = ["variants", at]
    if not wanted.get("id"):
        raise refuse([*field, "id"], "Product variant is missing ID attribute", "PRODUCT_VARIANT_ID_MISSING")
    number = number_of(wanted["id"], "ProductVariant")
    variant = next((found for found in product.variants if found.id == number), None)
    if variant is None:
        raise refuse([*field, "id"], "Product variant does not exist", "PRODUCT_VARIANT_DOES_NOT_EXIST")
    if wanted.get("inventoryQuantities"):
        message = (
            "Inventory quantities can only be provided during create. To update inventory for existing variants,"
            " use inventoryAdjustQuantities."
        )
        raise refuse([*field, "inventoryQuantities"], message, "NO_INVENTORY_QUANTITIES_ON_VARIANTS_UPDATE")
    metafields, errors = metafield_drafts(
        shop, "PRODUCTVARIANT", variant, wanted.get("metafields"), field, "INVALID_VALUE"
    )
    errors += checks.price_errors(wanted, field) + checks.code_errors(wanted, field, "TOO_LONG")
    errors += checks.cost_errors(wanted.get("inventoryItem"), field, "GREATER_THAN_OR_EQUAL_TO", "INVALID_INPUT")
    if errors:
        raise Refused(*errors)
    fields = checks.variant_fields(wanted)
    if wanted.get("optionValues"):
        fields["option_values"] = checks.option_values(product, wanted["optionValues"], field, variant.option_values)
    return variant, fields, checks.item_fields(wanted.get("inventoryItem")), metafields


def _refuse_doubles(product: Product, plans: list[Plan]) -> None:
    planned = {variant.id: fields["option_values"] for variant, fields, _, _ in plans if "option_values" in fields}
    seen: set[tuple[str, ...]] = set()
    for variant in product.variants:
        values = tuple(planned.get(variant.id, variant.option_values))
        if values in seen:
            message = f"The variant '{' / '.join(values)}' already exists. Please change at least one option value."
            raise refuse(["variants"], message, "VARIANT_ALREADY_EXISTS")
        seen.add(values)


def delete(_source: Any, info: Info, **arguments: Any) -> Payload:
    number = number_of(arguments["productId"], "Product")
    wanted = [number_of(text, "ProductVariant") for text in arguments["variantsIds"]]

    def effect(action: Action) -> Payload:
        product = _product(action.shop, number)
        own = {variant.id: variant for variant in product.variants}
        strangers = [str(at) for at, found in enumerate(wanted) if found not in own]
        if strangers:
            message = "At least one variant does not belong to the product"
            code = "AT_LEAST_ONE_VARIANT_DOES_NOT_BELONG_TO_THE_PRODUCT"
            raise Refused(*(UserError(["variantsIds", at], message, code) for at in strangers))
        if len(set(wanted)) == len(own):
            raise refuse(["variantsIds"], "Cannot delete the last variant", "CANNOT_DELETE_LAST_VARIANT")
        for found in dict.fromkeys(wanted):
            catalogue.remove_variant(action, own[found])
        return {"product": product}

    return perform(info, arguments, effect, ("product",))


def update_option(_source: Any, info: Info, **arguments: Any) -> Payload:
    """Rename an option, rename its values; adding and deleting values is not simulated."""
    number = number_of(arguments["productId"], "Product")
    for name in ("optionValuesToAdd", "optionValuesToDelete", "variantStrategy"):
        if arguments.get(name):
            raise not_simulated(f"productOptionUpdate: {name}")

    def effect(action: Action) -> Payload:
        product = _product(action.shop, number)
        wanted = arguments["option"]
        option_number = number_of(wanted["id"], "ProductOption")
        option = next((found for found in product.options if found.id == option_number), None)
        if option is None:
            raise refuse(["option"], "Option does not exist", "OPTION_DOES_NOT_EXIST")
        renames = [
            _rename(option.values, one, at) for at, one in enumerate(arguments.get("optionValuesToUpdate") or ())
        ]
        names = [dict(renames).get(value.id, value.name) for value in option.values]
        if len(set(names)) < len(names):
            raise refuse(["optionValuesToUpdate"], "Option value already exists.", "OPTION_VALUE_ALREADY_EXISTS")
        if wanted.get("name") and wanted["name"] != option.name:
            option.name = wanted["name"]
            action.did(f"option {option.id}: name")
            action.touch(product)
        for value in option.values:
            if (name := dict(renames).get(value.id)) and name != value.name:
                catalogue.rename_option_value(action, product, option, value, name)
        return {"product": product}

    return perform(info, arguments, effect, ("product",))


def _rename(values: list[Any], wanted: dict[str, Any], at: int) -> tuple[int, str]:
    number = number_of(wanted["id"], "ProductOptionValue")
    if number not in {value.id for value in values}:
        field = ["optionValuesToUpdate", str(at)]
        raise refuse(field, "Option value does not exist.", "OPTION_VALUE_DOES_NOT_EXIST")
    return number, wanted.get("name") or next(value.name for value in values if value.id == number)


def _product(shop: Shop, number: int) -> Product:
    product = shop.products.get(number)
    if product is None:
        raise refuse(["productId"], "Product does not exist", "PRODUCT_DOES_NOT_EXIST")
    return product
