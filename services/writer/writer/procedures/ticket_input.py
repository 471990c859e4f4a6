"""From the fields of a ticket to what Shopify's variant inputs call them. Pure."""

from collections.abc import Mapping
from typing import Any

from shared.metafields import Metafields

Command = Mapping[str, Any]
Json = dict[str, Any]


def tracked(ticket: Command, option: str, where: Metafields) -> Json:
    """A new variant, but for its stock. Tracked only with a capacity: without one a ticket never sells out."""
    item: Json = {"tracked": ticket.get("capacity") is not None, "requiresShipping": False}
    if ticket.get("sku") is not None:
        item["sku"] = ticket["sku"]
    variant = {"optionValues": [{"optionName": option, "name": ticket["name"]}], "inventoryItem": item}
    variant |= {"price": ticket["price"], "metafields": metafields(ticket, where)}
    if ticket.get("compare_at_price") is not None:
        variant["compareAtPrice"] = ticket["compare_at_price"]
    return variant


def changes(command: Command, option: str | None, where: Metafields) -> Json:
    """What of an edit a variant takes: all but its stock, and the metafields that are cleared."""
    variant: Json = {}
    if option is not None and "name" in command:
        variant["optionValues"] = [{"optionName": option, "name": command["name"]}]
    for field, theirs in (("price", "price"), ("compare_at_price", "compareAtPrice")):
        if field in command:
            variant[theirs] = command[field]
    item: Json = {}
    if "sku" in command:
        item["sku"] = command["sku"]
    if "capacity" in command:
        item["tracked"] = command["capacity"] is not None
    if item:
        variant["inventoryItem"] = item
    if found := metafields(command, where):
        variant["metafields"] = found
    return variant


def metafields(command: Command, where: Metafields) -> list[Json]:
    """To be set: what the command gives a value."""
    found = ((where.of_ticket(field), command[field]) for field in where.ticket if command.get(field) is not None)
    return [one.as_input(value) for one, value in found]


def cleared(command: Command, where: Metafields) -> list[str]:
    """Fields whose metafield is to be deleted."""
    return [field for field in where.ticket if field in command and command[field] is None]
