"""metafieldsSet and metafieldsDelete: atomic, with compareDigest."""

from typing import Any

from sandbox.shopify import catalogue
from sandbox.shopify.context import Info
from sandbox.shopify.gids import parse_gid
from sandbox.shopify.reading.metafields import digest
from sandbox.shopify.refusals import Refused, UserError, refuse
from sandbox.shopify.shapes import Product, Variant
from sandbox.shopify.shop import Action, Shop
from sandbox.shopify.writing.frame import Payload, perform
from sandbox.shopify.writing.metafield_inputs import NOT_ALLOWED, OF_OTHER_APPS, draft, named, problem

MAX_METAFIELDS = 25
DIGEST_LENGTH = 64

Planned = tuple[Product | Variant, catalogue.MetafieldDraft]


def set_(_source: Any, info: Info, **arguments: Any) -> Payload:
    wanted = arguments["metafields"]

    def effect(action: Action) -> Payload:
        if len(wanted) > MAX_METAFIELDS:
            message = "Exceeded the maximum metafields input limit of 25."
            raise refuse(["metafields"], message, "LESS_THAN_OR_EQUAL_TO")
        plans: list[Planned] = []
        errors: list[UserError] = []
        for at, one in enumerate(wanted):
            found = _plan(action.shop, one)
            if isinstance(found, UserError):
                errors.append(UserError(["metafields", str(at), *(found.field or ())], found.message, found.code, at))
            else:
                plans.append(found)
        if errors:
            raise Refused(*errors)
        return {"metafields": [catalogue.set_metafield(action, owner, draft) for owner, draft in plans]}

    return perform(info, arguments, effect, ("metafields",))


def _plan(shop: Shop, wanted: dict[str, Any]) -> Planned | UserError:
    owner = owner_of(shop, wanted["ownerId"])
    if owner is None:
        return UserError(["ownerId"], "Owner does not exist.", "INVALID_VALUE")
    one = named(shop, "PRODUCT" if isinstance(owner, Product) else "PRODUCTVARIANT", owner, wanted)
    if found := problem(one):
        return found
    if "compareDigest" in wanted and (found := _digest_problem(one.known, wanted["compareDigest"])):
        return found
    return owner, draft(one)


def _digest_problem(known: Any, given: str | None) -> UserError | None:
    """A null digest means: only if there is none yet."""
    if given is not None and len(given) != DIGEST_LENGTH:
        return UserError([], "Invalid `compareDigest` value.", "INVALID_COMPARE_DIGEST")
    if (digest(known) if known else None) != given:
        message = "The resource has been updated since it was loaded. Try again with an updated `compareDigest` value."
        return UserError([], message, "STALE_OBJECT")
    return None


def delete(_source: Any, info: Info, **arguments: Any) -> Payload:
    wanted = arguments["metafields"]

    def effect(action: Action) -> Payload:
        if any(one["namespace"].startswith(OF_OTHER_APPS) for one in wanted):
            raise refuse(["metafields"], NOT_ALLOWED)
        deleted: list[dict[str, Any] | None] = []
        for one in wanted:
            owner = owner_of(action.shop, one["ownerId"])
            found = owner is not None and catalogue.delete_metafield(action, owner, one["namespace"], one["key"])
            deleted.append({key: one[key] for key in ("key", "namespace", "ownerId")} if found else None)
        return {"deletedMetafields": deleted}

    return perform(info, arguments, effect, ("deletedMetafields",))


def owner_of(shop: Shop, text: str) -> Product | Variant | None:
    """A product or a variant; other owners are not simulated and do not exist here."""
    found = parse_gid(text)
    if found is None:
        return None
    if found.kind == "Product":
        return shop.products.get(found.number)
    return shop.variants.get(found.number) if found.kind == "ProductVariant" else None
