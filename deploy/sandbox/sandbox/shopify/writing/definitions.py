"""metafieldDefinitionCreate."""

import re
from typing import Any

from sandbox.shopify.context import Info
from sandbox.shopify.metafield_types import known_type
from sandbox.shopify.refusals import Refused, UserError, not_simulated
from sandbox.shopify.shapes import Definition
from sandbox.shopify.shop import Action, Shop
from sandbox.shopify.writing.frame import Payload, perform

OWNERS = frozenset({"PRODUCT", "PRODUCTVARIANT"})
NAME = re.compile(r"[A-Za-z0-9_-]+")
MIN_NAMESPACE, MIN_KEY = 3, 2


def create(_source: Any, info: Info, **arguments: Any) -> Payload:
    wanted = arguments["definition"]
    if wanted["ownerType"] not in OWNERS:
        raise not_simulated(f"Metafield definitions of {wanted['ownerType']}")
    if wanted.get("pin") or wanted.get("useAsCollectionCondition"):
        raise not_simulated("Pinned metafield definitions")

    def effect(action: Action) -> Payload:
        if errors := problems(action.shop, wanted):
            raise Refused(*errors)
        definition = define(
            action.shop, wanted["ownerType"], wanted["namespace"], wanted["key"], wanted["type"], wanted["name"]
        )
        definition.description = wanted.get("description")
        action.did(f"metafield definition {definition.namespace}.{definition.key} created")
        return {"createdDefinition": definition}

    return perform(info, arguments, effect, ("createdDefinition",))


def define(shop: Shop, owner_type: str, namespace: str, key: str, type_: str, name: str | None = None) -> Definition:
    """A new definition. Callers check."""
    number = shop.numbers.next("MetafieldDefinition")
    definition = Definition(number, owner_type, namespace, key, type_, name or key.replace("_", " ").capitalize())
    shop.definitions[number] = definition
    return definition


def problems(shop: Shop, wanted: dict[str, Any]) -> list[UserError]:
    """What is wrong with a `MetafieldDefinitionInput`; the words are the simulation's own where none were recorded."""
    errors = []
    namespace, key = wanted.get("namespace") or "", wanted["key"]
    if not wanted["name"].strip():
        errors.append(UserError(["definition", "name"], "Name can't be blank", "BLANK"))
    for field, value, least in (("namespace", namespace, MIN_NAMESPACE), ("key", key, MIN_KEY)):
        if len(value) < least:
            message = f"{field.capitalize()} is too short (minimum is {least} characters)"
            errors.append(UserError(["definition", field], message, "TOO_SHORT"))
        elif not NAME.fullmatch(value):
            message = f"{field.capitalize()} contains one or more invalid characters."
            errors.append(UserError(["definition", field], message, "INVALID_CHARACTER"))
    if not known_type(wanted["type"]):
        message = f"Type name {wanted['type']} is not a valid type."
        errors.append(UserError(["definition", "type"], message, "INCLUSION"))
    same = (wanted["ownerType"], namespace, key)
    if any((d.owner_type, d.namespace, d.key) == same for d in shop.definitions.values()):
        owner = wanted["ownerType"].capitalize()
        message = f"Key is in use for {owner} metafields on the '{namespace}' namespace."
        errors.append(UserError(["definition", "key"], message, "TAKEN"))
    return errors
