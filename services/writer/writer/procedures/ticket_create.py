"""ticket.create: see what the event's tickets are told apart by, then add one; its name is the guard. Pure.

    ticket_place (options, the only variant)  ->  ticket_create (productVariantsBulkCreate)  ->  Succeeded

A second carrying-out is refused because the name is taken (writer/procedures/guarded.py). Shopify gives every product
without variants one of its own. Untouched, it makes room for the first ticket; a real ticket is never deleted. That is
the strategy: DEFAULT deletes the only variant if it still has Shopify's own name, PRESERVE_STANDALONE_VARIANT none.
REMOVE_STANDALONE_VARIANT is not used: it deletes any only variant, one that was renamed a moment ago too.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from shared.metafields import JOB_KEY, JOB_NAMESPACE, LINE
from shared.shopify.errors import UserError
from writer.procedures.gids import gid, known, number
from writer.procedures.guarded import Bearer, Guard, Made, Taken, created
from writer.procedures.outcomes import event_gone
from writer.procedures.pointers import NAME_TAKEN
from writer.procedures.steps import (
    Failed,
    FieldError,
    JobError,
    Progress,
    Read,
    Retry,
    Shop,
    Step,
    Succeeded,
    Whole,
    Write,
)
from writer.procedures.ticket_input import tracked

CREATE, PLACE, NAMES = "ticket_create", "ticket_place", "ticket_names"

SEVERAL_OPTIONS = Failed(
    JobError("several_options", "The tickets of this event differ in more than a name; edit them in Shopify.")
)


def create(progress: Progress, shop: Shop) -> Step:
    if progress.last is None:
        return _first(progress, shop)
    match created(progress, shop, _guard(progress)):
        case Made(ticket_id):
            event_id = known(progress.job.event_id)
            return Succeeded(event_id, ticket_id, Whole(event_id))
        case Taken():
            return name_taken(progress)
        case step:
            return step


def name_taken(progress: Progress) -> Failed:
    name = progress.job.command["name"]
    error = FieldError("#/name", f"There is a ticket named {name}.", None)
    return Failed(JobError("name_taken", "Another ticket of this event has this name.", (error,)))


def _first(progress: Progress, shop: Shop) -> Step:
    found = progress.seen(PLACE)
    if found is None:
        namespace = next(iter(shop.metafields.ticket.values())).partition(".")[0]
        return Read(PLACE, {"id": gid("Product", progress.job.event_id), "namespace": namespace})
    product = found["product"]
    if product is None:
        return event_gone(progress)
    if len(product["options"]) != 1:
        return SEVERAL_OPTIONS
    variables = {
        "productId": gid("Product", progress.job.event_id),
        "strategy": "DEFAULT" if _is_untouched(product) else "PRESERVE_STANDALONE_VARIANT",
        "tickets": [_variant(progress, shop, product["options"][0]["name"])],
    }
    return Write(CREATE, variables, Retry.UNSAFE)


def _is_untouched(product: Mapping[str, Any]) -> bool:
    """Whether the only variant is Shopify's own, as it made it: free, without stock, and nobody's ticket."""
    if not product["hasOnlyDefaultVariant"]:
        return False
    (variant,) = product["variants"]["nodes"]
    sold_by_anyone = variant["inventoryItem"]["tracked"] or variant["inventoryQuantity"] or variant["sku"]
    named_by_anyone = variant["metafields"]["nodes"] or variant["metafield"]
    return not (Decimal(variant["price"]) or variant["compareAtPrice"] or sold_by_anyone or named_by_anyone)


def _variant(progress: Progress, shop: Shop, option: str) -> dict[str, Any]:
    command = progress.job.command
    variant = tracked(command, option, shop.metafields)
    if command.get("capacity") is not None:
        location = gid("Location", shop.location_id)
        variant["inventoryQuantities"] = [{"locationId": location, "availableQuantity": command["capacity"]}]
    mark = {"namespace": JOB_NAMESPACE, "key": JOB_KEY, "type": LINE, "value": progress.job.id}
    variant["metafields"] = [*variant["metafields"], mark]
    return variant


def _guard(progress: Progress) -> Guard:
    name = progress.job.command["name"]
    return Guard(
        attempts=progress.writes,
        read=Read(NAMES, {"id": gid("Product", progress.job.event_id)}),
        made=_made_id,
        bearer=lambda data: _bearer(data, name),
        is_taken=_name_is_taken,
    )


def _made_id(data: Mapping[str, Any]) -> int | None:
    made = (data.get("productVariantsBulkCreate") or {}).get("productVariants")
    return number(made[0]["id"]) if made else None


def _bearer(data: Mapping[str, Any], name: str) -> Bearer | None:
    """A title is the name where a product has one option. The newest tickets are read first, 250 of them."""
    nodes = data["product"]["variants"]["nodes"] if data["product"] else []
    found = next((node for node in nodes if node["title"] == name), None)
    if found is None:
        return None
    mark = found["metafield"]
    return Bearer(number(found["id"]), mark and mark["value"])


def _name_is_taken(errors: Iterable[UserError]) -> bool:
    return any(error.code in NAME_TAKEN for error in errors)
