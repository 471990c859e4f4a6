"""ticket.edit: the stock first, then the ticket with its capacity, then what is cleared. Pure.

    ticket_stock -> stock_edit | stock_level_create     where there is a new capacity (writer/procedures/stock.py)
    [ticket_options]  ->  ticket_edit                   where anything is set
    metafields_delete                                   where anything is cleared

Without a new capacity or name nothing is read. A capacity of null makes the ticket one that never sells out: it is not
tracked any more, and has no metafield. The others are natural and simply repeated; changes of stock have a key.

Once stock was moved, the capacity has to be written down, or what is sold could not be told: when Shopify refuses the
edit after that (a name that was taken meanwhile), the capacity alone is written, and the job says what was refused.
A ticket that is gone: Failed.
"""

from collections.abc import Mapping
from typing import Any

from writer.procedures import stock
from writer.procedures.gids import gid, known
from writer.procedures.outcomes import again, event_gone, failed, settled, ticket_gone, was_done
from writer.procedures.steps import (
    Done,
    Failed,
    InDoubt,
    Progress,
    Read,
    Refused,
    Retry,
    Shop,
    Step,
    Succeeded,
    Unknown,
    Whole,
    Write,
    Written,
)
from writer.procedures.ticket_create import SEVERAL_OPTIONS, name_taken
from writer.procedures.ticket_input import changes, cleared

EDIT, CLEAR, OPTIONS, OWNER = "ticket_edit", "metafields_delete", "ticket_options", "ticket_owner"


def edit(progress: Progress, shop: Shop) -> Step:
    last = progress.last
    if last is None:
        return _first(progress, shop)
    if last.document in stock.WRITES:
        return _stock_moved(progress, shop, last)
    if last.document == EDIT:
        return _edited(progress, shop, last)
    return _cleared(progress, shop, last)


def _first(progress: Progress, shop: Shop) -> Step:
    if progress.job.command.get("capacity") is None:
        return _set(progress, shop)
    variant = stock.look(progress, shop)
    if isinstance(variant, Read | Failed):
        return variant
    if (refusal := _name_refused(progress, variant["product"]["options"], variant["title"])) is not None:
        return refusal
    return stock.move(progress, shop, variant) or _set(progress, shop)


def _stock_moved(progress: Progress, shop: Shop, last: Written) -> Step:
    match stock.moved(progress, shop, last):
        case True:
            return _set(progress, shop)
        case False:
            return _first(progress, shop)
        case step:
            return step


def _name_refused(progress: Progress, options: list[Mapping[str, Any]], title: str | None) -> Failed | None:
    """Before anything is written: only where one option tells the tickets apart is its value a ticket's name."""
    name = progress.job.command.get("name")
    if name is None:
        return None
    if len(options) != 1:
        return SEVERAL_OPTIONS
    taken = {value["name"] for value in options[0]["optionValues"]} - {title}
    return name_taken(progress) if title is not None and name in taken else None


def _set(progress: Progress, shop: Shop) -> Step:
    """Everything that is set, in one mutation."""
    option = _option(progress) if progress.job.command.get("name") is not None else None
    if isinstance(option, Read | Failed):
        return option
    variant = changes(progress.job.command, option, shop.metafields)
    return _edit_of(progress, variant) if variant else _clear(progress, shop)


def _option(progress: Progress) -> str | Read | Failed:
    """What the option is called that names the tickets. What was read before a change of stock is forgotten."""
    seen = progress.seen(stock.LOOK)
    product = seen["productVariant"]["product"] if seen else None
    if product is None:
        found = progress.seen(OPTIONS)
        if found is None:
            return Read(OPTIONS, {"id": gid("Product", progress.job.event_id)})
        product = found["product"]
    if product is None:
        return event_gone(progress)
    if len(product["options"]) != 1:
        return SEVERAL_OPTIONS
    name: str = product["options"][0]["name"]
    return name


def _edit_of(progress: Progress, variant: Mapping[str, Any]) -> Write:
    one = {"id": gid("ProductVariant", progress.job.ticket_id), **variant}
    return Write(EDIT, {"productId": gid("Product", progress.job.event_id), "tickets": [one]}, Retry.NATURAL)


def _only_capacity(progress: Progress, shop: Shop) -> Write:
    command = progress.job.command
    return _edit_of(progress, changes({"capacity": command["capacity"]}, None, shop.metafields))


def _edited(progress: Progress, shop: Shop, last: Written) -> Step:
    match settled(last):
        case Unknown():
            return again(last, Retry.NATURAL)
        case Refused(errors):
            if not was_done(progress.writes, *stock.WRITES):
                return failed(progress, shop, last, errors)
            return _capacity_alone(progress, shop, last)
        case Done():
            return _set_done(progress, shop, last)


def _capacity_alone(progress: Progress, shop: Shop, last: Written) -> Step:
    """Refused, and stock was moved."""
    alone = _only_capacity(progress, shop)
    if last.variables != alone.variables:
        return alone
    refused = settled(last)
    words = failed(progress, shop, last, refused.errors if isinstance(refused, Refused) else ())
    if words.error.code == "gone":
        return words
    said = "; ".join(error.message for error in words.error.errors)
    return InDoubt(
        f"The stock was moved to fit a capacity of {progress.job.command['capacity']}, and Shopify refuses to write "
        f"that down ({said}). Set the ticket's capacity metafield in Shopify, or move the stock back; then resolve."
    )


def _set_done(progress: Progress, shop: Shop, last: Written) -> Step:
    """All of it; or the capacity alone, because the rest had been refused."""
    command = progress.job.command
    is_part = command.get("capacity") is not None and last.variables == _only_capacity(progress, shop).variables
    if is_part and changes(command, "", shop.metafields) != changes(
        {"capacity": command["capacity"]}, "", shop.metafields
    ):
        return _partly(progress, shop)
    return _clear(progress, shop)


def _partly(progress: Progress, shop: Shop) -> Step:
    refused = [write for write in progress.writes if write.document == EDIT and isinstance(write.outcome, Refused)]
    if not refused:
        return _set(progress, shop)  # an operator has it tried once more
    errors = [error for write in refused[-1:] if isinstance(write.outcome, Refused) for error in write.outcome.errors]
    message = "The capacity is changed; Shopify refused the rest."
    seen = Whole(known(progress.job.event_id))
    return failed(progress, shop, refused[-1], tuple(errors), code="partly", message=message, observation=seen)


def _clear(progress: Progress, shop: Shop) -> Step:
    fields = cleared(progress.job.command, shop.metafields)
    if not fields:
        return _succeeded(progress)
    owner = gid("ProductVariant", progress.job.ticket_id)
    found = [shop.metafields.of_ticket(field).named(owner) for field in fields]
    return Write(CLEAR, {"metafields": found}, Retry.NATURAL)


def _cleared(progress: Progress, shop: Shop, last: Written) -> Step:
    match settled(last):
        case Unknown():
            return again(last, Retry.NATURAL)
        case Refused(errors) if was_done(progress.writes, EDIT):
            message = "Shopify refused to clear the fields; the others are edited."
            seen = Whole(known(progress.job.event_id))
            return failed(progress, shop, last, errors, code="partly", message=message, observation=seen)
        case Refused(errors):
            return failed(progress, shop, last, errors)
        case Done():
            return _succeeded(progress) if was_done(progress.writes, EDIT) else _was_there(progress)


def _was_there(progress: Progress) -> Step:
    """Nothing but clearing: that mutation is silent about a ticket that is gone (costs 2)."""
    found = progress.seen(OWNER)
    if found is None:
        return Read(OWNER, {"id": gid("ProductVariant", progress.job.ticket_id)})
    variant = found["productVariant"]
    if variant is None or variant["product"]["id"] != gid("Product", progress.job.event_id):
        return ticket_gone(progress)
    return _succeeded(progress)


def _succeeded(progress: Progress) -> Succeeded:
    event_id = known(progress.job.event_id)
    return Succeeded(event_id, progress.job.ticket_id, Whole(event_id))
