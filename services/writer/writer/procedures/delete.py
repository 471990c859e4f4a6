"""event.delete: one mutation, natural. Pure.

What Shopify doesn't have any more, whoever deleted it, is as deleted as was asked for: Succeeded, on the first attempt
as after a lost answer. (An edit of it is Failed, "gone": nothing of what was asked for can come true.)
"""

from writer.procedures.gids import gid, known
from writer.procedures.outcomes import again, failed, product_is_gone, settled
from writer.procedures.steps import Done, Gone, Progress, Refused, Retry, Shop, Step, Succeeded, Unknown, Write

DELETE = "event_delete"


def delete(progress: Progress, shop: Shop) -> Step:
    last = progress.last
    if last is None:
        return Write(DELETE, {"input": {"id": gid("Product", progress.job.event_id)}}, Retry.NATURAL)
    match settled(last):
        case Unknown():
            return again(last, Retry.NATURAL)
        case Refused(errors) if not product_is_gone(errors):
            return failed(progress, shop, last, errors)
        case Done() | Refused():
            event_id = known(progress.job.event_id)
            return Succeeded(event_id, None, Gone(event_id))
