"""event.publish, event.unpublish, event.archive: one mutation each, natural. Pure.

Visible is what is active and published (docs/shopify.md 3). So publishing is two fields of one document: status ACTIVE,
and the shop's publications (costs 20). Shopify carries out each by itself: when it refuses one, the other has still
taken effect. Both set what was asked for, so the job says failed, what there is now is observed, and publishing again
does the rest. It is the only document with two fields.
Unpublishing only makes it a draft (costs 10): where else a merchant sells it is left as it is.
An event that is gone: Failed.
"""

from collections.abc import Callable, Mapping
from typing import Any

from writer.procedures.create import publications
from writer.procedures.gids import gid, known
from writer.procedures.outcomes import again, failed, settled
from writer.procedures.steps import (
    Answered,
    Done,
    Progress,
    Refused,
    Retry,
    Shop,
    Step,
    Succeeded,
    Unknown,
    Whole,
    Write,
)

EDIT, EDIT_AND_PUBLISH = "event_edit", "event_and_publication_edit"


def publish(progress: Progress, shop: Shop) -> Step:
    return _step(progress, shop, _published)


def unpublish(progress: Progress, shop: Shop) -> Step:
    return _step(progress, shop, lambda progress, _: _with_status(progress, "DRAFT"))


def archive(progress: Progress, shop: Shop) -> Step:
    return _step(progress, shop, lambda progress, _: _with_status(progress, "ARCHIVED"))


def _with_status(progress: Progress, status: str) -> Write:
    product = {"id": gid("Product", progress.job.event_id), "status": status}
    return Write(EDIT, {"product": product}, Retry.NATURAL)


def _published(progress: Progress, shop: Shop) -> Write:
    active = _with_status(progress, "ACTIVE")
    if not shop.publication_ids:
        return active
    product = active.variables["product"]
    more = {"id": product["id"], "publications": publications(shop)}
    return Write(EDIT_AND_PUBLISH, {"product": product, **more}, Retry.NATURAL)


def _step(progress: Progress, shop: Shop, first: Callable[[Progress, Shop], Write]) -> Step:
    last = progress.last
    if last is None:
        return first(progress, shop)
    match settled(last):
        case Done(data):
            event_id, node = known(progress.job.event_id), _node(data)
            return Succeeded(event_id, None, Answered(node, last.sent_at) if node else Whole(event_id))
        case Unknown():
            return again(last, Retry.NATURAL)
        case Refused(errors) if last.document == EDIT_AND_PUBLISH:
            message = "Shopify refused it, or one half of it: the status and where it is sold are set each by itself."
            return failed(
                progress, shop, last, errors, message=message, observation=Whole(known(progress.job.event_id))
            )
        case Refused(errors):
            return failed(progress, shop, last, errors)


def _node(data: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The event as the last field of the document answered it."""
    published = data.get("publishablePublish")
    found: Mapping[str, Any] | None = published["publishable"] if published else data["productUpdate"]["product"]
    return found
