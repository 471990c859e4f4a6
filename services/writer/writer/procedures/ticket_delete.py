"""ticket.delete: one mutation, natural. Pure.

A ticket that Shopify doesn't have any more is deleted: Succeeded. But Shopify's words for it ("does not belong to the
product") also stand for a ticket of another event, which is looked up (costs 2), and Failed. The last ticket of an
event can't be deleted: Failed, the event is to be deleted instead.
"""

from shared.shopify.errors import UserError
from writer.procedures.gids import gid, known
from writer.procedures.outcomes import again, codes, failed, product_is_gone, settled
from writer.procedures.steps import (
    Done,
    Failed,
    Gone,
    JobError,
    Observation,
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

DELETE, OWNER = "ticket_delete", "ticket_owner"
NOT_ITS_OWN = "AT_LEAST_ONE_VARIANT_DOES_NOT_BELONG_TO_THE_PRODUCT"
LAST_ONE = "CANNOT_DELETE_LAST_VARIANT"

LAST_TICKET = Failed(JobError("last_ticket", "An event keeps its last ticket: delete the event instead."))
OTHER_EVENT = Failed(JobError("other_event", "This ticket belongs to another event."))


def delete(progress: Progress, shop: Shop) -> Step:
    last, job = progress.last, progress.job
    if last is None:
        tickets = [gid("ProductVariant", job.ticket_id)]
        return Write(DELETE, {"productId": gid("Product", job.event_id), "tickets": tickets}, Retry.NATURAL)
    match settled(last):
        case Done():
            return _succeeded(progress, Whole(known(job.event_id)))
        case Unknown():
            return again(last, Retry.NATURAL)
        case Refused(errors):
            return _refused(progress, shop, last, errors)


def _refused(progress: Progress, shop: Shop, last: Written, errors: tuple[UserError, ...]) -> Step:
    if product_is_gone(errors):
        return _succeeded(progress, Gone(known(progress.job.event_id)))
    if LAST_ONE in codes(errors):
        return LAST_TICKET
    if NOT_ITS_OWN in codes(errors):
        return _whose(progress)
    return failed(progress, shop, last, errors)


def _whose(progress: Progress) -> Step:
    found = progress.seen(OWNER)
    if found is None:
        return Read(OWNER, {"id": gid("ProductVariant", progress.job.ticket_id)})
    if found["productVariant"] is not None:
        return OTHER_EVENT
    return _succeeded(progress, Whole(known(progress.job.event_id)))


def _succeeded(progress: Progress, observation: Observation) -> Succeeded:
    return Succeeded(progress.job.event_id, progress.job.ticket_id, observation)
