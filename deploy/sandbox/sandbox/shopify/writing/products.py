"""productCreate, productUpdate, productDelete, productChangeStatus."""

from typing import Any

from sandbox.shopify import catalogue
from sandbox.shopify.context import Info, Operation, number_of, request_of
from sandbox.shopify.gids import gid
from sandbox.shopify.refusals import Refused, UserError, not_simulated, refuse, runtime_error
from sandbox.shopify.shapes import Product
from sandbox.shopify.shop import Action, Shop
from sandbox.shopify.writing import checks
from sandbox.shopify.writing.frame import Payload, perform
from sandbox.shopify.writing.metafield_inputs import metafield_drafts

UNSIMULATED = ("giftCard", "collectionsToJoin", "collectionsToLeave", "category", "productPublications", "publications")


def create(_source: Any, info: Info, **arguments: Any) -> Payload:
    wanted = _one_input("productCreate", arguments)

    def effect(action: Action) -> Payload:
        if wanted.get("id"):
            raise refuse(["input"], "id cannot be specified during creation")
        _check_texts(wanted, blank=not (wanted.get("title") or "").strip())
        drafts, errors = metafield_drafts(action.shop, "PRODUCT", None, wanted.get("metafields"), [])
        options = option_drafts(wanted.get("productOptions"), ["options"])
        if errors:
            raise Refused(*errors)
        fields = checks.product_fields(action.shop, wanted, None)
        first = catalogue.VariantDraft([values[0] for _, values in options])
        product = catalogue.create_product(action, fields, options, [first])
        for draft in drafts:
            catalogue.set_metafield(action, product, draft)
        return {"product": product, "shop": action.shop}

    return perform(info, arguments, effect, ("product",))


def update(_source: Any, info: Info, **arguments: Any) -> Payload:
    wanted = _one_input("productUpdate", arguments)

    def effect(action: Action) -> Payload:
        product = _identified(action.shop, wanted, arguments.get("identifier"))
        _check_texts(wanted, blank="title" in wanted and not (wanted["title"] or "").strip())
        drafts, errors = metafield_drafts(action.shop, "PRODUCT", product, wanted.get("metafields"), [])
        if errors:
            raise Refused(*errors)
        catalogue.edit_product(action, product, checks.product_fields(action.shop, wanted, product))
        for draft in drafts:
            catalogue.set_metafield(action, product, draft)
        return {"product": product}

    return perform(info, arguments, effect, ("product",))


def delete(_source: Any, info: Info, **arguments: Any) -> Payload:
    number = number_of(arguments["input"]["id"], "Product")

    def effect(action: Action) -> Payload:
        product = action.shop.products.get(number)
        if product is None:
            raise refuse(["id"], "Product does not exist")
        catalogue.delete_product(action, product)
        if arguments["synchronous"]:
            return {"deletedProductId": gid("Product", number), "productDeleteOperation": None, "shop": action.shop}
        operation = Operation(
            action.shop.numbers.next("ProductDeleteOperation"), "ProductDeleteOperation", None, number
        )
        request_of(info).backstage.operations[operation.id] = operation
        return {"deletedProductId": None, "productDeleteOperation": operation, "shop": action.shop}

    return perform(info, arguments, effect, ("deletedProductId", "productDeleteOperation"))


def change_status(_source: Any, info: Info, **arguments: Any) -> Payload:
    number = number_of(arguments["productId"], "Product")

    def effect(action: Action) -> Payload:
        product = action.shop.products.get(number)
        if product is None:
            raise refuse(["productId"], "Product does not exist", "PRODUCT_NOT_FOUND")
        catalogue.edit_product(action, product, {"status": arguments["status"]})
        return {"product": product}

    return perform(info, arguments, effect, ("product",))


def option_drafts(inputs: list[dict[str, Any]] | None, field: list[str]) -> list[tuple[str, list[str]]]:
    """Options as (name, values); without any, Shopify's own Title / Default Title.

    Raises:
        Refused: a name with " / ", which separates values in a variant's title.

    """
    if not inputs:
        return catalogue.default_options()
    for option in inputs:
        if " / " in (option.get("name") or ""):
            raise refuse(field, 'Name cannot contain the character sequence " / "')
    drafts = []
    for option in inputs:
        values = [value["name"] for value in option.get("values") or () if value.get("name")]
        drafts.append((option.get("name") or catalogue.DEFAULT_OPTION, values or [catalogue.DEFAULT_VALUE]))
    return drafts


def _one_input(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    given = [arguments[key] for key in ("input", "product") if arguments.get(key) is not None]
    if len(given) != 1:
        message = f"{name} must include exactly one of the following arguments: input, product."
        raise runtime_error(message, "INVALID_FIELD_ARGUMENTS")
    wanted: dict[str, Any] = given[0]
    for key in UNSIMULATED:
        if wanted.get(key):
            raise not_simulated(f"{name}: {key}")
    if arguments.get("media"):
        raise not_simulated(f"{name}: media")
    return wanted


def _identified(shop: Shop, wanted: dict[str, Any], identifier: dict[str, Any] | None) -> Product:
    if identifier and "handle" in identifier:
        product = shop.products.get(shop.handles.get(identifier["handle"], 0))
    elif identifier and "customId" in identifier:
        raise runtime_error("Metafield definition of type 'id' is required when using custom ids.", "NOT_FOUND")
    else:
        text = (identifier or {}).get("id") or wanted.get("id")
        product = shop.products.get(number_of(text, "Product")) if text else None
    if product is None:
        raise refuse(["id"], "Product does not exist")
    return product


def _check_texts(wanted: dict[str, Any], *, blank: bool) -> None:
    errors = checks.text_errors(wanted)
    if blank:
        errors.insert(0, UserError(["title"], "Title can't be blank"))
    if errors:
        raise Refused(*errors)
