"""inventorySetQuantities, -AdjustQuantities, -Activate, -Deactivate, inventoryItemUpdate.

The order of checks is Shopify's: changeFromQuantity must be there, then the key of @idempotent, then the rest.
"""

import re
from collections.abc import Callable
from typing import Any

from graphql.execution.values import get_directive_values

from sandbox.shopify import catalogue, stock
from sandbox.shopify.context import Info, number_of, request_of
from sandbox.shopify.gids import gid, parse_gid
from sandbox.shopify.idempotency import Done
from sandbox.shopify.refusals import Refused, UserError, bad_request, not_simulated, refuse, runtime_error
from sandbox.shopify.shapes import ADJUSTABLE, InventoryItem, Level, Location
from sandbox.shopify.shop import Action, Shop
from sandbox.shopify.writing import checks
from sandbox.shopify.writing.frame import Payload, perform, refused_payload

BILLION = 1_000_000_000
HIGHEST_SET, HIGHEST_ADJUSTED = BILLION, 2 * BILLION
REASONS = (
    "correction", "cycle_count_available", "damaged", "movement_canceled", "movement_created", "movement_received",
    "movement_updated", "other", "promotion", "quality_control", "received", "reservation_created",
    "reservation_deleted", "reservation_updated", "restock", "safety_stock", "shrinkage",
)  # fmt: skip

STALE_SET = "The changeFromQuantity value does not match persisted value."
STALE_ADJUSTED = "The changeFromQuantity argument no longer matches the persisted quantity."
HARMONIZED = re.compile(r"\d{6,13}")


def set_quantities(_source: Any, info: Info, **arguments: Any) -> Payload:
    wanted = arguments["input"]
    _require_change_from(wanted["quantities"], "InventoryQuantityInput")

    def effect(action: Action) -> Payload:
        name = wanted["name"]
        errors = _reason_errors(wanted["reason"])
        if name not in {"available", "on_hand"}:
            message = "The quantity name must be either 'available' or 'on_hand'."
            errors.append(UserError(["input", "name"], message, "INVALID_NAME"))
        levels = _levels(action.shop, wanted["quantities"], "quantities", errors)
        for at, one in enumerate(wanted["quantities"]):
            errors += _bounds(one["quantity"], ["input", "quantities", str(at), "quantity"], HIGHEST_SET)
        errors += _doubles(wanted["quantities"]) + _stale(levels, wanted["quantities"], name, "quantities", STALE_SET)
        if errors:
            raise Refused(*errors)
        changes = []
        for level, one in zip(levels, wanted["quantities"], strict=True):
            if level is not None:
                changes += stock.set_quantity(action, level, name, one["quantity"])
        return {"inventoryAdjustmentGroup": _group(action, wanted, changes)}

    return _idempotently(info, arguments, effect, ("inventoryAdjustmentGroup",))


def adjust_quantities(_source: Any, info: Info, **arguments: Any) -> Payload:
    wanted = arguments["input"]
    _require_change_from(wanted["changes"], "InventoryChangeInput")

    def effect(action: Action) -> Payload:
        name = wanted["name"]
        errors = _reason_errors(wanted["reason"])
        if name not in ADJUSTABLE:
            message = f"The specified quantity name is invalid. Valid values are: {', '.join(ADJUSTABLE)}."
            errors.append(UserError(["input", "name"], message, "INVALID_QUANTITY_NAME"))
        levels = _levels(action.shop, wanted["changes"], "changes", errors)
        errors += _ledger_errors(wanted["changes"], name)
        errors += _stale(levels, wanted["changes"], name, "changes", STALE_ADJUSTED)
        for at, (level, one) in enumerate(zip(levels, wanted["changes"], strict=True)):
            after = (level.quantity(name) if level else 0) + one["delta"]
            errors += _bounds(after, ["input", "changes", str(at), "delta"], HIGHEST_ADJUSTED, negative=True)
        if errors:
            raise Refused(*errors)
        changes = []
        for level, one in zip(levels, wanted["changes"], strict=True):
            if level is not None:
                changes += stock.adjust(action, level, name, one["delta"], one.get("ledgerDocumentUri"))
        return {"inventoryAdjustmentGroup": _group(action, wanted, changes)}

    return _idempotently(info, arguments, effect, ("inventoryAdjustmentGroup",))


def activate(_source: Any, info: Info, **arguments: Any) -> Payload:
    def effect(action: Action) -> Payload:
        shop = action.shop
        item = shop.items.get(number_of(arguments["inventoryItemId"], "InventoryItem"))
        location = shop.locations.get(number_of(arguments["locationId"], "Location"))
        if location is None or not location.active:
            message = "The product couldn't be stocked because the location wasn't found."
            raise refuse(["locationId"], message)
        if item is None:
            message = f"The product couldn't be stocked at {location.name} because the product was deleted."
            raise refuse(["inventoryItemId"], message)
        given = {name: arguments[name] for name in ("available", "onHand") if arguments.get(name) is not None}
        _check_activation(item, location, given)
        level = item.levels.get(location.id)
        if level is None or not level.active:
            level = stock.activate(action, item, location, next(iter(given.values()), 0))
        return {"inventoryLevel": level}

    return _idempotently(info, arguments, effect, ("inventoryLevel",))


def _check_activation(item: InventoryItem, location: Location, given: dict[str, int]) -> None:
    level = item.levels.get(location.id)
    if level and level.active:
        articles = {"available": "available", "onHand": "an on_hand"}
        messages = [
            UserError(
                [name], f"Not allowed to set {articles[name]} quantity when the item is already active at the location."
            )
            for name in given
        ]
        if messages:
            raise Refused(*messages)
    if len(given) > 1:
        message = (
            f"The product couldn't be stocked at {location.name} because not allowed to set available and on_hand"
            " quantities at the same time."
        )
        raise Refused(*(UserError([name], message) for name in given))
    for name, quantity in given.items():
        if abs(quantity) > BILLION:
            message = (
                f"The product couldn't be stocked at {location.name} because the quantity needs to be between"
                " -1 billion and 1 billion."
            )
            raise refuse([name], message)


def deactivate(_source: Any, info: Info, **arguments: Any) -> Payload:
    found = parse_gid(arguments["inventoryLevelId"])

    def effect(action: Action) -> Payload:
        level = action.shop.levels.get(found.number) if found and found.kind == "InventoryLevel" else None
        if level is None or not level.active:
            raise refuse(None, "The product couldn't be unstocked because the product was deleted.")
        if len(level.item.active_levels) == 1:
            message = (
                f"The product couldn't be unstocked from {level.location.name} because products need to be stocked at a"
                " minimum of 1 location."
            )
            raise refuse(None, message)
        stock.deactivate(action, level)
        return {}

    return _idempotently(info, arguments, effect, ())


def update_item(_source: Any, info: Info, **arguments: Any) -> Payload:
    wanted = arguments["input"]
    harmonized = wanted.get("harmonizedSystemCode")
    valid = harmonized is not None and HARMONIZED.fullmatch(harmonized)
    if valid or wanted.get("provinceCodeOfOrigin") is not None:
        raise not_simulated("inventoryItemUpdate: where an item comes from")
    number = number_of(arguments["id"], "InventoryItem")

    def effect(action: Action) -> Payload:
        item = action.shop.items.get(number)
        if item is None:
            raise refuse(["id"], "The product couldn't be updated because it does not exist.")
        if (wanted.get("cost") or 0) < 0:
            raise refuse(["input", "cost"], "Cost must be greater than or equal to 0")
        if harmonized is not None:
            message = "Harmonized system code must be a number between six and thirteen digits"
            raise refuse(["input", "harmonizedSystemCode"], message)
        catalogue.edit_item(action, item, checks.item_fields(wanted))
        return {"inventoryItem": item}

    return perform(info, arguments, effect, ("inventoryItem",))


def _idempotently(
    info: Info, arguments: dict[str, Any], effect: Callable[[Action], Payload], empty: tuple[str, ...]
) -> Payload:
    """One effect for one key.

    Raises:
        GraphQLError: BAD_REQUEST, the directive is missing.

    """
    directive = info.schema.get_directive("idempotent")
    given = get_directive_values(directive, info.field_nodes[0], info.variable_values) if directive else None
    if given is None:
        raise bad_request("The @idempotent directive is required for this mutation but was not provided.")
    request = request_of(info)

    def once() -> Done:
        payload = perform(info, {**arguments, "idempotencyKey": given["key"]}, effect, empty)
        refused = bool(payload["userErrors"])
        return Done(payload, refused, remembered=not refused or request.knobs.refused_call_consumes_key)

    try:
        payload: Payload = request.backstage.idempotency.once(
            given["key"], request.held_keys, info.field_name, arguments, once
        )
    except Refused as refused:
        return refused_payload(refused, empty)
    return payload


def _require_change_from(inputs: list[dict[str, Any]], type_name: str) -> None:
    if any("changeFromQuantity" not in one for one in inputs):
        message = f"{type_name} must include the following argument: changeFromQuantity."
        raise runtime_error(message, "INVALID_FIELD_ARGUMENTS")


def _reason_errors(reason: str) -> list[UserError]:
    if reason in REASONS:
        return []
    message = f"The specified reason is invalid. Valid values are: {', '.join(REASONS)}."
    return [UserError(["input", "reason"], message, "INVALID_REASON")]


def _levels(shop: Shop, inputs: list[dict[str, Any]], part: str, errors: list[UserError]) -> list[Level | None]:
    """The level each input names; what is wrong with an input joins `errors` and leaves None."""
    found: list[Level | None] = []
    for at, one in enumerate(inputs):
        field = ["input", part, str(at)]
        item = shop.items.get(number_of(one["inventoryItemId"], "InventoryItem"))
        location = shop.locations.get(number_of(one["locationId"], "Location"))
        level = item.levels.get(location.id) if item and location else None
        if item is None:
            message = "The specified inventory item could not be found."
            errors.append(UserError([*field, "inventoryItemId"], message, "INVALID_INVENTORY_ITEM"))
        if location is None:
            message = "The specified location could not be found."
            errors.append(UserError([*field, "locationId"], message, "INVALID_LOCATION"))
        if item and location and (level is None or not level.active):
            message = "The specified inventory item is not stocked at the location."
            errors.append(UserError([*field, "locationId"], message, "INVALID_LOCATION"))
        found.append(level if level and level.active else None)
    return found


def _doubles(quantities: list[dict[str, Any]]) -> list[UserError]:
    pairs = [(one["inventoryItemId"], one["locationId"]) for one in quantities]
    message = "The combination of inventoryItemId and locationId must be unique."
    return [
        UserError(
            ["input", "quantities", str(at), "locationId"], message, "NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR"
        )
        for at, pair in enumerate(pairs)
        if pairs.count(pair) > 1
    ]


def _stale(
    levels: list[Level | None], inputs: list[dict[str, Any]], name: str, part: str, message: str
) -> list[UserError]:
    """Compare and set: null means no comparison."""
    return [
        UserError(["input", part, str(at), "changeFromQuantity"], message, "CHANGE_FROM_QUANTITY_STALE")
        for at, (level, one) in enumerate(zip(levels, inputs, strict=True))
        if level and one["changeFromQuantity"] is not None and level.quantity(name) != one["changeFromQuantity"]
    ]


def _bounds(quantity: int, field: list[str], highest: int, *, negative: bool = False) -> list[UserError]:
    if quantity > highest:
        return [UserError(field, f"The quantity can't be higher than {highest:,}.", "INVALID_QUANTITY_TOO_HIGH")]
    if quantity < -highest:
        return [UserError(field, f"The quantity can't be lower than -{highest:,}.", "INVALID_QUANTITY_TOO_LOW")]
    if quantity < 0 and not negative:
        return [UserError(field, "The quantity can't be negative.", "INVALID_QUANTITY_NEGATIVE")]
    return []


def _ledger_errors(changes: list[dict[str, Any]], name: str) -> list[UserError]:
    errors = []
    for at, one in enumerate(changes):
        field = ["input", "changes", str(at), "ledgerDocumentUri"]
        uri = one.get("ledgerDocumentUri")
        if name == "available" and uri:
            message = "A ledger document URI is not allowed when adjusting available."
            errors.append(UserError(field, message, "INVALID_AVAILABLE_DOCUMENT"))
        elif name in ADJUSTABLE and name != "available" and not uri:
            message = "A ledger document URI is required except when adjusting available."
            errors.append(UserError(field, message, "INVALID_QUANTITY_DOCUMENT"))
        elif uri and uri.startswith("gid://shopify/"):
            message = "Internal (gid://shopify/) ledger documents are not allowed to be adjusted via API."
            errors.append(UserError(field, message, "INTERNAL_LEDGER_DOCUMENT"))
    if len({one.get("ledgerDocumentUri") for one in changes}) > 1:
        message = (
            "All changes must have the same ledger document URI or, in the case of adjusting available, no ledger"
            " document URI."
        )
        errors.append(UserError(["input", "changes"], message, "MAX_ONE_LEDGER_DOCUMENT"))
    return errors


def _group(action: Action, wanted: dict[str, Any], changes: list[stock.QuantityChange]) -> dict[str, Any] | None:
    if not changes:
        return None
    return {
        "id": gid("InventoryAdjustmentGroup", action.shop.numbers.next("InventoryAdjustmentGroup")),
        "createdAt": action.now,
        "reason": wanted["reason"],
        "referenceDocumentUri": wanted.get("referenceDocumentUri"),
        "changes": changes,
    }
