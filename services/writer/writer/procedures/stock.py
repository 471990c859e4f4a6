"""The stock's part of a new capacity: look, plan (writer/procedures/capacity.py), move it with a key. Pure.

What was refused because stock had changed (a sale, a location) is planned anew from a new look, with a new key.
"""

from collections.abc import Mapping
from typing import Any

from writer.procedures import capacity, keyed
from writer.procedures.capacity import BelowSold, Moves, Stocked
from writer.procedures.gids import gid
from writer.procedures.outcomes import codes, failed, settled, ticket_gone
from writer.procedures.steps import (
    Failed,
    FieldError,
    InDoubt,
    JobError,
    Progress,
    Read,
    Refused,
    Retry,
    Shop,
    Write,
    Written,
)

LOOK, MOVE, PUT = "ticket_stock", "stock_edit", "stock_level_create"
WRITES = (MOVE, PUT)
MOST_PLANS = 10
MOST_LEVELS = 250  # of one page; the document's own page is 12, which is cheaper

# Refusals that a new look can heal.
CHANGED = frozenset(
    {"CHANGE_FROM_QUANTITY_STALE", "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED", "INVALID_LOCATION", "INVALID_INVENTORY_ITEM"}
)
CHANGED_WORDS = ("already active", "product was deleted")  # of inventoryActivate, which gives no code

TOO_MANY_LOCATIONS = Failed(JobError("too_many_locations", f"Its stock is in more than {MOST_LEVELS} locations."))
BUSY = Failed(
    JobError("busy", f"Its stock changed {MOST_PLANS} times while the capacity was to be lowered. Nothing was changed.")
)


def look(progress: Progress, shop: Shop) -> Mapping[str, Any] | Read | Failed:
    """The variant with all its stock, as `ticket_stock` reads it."""
    reads = [read.data for read in progress.reads if read.document == LOOK]
    if not reads:
        return Read(LOOK, _variables(progress, shop))
    variant: Mapping[str, Any] | None = reads[-1]["productVariant"]
    if variant is None or variant["product"]["id"] != gid("Product", progress.job.event_id):
        return ticket_gone(progress)
    if not variant["inventoryItem"]["inventoryLevels"]["pageInfo"]["hasNextPage"]:
        return variant
    if len(reads) > 1:
        return TOO_MANY_LOCATIONS
    return Read(LOOK, {**_variables(progress, shop), "levels": MOST_LEVELS})


def _variables(progress: Progress, shop: Shop) -> dict[str, Any]:
    where = shop.metafields.of_ticket("capacity")
    return {"id": gid("ProductVariant", progress.job.ticket_id), "namespace": where.namespace, "key": where.key}


def move(progress: Progress, shop: Shop, variant: Mapping[str, Any]) -> Write | Failed | None:
    """None: no stock has to move."""
    command = progress.job.command
    stock, home = capacity.stock_of(variant), gid("Location", shop.location_id)
    match capacity.plan(stock, command["capacity"], command.get("known_capacity"), home):
        case BelowSold(sold):
            error = FieldError("#/capacity", f"{sold} are sold already.", None)
            return Failed(JobError("below_sold", "The capacity can't be less than what is sold.", (error,)))
        case Stocked(location, available):
            put = {"item": stock.item, "location": location, "available": available}
            return keyed.keyed(progress, PUT, put, Retry.KEYED)
        case Moves(()):
            return None
        case Moves(changes):
            found = [_change(stock.item, change) for change in changes]
            compares = any(change.compared is not None for change in changes)
            wanted = {"name": "available", "reason": "correction", "changes": found}
            return keyed.keyed(progress, MOVE, {"input": wanted}, Retry.COMPARE_AND_SET if compares else Retry.KEYED)


def _change(item: str, change: capacity.Change) -> dict[str, Any]:
    where = {"inventoryItemId": item, "locationId": change.location}
    return {**where, "delta": change.delta, "changeFromQuantity": change.compared}


def moved(progress: Progress, shop: Shop, last: Written) -> Write | Failed | InDoubt | bool:
    """What a change of stock came to. True: it is done. False: look again, and plan anew."""
    if (doubt := keyed.in_doubt(progress, last)) is not None:
        return doubt
    if keyed.is_unanswered(last):
        return keyed.unanswered(progress, last, _retry(last))
    outcome = settled(last)
    if not isinstance(outcome, Refused):
        return True
    if not _has_changed(outcome):
        return failed(progress, shop, last, outcome.errors)
    plans = sum(write.document in WRITES and isinstance(write.outcome, Refused) for write in progress.writes)
    return BUSY if plans >= MOST_PLANS else False


def _has_changed(refused: Refused) -> bool:
    words = any(word in error.message for error in refused.errors for word in CHANGED_WORDS)
    return words or bool(CHANGED & codes(refused.errors))


def _retry(last: Written) -> Retry:
    changes = last.variables.get("input", {}).get("changes", ())
    compares = any(change["changeFromQuantity"] is not None for change in changes)
    return Retry.COMPARE_AND_SET if compares else Retry.KEYED
