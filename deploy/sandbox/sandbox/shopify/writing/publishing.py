"""publishablePublish and publishableUnpublish, for products."""

from typing import Any

from sandbox.shopify import catalogue
from sandbox.shopify.context import Info
from sandbox.shopify.gids import parse_gid
from sandbox.shopify.refusals import Refused, UserError, invalid_id, not_simulated, refuse
from sandbox.shopify.shapes import Product
from sandbox.shopify.shop import Action, Shop
from sandbox.shopify.writing.frame import Payload, perform

FIRST_YEAR = 1970


def publish(_source: Any, info: Info, **arguments: Any) -> Payload:
    def effect(action: Action) -> Payload:
        product, numbers = _checked(action.shop, arguments)
        catalogue.publish(action, product, numbers)
        return {"publishable": product, "shop": action.shop}

    return perform(info, arguments, effect, ("publishable",))


def unpublish(_source: Any, info: Info, **arguments: Any) -> Payload:
    def effect(action: Action) -> Payload:
        product, numbers = _checked(action.shop, arguments)
        catalogue.unpublish(action, product, numbers)
        return {"publishable": product, "shop": action.shop}

    return perform(info, arguments, effect, ("publishable",))


def _checked(shop: Shop, arguments: dict[str, Any]) -> tuple[Product, list[int]]:
    found = parse_gid(arguments["id"])
    if found is None:
        raise invalid_id(arguments["id"])
    if found.kind != "Product":
        raise not_simulated(f"Publishing a {found.kind}")
    product = shop.products.get(found.number)
    if product is None:
        raise refuse(["id"], "Resource does not exist")
    numbers: list[int] = []
    errors: list[UserError] = []
    for at, one in enumerate(arguments["input"]):
        number, error = _publication(shop, one, at)
        if error is None and number in numbers:
            message = "The same publication was specified more than once"
            error = UserError(["input", str(at), "publicationId"], message)
        if error:
            errors.append(error)
        numbers.append(number)
    if errors:
        raise Refused(*errors)
    return product, numbers


def _publication(shop: Shop, wanted: dict[str, Any], at: int) -> tuple[int, UserError | None]:
    field = ["input", str(at), "publicationId"]
    date = wanted.get("publishDate")
    if date is not None and date.year < FIRST_YEAR:
        return 0, UserError(["input", str(at), "publishDate"], "Publish date must be a date after the year 1969")
    if date is not None and date > shop.now():
        raise not_simulated("A publish date in the future")
    if not wanted.get("publicationId"):
        return 0, UserError(field, "PublicationId cannot be empty")
    found = parse_gid(wanted["publicationId"])
    if found is None or found.kind != "Publication" or found.number not in shop.publications:
        return 0, UserError(field, "Publication does not exist or is not publishable")
    return found.number, None
