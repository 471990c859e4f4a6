"""Metafields as a mutation's input names them: what is wrong with one, or the draft to set. No effects.

A definition decides on the type where there is one, and lends it to an input without; so does a metafield that is
already there (docs/shopify.md 3).
"""

from dataclasses import dataclass
from typing import Any

from sandbox.shopify.catalogue import MetafieldDraft
from sandbox.shopify.context import number_of
from sandbox.shopify.metafield_types import known_type, normalised, value_problem
from sandbox.shopify.refusals import UserError
from sandbox.shopify.shapes import Definition, Metafield, Product, Variant
from sandbox.shopify.shop import Shop

MIN_NAMESPACE, MAX_NAMESPACE = 3, 255
MIN_KEY, MAX_KEY = 2, 64
MAX_VALUE = 65_536  # characters, of any type but the larger json
MAX_JSON = 131_072
RESERVED = frozenset({"shopify_standard", "protected", "shopify-l10n-fields"})
OF_OTHER_APPS = "app--"  # our own app has no number, so every such namespace is somebody else's
NOT_ALLOWED = "Access to this namespace and key on Metafields for this resource type is not allowed."

Owner = Product | Variant


@dataclass(frozen=True, slots=True)
class Named:
    """An input with what is known of its metafield."""

    namespace: str
    key: str
    type: str
    value: str
    known: Metafield | None
    definition: Definition | None


def metafield_drafts(
    shop: Shop,
    owner_type: str,
    owner: Owner | None,
    inputs: list[dict[str, Any]] | None,
    field: list[str],
    code: str | None = None,
) -> tuple[list[MetafieldDraft], list[UserError]]:
    """The metafields inside a product or variant input; `owner_type` is PRODUCT or PRODUCTVARIANT.

    `code` is the one that the mutation has for whatever is wrong with a metafield.
    """
    drafts, errors = [], []
    for at, wanted in enumerate(inputs or ()):
        found = _draft(named(shop, owner_type, owner, wanted))
        if isinstance(found, UserError):
            where = [*field, "metafields", str(at), *(found.field or ())]
            errors.append(UserError(where, found.message, code))
        else:
            drafts.append(found)
    return drafts, errors


def named(shop: Shop, owner_type: str, owner: Owner | None, wanted: dict[str, Any]) -> Named:
    known = _known(owner, wanted) if owner else None
    namespace = wanted.get("namespace") or (known.namespace if known else "")
    key = wanted.get("key") or (known.key if known else "")
    same = (owner_type, namespace, key)
    definition = next((d for d in shop.definitions.values() if (d.owner_type, d.namespace, d.key) == same), None)
    lender = definition or known
    type_ = wanted.get("type") or (lender.type if lender else "")
    return Named(namespace, key, type_, wanted.get("value") or "", known, definition)


def _known(owner: Owner, wanted: dict[str, Any]) -> Metafield | None:
    if wanted.get("id"):
        number = number_of(wanted["id"], "Metafield")
        return next((one for one in owner.metafields.values() if one.id == number), None)
    return owner.metafields.get((wanted.get("namespace") or "", wanted.get("key") or ""))


def _draft(one: Named) -> MetafieldDraft | UserError:
    return problem(one) or draft(one)


def draft(one: Named) -> MetafieldDraft:
    return MetafieldDraft(one.namespace, one.key, one.type, normalised(one.type, one.value))


def problem(one: Named) -> UserError | None:  # noqa: PLR0911 - one guard a line
    """The first thing that is wrong; `field` is below the input, `code` is metafieldsSet's."""
    if found := _name_problem(one.namespace, one.key):
        return found
    if not one.type:
        return UserError(["type"], "Type can't be blank", "BLANK")
    if one.definition and one.type != one.definition.type:
        message = f"Type '{one.type}' must be consistent with the definition's type: '{one.definition.type}'."
        return UserError(["type"], message, "INVALID_TYPE")
    if not known_type(one.type):
        return UserError(["type"], f"Type '{one.type}' is not one of the simulated types.", "INVALID_TYPE")
    longest = MAX_JSON if one.type == "json" else MAX_VALUE
    if len(one.value) > longest:
        return UserError(["value"], f"Value is too long (maximum is {longest} characters)", "TOO_LONG")
    if reason := value_problem(one.type, one.value):
        return UserError(["value"], reason, "INVALID_VALUE")
    return None


def _name_problem(namespace: str, key: str) -> UserError | None:  # noqa: PLR0911 - one guard a line
    if namespace in RESERVED:
        return UserError(["namespace"], f"Namespace {namespace} is a reserved namespace")
    if namespace.startswith(OF_OTHER_APPS):
        return UserError([], NOT_ALLOWED, "APP_NOT_AUTHORIZED")
    if len(namespace) < MIN_NAMESPACE:
        return UserError(["namespace"], "Namespace is too short (minimum is 3 characters)", "TOO_SHORT")
    if len(namespace) > MAX_NAMESPACE:
        return UserError(["namespace"], "Namespace is too long (maximum is 255 characters)", "TOO_LONG")
    if len(key) < MIN_KEY:
        return UserError(["key"], "Key is too short (minimum is 2 characters)", "TOO_SHORT")
    if len(key) > MAX_KEY:
        return UserError(["key"], "Key is too long (maximum is 64 characters)", "TOO_LONG")
    return None
