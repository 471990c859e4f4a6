"""From the fields of an event to what Shopify's product inputs call them. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from shared.metafields import JOB_KEY, JOB_NAMESPACE, LINE, Metafields
from writer.procedures.steps import Shop
from writer.procedures.ticket_input import tracked

COLUMNS = {
    "title": "title",
    "handle": "handle",
    "description_html": "descriptionHtml",
    "tags": "tags",
    "status": "status",
    "product_type": "productType",  # never a client's: see `kept_an_event`
}
CLEARED: Mapping[str, Any] = {"description_html": "", "tags": []}  # how a column says null
OPTION = "Ticket"  # what the tickets of an event are values of

Command = Mapping[str, Any]
Json = dict[str, Any]


def columns(command: Command) -> Json:
    """What the command names and a product has a column for."""
    named = {field: command[field] for field in COLUMNS if field in command}
    return {COLUMNS[field]: _column(field, value) for field, value in named.items()}


def kept_an_event(kind: str, command: Command, shop: Shop) -> Command:
    """The command, so that what it makes, or gives other tags, is an event where not every product is."""
    if kind == "event.create":
        return _tagged({"tags": [], **command}, shop) | ({"product_type": shop.event_type} if shop.event_type else {})
    return _tagged(command, shop) if kind == "event.edit" and "tags" in command else command


def _tagged(command: Command, shop: Shop) -> Json:
    tags = list(command["tags"] or ())
    unmade = shop.event_tags and not set(shop.event_tags) & set(tags)
    return {**command, "tags": [*tags, shop.event_tags[0]]} if unmade else dict(command)


def _column(field: str, value: Any) -> Any:
    if value is None:
        return CLEARED.get(field)
    return value.upper() if field == "status" else value


def metafields(command: Command, where: Metafields) -> list[Json]:
    """To be set: what the command gives a value."""
    found = ((where.of_event(field), command[field]) for field in where.event if command.get(field) is not None)
    return [one.as_input(value) for one, value in found]


def cleared(command: Command, where: Metafields) -> list[str]:
    """Fields whose metafield is to be deleted: a metafield can't be empty."""
    return [field for field in where.event if field in command and command[field] is None]


def new_product(command: Command, handle: str, job_id: str, where: Metafields, location: str) -> Json:
    """A ProductSetInput for an event that isn't there yet: it has no id, and never gets one here.

    With an id, the list of variants would delete the tickets that it leaves out (docs/shopify.md 3).
    """
    tickets = command.get("tickets") or []
    given = {field: value for field, value in command.items() if value is not None}
    product: Json = {"status": "DRAFT"} | columns(given) | {"handle": handle}
    mark = {"namespace": JOB_NAMESPACE, "key": JOB_KEY, "type": LINE, "value": job_id}
    product["metafields"] = [*metafields(given, where), mark]
    if tickets:
        product["productOptions"] = [{"name": OPTION, "values": [{"name": one["name"]} for one in tickets]}]
        product["variants"] = [_new_variant(one, where, location) for one in tickets]
    return product


def _new_variant(ticket: Command, where: Metafields, location: str) -> Json:
    variant = tracked(ticket, OPTION, where)
    if ticket.get("capacity") is not None:
        quantity = {"locationId": location, "name": "available", "quantity": ticket["capacity"]}
        variant["inventoryQuantities"] = [quantity]
    return variant


def differences(command: Command, node: Mapping[str, Any], where: Metafields) -> Iterator[str]:
    """Fields that the product, read with its metafields, doesn't have as the command wants them.

    One that Shopify stores in words of its own (it tidies HTML) differs for ever: then the edit is sent again.
    """
    for theirs, value in columns(command).items():
        if not _same(theirs, node[theirs], value):
            yield theirs
    stored = {f"{one['namespace']}.{one['key']}": one["value"] for one in node["metafields"]["nodes"]}
    for field, name in where.event.items():
        if field in command and not where.of_event(field).says(stored.get(name), command[field]):
            yield field


def _same(theirs: str, stored: Any, wanted: Any) -> bool:
    return set(stored) == set(wanted) if theirs == "tags" else bool(stored == wanted)
