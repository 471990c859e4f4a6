"""event.create: the event with all its tickets in one mutation; then, where it is to be active, publish it. Pure.

    event_create (productSet)  ->  publication_create (publishablePublish), where status is active  ->  Succeeded

The handle guards against a second event (writer/procedures/guarded.py). productSet is used for nothing else, and never
with an id or an identifier: on a product that exists it would delete the tickets that it wasn't told of.
What remains: somebody who renames or deletes the new event within the horizon of a lost answer gets another one.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from shared.shopify.errors import UserError
from writer.procedures.event_input import new_product
from writer.procedures.gids import gid, number
from writer.procedures.guarded import Bearer, Guard, Made, Taken, created
from writer.procedures.handles import candidates, slug
from writer.procedures.outcomes import again, failed, settled
from writer.procedures.steps import (
    Done,
    Failed,
    FieldError,
    JobError,
    Progress,
    Read,
    Retry,
    Shop,
    Step,
    Succeeded,
    Unknown,
    Whole,
    Write,
    Written,
)

CREATE, PUBLISH, BY_HANDLE = "event_create", "publication_create", "event_by_handle"


def create(progress: Progress, shop: Shop) -> Step:
    last = progress.last
    if last is None:
        return _with_handle(progress, shop, _handles(progress)[0])
    if last.document == PUBLISH:
        return _published(progress, shop, last)
    handle = last.variables["input"]["handle"]
    match created(progress, shop, _guard(progress, handle)):
        case Made(event_id):
            return _made(progress, shop, event_id)
        case Taken():
            return _next_handle(progress, shop, handle)
        case step:
            return step


def _handles(progress: Progress) -> tuple[str, ...]:
    """The one that was asked for, or else those that we would choose."""
    asked = slug(progress.job.command.get("handle") or "")
    return (asked,) if asked else candidates(progress.job.command["title"], progress.job.id)


def _with_handle(progress: Progress, shop: Shop, handle: str) -> Write:
    location = gid("Location", shop.location_id)
    product = new_product(progress.job.command, handle, progress.job.id, shop.metafields, location)
    return Write(CREATE, {"input": product}, Retry.UNSAFE)


def _next_handle(progress: Progress, shop: Shop, taken: str) -> Step:
    """A taken handle that nobody asked for gives way to another one, derived from the job's id."""
    handles = _handles(progress)
    left = handles[handles.index(taken) + 1 :] if taken in handles else ()
    if left and not progress.is_exhausted:
        return _with_handle(progress, shop, left[0])
    error = FieldError("#/handle", f"The handle {taken} is in use.", None)
    return Failed(JobError("handle_taken", "Another event has this handle.", (error,)))


def _guard(progress: Progress, handle: str) -> Guard:
    attempts = (write for write in progress.writes if write.document == CREATE)
    return Guard(
        attempts=tuple(write for write in attempts if write.variables["input"]["handle"] == handle),
        read=Read(BY_HANDLE, {"handle": handle}),
        made=_made_id,
        bearer=_bearer,
        is_taken=_handle_is_taken,
    )


def _made_id(data: Mapping[str, Any]) -> int | None:
    product = (data.get("productSet") or {}).get("product")
    return number(product["id"]) if product else None


def _bearer(data: Mapping[str, Any]) -> Bearer | None:
    product = data["productByIdentifier"]
    if product is None:
        return None
    mark = product["metafield"]
    return Bearer(number(product["id"]), mark and mark["value"])


def _handle_is_taken(errors: Iterable[UserError]) -> bool:
    return any(error.field[-1:] == ("handle",) and "already in use" in error.message for error in errors)


def _made(progress: Progress, shop: Shop, event_id: int) -> Step:
    """An active event is unpublished until it is offered in the shop's publications."""
    if progress.job.command.get("status") != "active" or not shop.publication_ids:
        return Succeeded(event_id, None, Whole(event_id))
    return Write(PUBLISH, {"id": gid("Product", event_id), "publications": publications(shop)}, Retry.NATURAL)


def publications(shop: Shop) -> list[dict[str, str]]:
    return [{"publicationId": gid("Publication", found)} for found in shop.publication_ids]


def _published(progress: Progress, shop: Shop, write: Written) -> Step:
    event_id = number(write.variables["id"])
    match settled(write):
        case Done():
            return Succeeded(event_id, None, Whole(event_id))
        case Unknown():
            return again(write, Retry.NATURAL)
        case refused:
            message = f"The event was created as {event_id}, and could not be published."
            return failed(
                progress,
                shop,
                write,
                refused.errors,
                code="not_published",
                message=message,
                event_id=event_id,
                observation=Whole(event_id),
            )
