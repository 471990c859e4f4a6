"""From a path in Shopify's arguments to a JSON pointer into our command: ["input", "handle"] -> "#/handle". Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from shared.metafields import Metafields
from shared.shopify.errors import UserError
from writer.procedures.steps import FieldError

EVENT = {
    "title": "title",
    "handle": "handle",
    "descriptionHtml": "description_html",
    "tags": "tags",
    "status": "status",
}
TICKET = {
    "optionValues": "name",
    "price": "price",
    "compareAtPrice": "compare_at_price",
    "sku": "sku",
    "inventoryQuantities": "capacity",
    "tracked": "capacity",
}
STOCK = frozenset({"changes", "available", "inventoryItemId", "locationId"})  # arguments of the inventory mutations
NAME_TAKEN = frozenset({"VARIANT_ALREADY_EXISTS_CHANGE_OPTION_VALUE", "VARIANT_ALREADY_EXISTS"})
VENUE = "venue_"  # flat in a command, an object for whoever sends one
WHOLE = "#"

Path = Sequence[str]


def pointers(
    kind: str, variables: Mapping[str, Any], errors: Iterable[UserError], metafields: Metafields
) -> tuple[FieldError, ...]:
    """`variables` are those of the refused mutation: a metafield is named by its place among them."""
    return tuple(
        FieldError(_pointer(kind, variables, error, metafields), error.message, error.code) for error in errors
    )


def _pointer(kind: str, variables: Mapping[str, Any], error: UserError, metafields: Metafields) -> str:
    path, arguments = _within(error.field, variables)
    if kind.startswith("ticket."):
        return _ticket_pointer(path, arguments, error, metafields)
    if path[:1] in (["variants"], ["productOptions"]):
        return _ticket_of_event(path, arguments, metafields)
    field = _metafield(path, arguments, metafields.event) or EVENT.get(path[0] if path else "")
    return _spelled(field)


def _within(field: Path, variables: Mapping[str, Any]) -> tuple[list[str], Any]:
    """Without the argument's own name, which some errors begin with and some don't."""
    path = list(field)
    named = path[0] if path and path[0] in {"input", "product"} else None
    arguments = variables.get(named) if named else variables.get("product", variables.get("input", variables))
    if not isinstance(arguments, Mapping):
        arguments = variables
    return (path[1:] if named else path), arguments


def _ticket_pointer(path: list[str], arguments: Any, error: UserError, metafields: Metafields) -> str:
    if error.code in NAME_TAKEN:
        return "#/name"
    if path and path[0] in STOCK:
        return "#/capacity"
    inside, variant = _variant(path, arguments)
    return _spelled(_ticket_field(inside, variant, metafields))


def _ticket_of_event(path: list[str], arguments: Any, metafields: Metafields) -> str:
    """["variants", "2", "price"] -> "#/tickets/2/price"; the options' values are the tickets' names."""
    match path:
        case ["variants", at, *_] if at.isdigit():
            inside, variant = _variant(path, arguments)
            field = _ticket_field(inside, variant, metafields)
            return f"#/tickets/{at}/{field}" if field else f"#/tickets/{at}"
        case ["productOptions", _, "values", at, *_] if at.isdigit():
            return f"#/tickets/{at}/name"
    return "#/tickets"


def _variant(path: list[str], arguments: Any) -> tuple[list[str], Any]:
    """What of the path lies inside a variant, and the variant that was sent."""
    match path:
        case ["variants", at, *inside] if at.isdigit():
            sent = arguments.get("variants") or arguments.get("tickets") or []  # the latter in our own documents
            return inside, sent[int(at)] if int(at) < len(sent) else {}
        case ["variants", *inside]:
            return inside, {}
    return path, {}


def _ticket_field(path: list[str], variant: Any, metafields: Metafields) -> str | None:
    field = _metafield(path, variant, metafields.ticket)
    found = (TICKET.get(name) for name in path)
    return field or next(filter(None, found), None)


def _metafield(path: list[str], arguments: Any, mapping: Mapping[str, str]) -> str | None:
    """The field of ours whose metafield stood at that place."""
    match path:
        case ["metafields", at, *_] if at.isdigit():
            sent = arguments.get("metafields") or []
            one = sent[int(at)] if int(at) < len(sent) else {}
            name = f"{one.get('namespace')}.{one.get('key')}"
            return next((field for field, theirs in mapping.items() if theirs == name), None)
    return None


def _spelled(field: str | None) -> str:
    if field is None:
        return WHOLE
    return f"#/venue/{field.removeprefix(VENUE)}" if field.startswith(VENUE) else f"#/{field}"
