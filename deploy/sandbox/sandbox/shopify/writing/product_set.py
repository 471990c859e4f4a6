"""productSet: declarative upsert. Lists that are given replace what was there; variants left out are deleted."""

from dataclasses import dataclass
from typing import Any

from sandbox.shopify import catalogue, stock
from sandbox.shopify.context import Info, Operation, number_of, request_of
from sandbox.shopify.refusals import Refused, UserError, not_simulated, refuse, runtime_error
from sandbox.shopify.shapes import Option, OptionValue, Product, Variant
from sandbox.shopify.shop import Action, Shop
from sandbox.shopify.writing import checks
from sandbox.shopify.writing.frame import Payload, perform
from sandbox.shopify.writing.metafield_inputs import metafield_drafts
from sandbox.shopify.writing.variants import MAX_VARIANTS

MAX_OPTIONS = 3
UNSIMULATED = ("giftCard", "collections", "category")


@dataclass(slots=True)
class VariantPlan:
    """What becomes of one variant in the input; `variant` is None for a new one."""

    variant: Variant | None
    values: list[str]
    wanted: dict[str, Any]
    metafields: list[catalogue.MetafieldDraft]


def product_set(_source: Any, info: Info, **arguments: Any) -> Payload:
    wanted = arguments["input"]
    for name in UNSIMULATED:
        if wanted.get(name):
            raise not_simulated(f"productSet: {name}")

    def effect(action: Action) -> Payload:
        product = _existing(action.shop, wanted, arguments.get("identifier"))
        _check_texts(wanted, product)
        options = _options(wanted, product)
        plans = _plans(action.shop, wanted, options, product)
        drafts, errors = metafield_drafts(
            action.shop, "PRODUCT", product, wanted.get("metafields"), ["input"], "INVALID_METAFIELD"
        )
        if errors:
            raise Refused(*errors)
        fields = checks.product_fields(action.shop, wanted, product)
        if product is None:
            product = catalogue.create_product(action, fields, [], [])
        else:
            catalogue.edit_product(action, product, fields)
        _apply_options(action, product, options)
        if plans is not None:
            _apply_variants(action, product, plans)
        _apply_metafields(action, product, drafts, replace="metafields" in wanted)
        if arguments["synchronous"]:
            return {"product": product, "productSetOperation": None}
        operation = Operation(action.shop.numbers.next("ProductSetOperation"), "ProductSetOperation", product.id)
        request_of(info).backstage.operations[operation.id] = operation
        return {"product": None, "productSetOperation": operation}

    return perform(info, arguments, effect, ("product", "productSetOperation"))


def _existing(shop: Shop, wanted: dict[str, Any], identifier: dict[str, Any] | None) -> Product | None:
    if identifier and wanted.get("id"):
        raise refuse(["input"], "The id field is not allowed if identifier is provided.", "ID_NOT_ALLOWED")
    if identifier and "customId" in identifier:
        raise runtime_error("Metafield definition of type 'id' is required when using custom ids.", "NOT_FOUND")
    if identifier and "handle" in identifier:
        return _by_handle(shop, wanted, identifier["handle"])
    text = (identifier or {}).get("id") or wanted.get("id")
    if not text:
        return None
    product = shop.products.get(number_of(text, "Product"))
    if product is None:
        raise refuse(["input", "id"], "Product does not exist", "PRODUCT_DOES_NOT_EXIST")
    return product


def _by_handle(shop: Shop, wanted: dict[str, Any], handle: str) -> Product | None:
    product = shop.products.get(shop.handles.get(handle, 0))
    if product is None and not wanted.get("handle"):
        message = "The input field corresponding to the identifier is required."
        raise refuse(["input"], message, "MISSING_FIELD_REQUIRED")
    if product is None and wanted["handle"] != handle:
        message = "The identifier value does not match the value of the corresponding field in the input."
        raise refuse(["input"], message, "INPUT_MISMATCH")
    return product


def _check_texts(wanted: dict[str, Any], product: Product | None) -> None:
    if (product is None or "title" in wanted) and not (wanted.get("title") or "").strip():
        raise refuse(["input", "title"], "Title must be specified", "INVALID_PRODUCT")
    if len(wanted.get("title") or "") > checks.MAX_TEXT:
        raise refuse(["input", "title"], "is too long (maximum is 255 characters)", "INVALID_PRODUCT")
    errors = checks.text_errors({name: value for name, value in wanted.items() if name != "title"})
    if errors:
        raise Refused(*(UserError(["input"], error.message, "INVALID_PRODUCT") for error in errors))


def _options(wanted: dict[str, Any], product: Product | None) -> list[tuple[str, list[str]]]:
    """The options there will be, as (name, known values)."""
    inputs = wanted.get("productOptions")
    if inputs and wanted.get("variants") is None:
        message = "Variants input is required when updating product options"
        raise refuse(["input", "variants"], message, "VARIANTS_INPUT_MISSING")
    if not inputs:
        if product is None:
            if any(v["optionValues"] for v in wanted.get("variants") or ()) and not _only_default(wanted["variants"]):
                message = "Product options input is required when creating variants with option values"
                raise refuse(["input", "productOptions"], message, "PRODUCT_OPTIONS_INPUT_MISSING")
            return catalogue.default_options()
        return [(option.name, [value.name for value in option.values]) for option in product.options]
    _check_options(inputs)
    return [(o.get("name") or "Title", [v["name"] for v in o.get("values") or () if v.get("name")]) for o in inputs]


def _check_options(inputs: list[dict[str, Any]]) -> None:
    """Names and values; that each has a value (docs/shopify.md 3)."""
    here = ["input", "productOptions"]
    if len(inputs) > MAX_OPTIONS:
        raise refuse(here, f"Can only specify a maximum of {MAX_OPTIONS} options", "OPTIONS_OVER_LIMIT")
    names: set[str] = set()
    for at, option in enumerate(inputs):
        name, field = option.get("name") or catalogue.DEFAULT_OPTION, [*here, str(at)]
        if " / " in name:
            raise refuse([*field, "name"], "The name contains unsupported sequence ' / '", "INVALID_INPUT")
        if len(name) > checks.MAX_TEXT:
            raise refuse([*field, "name"], "Option name is too long.", "INVALID_INPUT")
        if name in names:
            raise refuse(here, f"Duplicated option name '{name}'", "DUPLICATED_OPTION_NAME")
        names.add(name)
        values = [value["name"] for value in option.get("values") or () if value.get("name")]
        if not values:
            raise refuse(field, f"Option '{name}' must specify at least one option value.", "OPTION_VALUES_MISSING")
        for number, value in enumerate(values):
            if len(value) > checks.MAX_TEXT:
                raise refuse([*field, "values", str(number)], "Option value name is too long.", "INVALID_INPUT")


def _only_default(variants: list[dict[str, Any]]) -> bool:
    return all(value.get("optionName") == catalogue.DEFAULT_OPTION for v in variants for value in v["optionValues"])


def _plans(
    shop: Shop, wanted: dict[str, Any], options: list[tuple[str, list[str]]], product: Product | None
) -> list[VariantPlan] | None:
    """None when the input leaves the variants alone."""
    inputs = wanted.get("variants")
    if inputs == [] and product is not None:
        raise refuse(["input", "variants"], "A product must have at least one variant", "VARIANTS_INPUT_MISSING")
    if not inputs:
        if product is not None:
            return None
        return [VariantPlan(None, [values[0] for _, values in options], {}, [])]
    if len(inputs) > MAX_VARIANTS:
        raise refuse(["input", "variants"], "The number of variants is over the limit of 2048", "VARIANTS_OVER_LIMIT")
    own = {variant.id: variant for variant in product.variants} if product else {}
    by_values = {tuple(variant.option_values): variant for variant in own.values()}
    plans: list[VariantPlan] = []
    seen: set[tuple[str, ...]] = set()
    for at, one in enumerate(inputs):
        field = ["input", "variants", str(at)]
        values = _values(options, one["optionValues"], field)
        if tuple(values) in seen:
            message = f"The variant '{' / '.join(values)}' already exists. Please change at least one option value."
            raise refuse(field, message, "INVALID_VARIANT")
        seen.add(tuple(values))
        plans.append(_plan(shop, one, values, _match(one, values, own, by_values, field), field))
    return plans


def _values(options: list[tuple[str, list[str]]], inputs: list[dict[str, Any]], field: list[str]) -> list[str]:
    given = {one.get("optionName"): one.get("name") for one in inputs}
    if len(options) == 1 and not inputs:
        return [options[0][1][0] if options[0][1] else catalogue.DEFAULT_VALUE]
    for at, one in enumerate(inputs):
        if one.get("optionName") not in {name for name, _ in options}:
            raise refuse([*field, "optionValues", str(at)], "Option does not exist", "OPTION_DOES_NOT_EXIST")
        if not (one.get("name") or "").strip():
            raise refuse([*field, "optionValues", str(at)], "The name provided is not valid.", "INVALID_INPUT")
        if len(one["name"]) > checks.MAX_TEXT:
            raise refuse([*field, "optionValues", str(at)], "Option value name is too long.", "INVALID_INPUT")
    values = [given.get(name) for name, _ in options]
    if any(not value for value in values):
        raise refuse([*field, "optionValues"], "Option values are missing", "OPTION_VALUES_MISSING")
    return [value for value in values if value]


def _match(
    one: dict[str, Any],
    values: list[str],
    own: dict[int, Variant],
    by_values: dict[tuple[str, ...], Variant],
    field: list[str],
) -> Variant | None:
    if not one.get("id"):
        return by_values.get(tuple(values))
    variant = own.get(number_of(one["id"], "ProductVariant"))
    if variant is None:
        raise refuse([*field, "id"], "Product variant does not exist", "PRODUCT_VARIANT_DOES_NOT_EXIST")
    return variant


def _plan(shop: Shop, one: dict[str, Any], values: list[str], variant: Variant | None, field: list[str]) -> VariantPlan:
    metafields, errors = metafield_drafts(
        shop, "PRODUCTVARIANT", variant, one.get("metafields"), field, "INVALID_METAFIELD"
    )
    errors += checks.price_errors(one, field, "INVALID_VARIANT") + checks.code_errors(one, field, "INVALID_VARIANT")
    errors += checks.cost_errors(one.get("inventoryItem"), field, "INVALID_VARIANT")
    for at, level in enumerate(one.get("inventoryQuantities") or ()):
        if number_of(level["locationId"], "Location") not in shop.locations:
            message = "The specified location could not be found."
            errors.append(UserError([*field, "inventoryQuantities", str(at), "locationId"], message, "INVALID_INPUT"))
        if level["name"] not in {"available", "on_hand"}:
            message = "The quantity name must be either 'available' or 'on_hand'."
            errors.append(UserError([*field, "inventoryQuantities", str(at), "name"], message, "INVALID_INPUT"))
    if errors:
        raise Refused(*errors)
    return VariantPlan(variant, values, one, metafields)


def _apply_options(action: Action, product: Product, options: list[tuple[str, list[str]]]) -> None:
    numbers = action.shop.numbers
    known = {option.name: option for option in product.options}
    wanted: list[Option] = []
    for position, (name, values) in enumerate(options, start=1):
        option = known.get(name) or Option(numbers.next("ProductOption"), name, position, [])
        option.position = position
        have = {value.name for value in option.values}
        option.values += [OptionValue(numbers.next("ProductOptionValue"), v) for v in values if v not in have]
        wanted.append(option)
    product.options = wanted


def _apply_variants(action: Action, product: Product, plans: list[VariantPlan]) -> None:
    kept = {plan.variant.id for plan in plans if plan.variant}
    for variant in [v for v in product.variants if v.id not in kept]:
        _drop(action, product, variant)
    ordered = [_applied(action, product, plan) for plan in plans]
    product.variants = ordered
    for position, variant in enumerate(ordered, start=1):
        variant.position = position
    catalogue.forget_unused_option_values(product)


def _drop(action: Action, product: Product, variant: Variant) -> None:
    """Without tidying up options: they are already the new ones, and this variant's values may not fit them."""
    catalogue.forget_variant(action, variant)
    product.variants.remove(variant)
    action.did(f"variant {variant.id} deleted")
    action.touch(product)


def _applied(action: Action, product: Product, plan: VariantPlan) -> Variant:
    if plan.variant is None:
        draft = checks.variant_draft(plan.wanted, plan.values, plan.metafields)
        levels = plan.wanted.get("inventoryQuantities") or ()
        draft.quantities = {number_of(x["locationId"], "Location"): x["quantity"] for x in levels} or None
        return catalogue.add_variant(action, product, draft)
    variant = plan.variant
    fields = checks.variant_fields(plan.wanted)
    variant.option_values, before = list(plan.values), variant.option_values
    catalogue.know_option_values(action, product, plan.values)
    if before != plan.values:
        variant.updated_at = action.now
        action.touch(product)
    catalogue.edit_variant(action, variant, fields)
    item = {**(plan.wanted.get("inventoryItem") or {})}
    if "sku" in plan.wanted:
        item["sku"] = plan.wanted["sku"]
    catalogue.edit_item(action, variant.item, checks.item_fields(item))
    for level in plan.wanted.get("inventoryQuantities") or ():
        location = action.shop.locations[number_of(level["locationId"], "Location")]
        there = stock.activate(action, variant.item, location)
        stock.set_quantity(action, there, level["name"], level["quantity"])
    _apply_metafields(action, variant, plan.metafields, replace="metafields" in plan.wanted)
    return variant


def _apply_metafields(
    action: Action, owner: Product | Variant, drafts: list[catalogue.MetafieldDraft], *, replace: bool
) -> None:
    if replace:
        named = {(draft.namespace, draft.key) for draft in drafts}
        for namespace, key in [known for known in owner.metafields if known not in named]:
            catalogue.delete_metafield(action, owner, namespace, key)
    for draft in drafts:
        catalogue.set_metafield(action, owner, draft)
