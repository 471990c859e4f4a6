"""event.edit: one mutation for all that is set; where fields are cleared, a second one for their metafields. Pure.

    event_edit | event_metafields_edit (productUpdate)  ->  metafields_delete, where something is cleared  ->  Succeeded

What is cleared comes second, and by itself: Shopify carries out every field of a document even when it refuses another
one, and so an edit that was refused has changed nothing. Both mutations are natural: after a lost answer the event is
read, and only what isn't as wanted is sent again. An event that is gone: Failed. So is what was read back as not done
for the last time; and what is refused after a lost answer is read back, because what was merged may be tried one by one
where nothing of it took effect.
"""

from collections.abc import Mapping
from typing import Any

from shared.metafields import Metafields
from shared.shopify.errors import UserError
from writer.procedures.event_input import cleared, columns, differences, metafields
from writer.procedures.gids import gid, known
from writer.procedures.outcomes import again, event_gone, failed, once_more, settled
from writer.procedures.steps import (
    Answered,
    Done,
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

EDIT, EDIT_AND_TELL, CLEAR, STATE = "event_edit", "event_metafields_edit", "metafields_delete", "event_state"
TIDIED = "descriptionHtml"  # Shopify stores it in words of its own


def edit(progress: Progress, shop: Shop) -> Step:
    last = progress.last
    if last is None:
        return _set(progress, shop) or _clear(progress, shop) or _unchanged(progress)
    match settled(last):
        case Refused(errors) if last.document == CLEAR and _set(progress, shop):
            message = "Shopify refused to clear the fields; the others are edited."
            seen = Whole(known(progress.job.event_id))
            return failed(progress, shop, last, errors, code="partly", message=message, observation=seen)
        case Refused(errors):
            return _refused(progress, shop, last, errors)
        case Unknown():
            return _unanswered(progress, shop, last)
        case Done(data):
            return _done(progress, shop, last, data)


def _set(progress: Progress, shop: Shop) -> Write | None:
    """The cheapest document (costs 10) unless metafields change and are all there is to tell (costs 17)."""
    command = progress.job.command
    found = metafields(command, shop.metafields)
    product: dict[str, Any] = columns(command) | ({"metafields": found} if found else {})
    if not product:
        return None
    variables: dict[str, Any] = {"product": {"id": gid("Product", progress.job.event_id), **product}}
    if not found or cleared(command, shop.metafields):
        return Write(EDIT, variables, Retry.NATURAL)
    return Write(EDIT_AND_TELL, variables | {"namespace": _namespace(shop.metafields)}, Retry.NATURAL)


def _clear(progress: Progress, shop: Shop) -> Write | None:
    fields = cleared(progress.job.command, shop.metafields)
    if not fields:
        return None
    owner = gid("Product", progress.job.event_id)
    found = [shop.metafields.of_event(field).named(owner) for field in fields]
    return Write(CLEAR, {"metafields": found}, Retry.NATURAL)


def _unchanged(progress: Progress) -> Succeeded:
    """A command that names nothing."""
    event_id = known(progress.job.event_id)
    return Succeeded(event_id, None, Whole(event_id))


def _done(progress: Progress, shop: Shop, last: Written, data: Mapping[str, Any]) -> Step:
    if last.document != CLEAR and (clear := _clear(progress, shop)):
        return clear
    if last.document == CLEAR:
        return _cleared(progress, shop, last)
    return _succeeded(progress, _seen(data["productUpdate"]["product"], last, progress))


def _cleared(progress: Progress, shop: Shop, last: Written) -> Step:
    """That mutation doesn't answer with the event (and is silent about one that is gone): read it (costs 8)."""
    found = progress.seen(STATE)
    if found is None:
        return _read(progress, shop)
    if found["product"] is None:
        return event_gone(progress)
    return _succeeded(progress, _seen(found["product"], last, progress))


def _refused(progress: Progress, shop: Shop, last: Written, errors: tuple[UserError, ...]) -> Step:
    """Whether a call before it, which had no answer, took effect, is told by what is there now (costs 8)."""
    if not any(isinstance(settled(write), Unknown) for write in progress.writes):
        return failed(progress, shop, last, errors)
    found = progress.seen(STATE)
    if found is None:
        return _read(progress, shop)
    if found["product"] is None:
        return event_gone(progress)
    return failed(progress, shop, last, errors, clean=_surely(_undone(progress, shop, last, found["product"])))


def _undone(progress: Progress, shop: Shop, last: Written, node: Mapping[str, Any]) -> set[str]:
    """What the last call was to bring about, and the event doesn't have."""
    unlike = set(differences(progress.job.command, node, shop.metafields))
    missing = set(cleared(progress.job.command, shop.metafields))
    return unlike & missing if last.document == CLEAR else unlike - missing


def _surely(undone: set[str]) -> bool:
    """Whether that proves that the call took no effect: a mutation sets all of its fields, or none.

    But HTML that Shopify has tidied differs for ever.
    """
    return bool(undone - {TIDIED})


def _unanswered(progress: Progress, shop: Shop, last: Written) -> Step:
    """Where it is as wanted, nothing is sent again: a merchant may have edited something else since."""
    found = progress.seen(STATE)
    if found is None:
        return _read(progress, shop)
    node = found["product"]
    if node is None:
        return event_gone(progress)
    if undone := _undone(progress, shop, last, node):
        return once_more(progress, last, Retry.NATURAL) if _surely(undone) else again(last, Retry.NATURAL)
    left = any(differences(progress.job.command, node, shop.metafields))  # what is to be cleared
    if last.document != CLEAR and left and (clear := _clear(progress, shop)):
        return clear
    return _succeeded(progress, _seen(node, last, progress))


def _read(progress: Progress, shop: Shop) -> Read:
    return Read(STATE, {"id": gid("Product", progress.job.event_id), "namespace": _namespace(shop.metafields)})


def _seen(node: Mapping[str, Any] | None, last: Written, progress: Progress) -> Observation:
    """What the answer says; all of the event is to be read where its metafields have a further page.

    A read came after the write: it holds at least what Shopify had when that left.
    """
    if node is None or node.get("metafields", {}).get("pageInfo", {}).get("hasNextPage"):
        return Whole(known(progress.job.event_id))
    return Answered(node, last.sent_at)


def _succeeded(progress: Progress, observation: Observation) -> Succeeded:
    return Succeeded(progress.job.event_id, None, observation)


def _namespace(where: Metafields) -> str | None:
    """The one that all fields are in; None, which stands for every one, when they are in several."""
    found = {name.partition(".")[0] for name in where.event.values()}
    return found.pop() if len(found) == 1 else None
