"""What Shopify's answer to a write amounts to, and how it is told to whoever sent the command. Pure."""

from collections.abc import Iterable

from shared.shopify.errors import UserError
from writer.procedures.gids import known
from writer.procedures.pointers import pointers
from writer.procedures.steps import (
    Done,
    Failed,
    Gone,
    JobError,
    Observation,
    Outcome,
    Progress,
    Refused,
    Retry,
    Shop,
    Unknown,
    Whole,
    Write,
    Written,
)

# Of an idempotency key; inventoryActivate gives no codes, and only the words.
CONCURRENT = ("IDEMPOTENCY_CONCURRENT_REQUEST", "same idempotency key is currently being processed")
MISMATCH = ("IDEMPOTENCY_KEY_PARAMETER_MISMATCH", "same idempotency key was used with different parameters")
NO_SUCH_PRODUCT = frozenset({"Product does not exist", "Resource does not exist"})  # these come without a code
NO_SUCH_CODES = frozenset({"PRODUCT_DOES_NOT_EXIST", "PRODUCT_NOT_FOUND"})
NO_SUCH_VARIANT = "PRODUCT_VARIANT_DOES_NOT_EXIST"


def settled(write: Written) -> Outcome:
    """Its outcome; a request whose twin is still under way is as good as unanswered."""
    outcome = write.outcome
    if isinstance(outcome, Refused) and says(outcome.errors, CONCURRENT):
        return Unknown()
    return outcome


def says(errors: Iterable[UserError], problem: tuple[str, str]) -> bool:
    """`problem` is its code, and words of it for where there are no codes."""
    code, words = problem
    return any(error.code == code or words in error.message for error in errors)


def was_done(writes: Iterable[Written], *documents: str) -> bool:
    return any(write.document in documents and isinstance(write.outcome, Done) for write in writes)


def again(write: Written, retry: Retry) -> Write:
    """The very same, key and all."""
    return Write(write.document, write.variables, retry)


def once_more(progress: Progress, write: Written, retry: Retry) -> Write | Failed:
    """The very same, of which was read back that it did not take effect: so its last time leaves nothing in doubt."""
    if not progress.is_exhausted:
        return again(write, retry)
    alone = all(one.document == write.document for one in progress.writes)
    before = "" if alone else " What was sent before it is done."
    message = (
        f"{len(progress.writes)} calls were sent, and Shopify left the last one unanswered. Reading back shows that "
        f"{write.document} did not take effect.{before}"
    )
    return Failed(JobError("no_answer", message), clean=alone)


def codes(errors: Iterable[UserError]) -> set[str]:
    return {error.code for error in errors if error.code}


def product_is_gone(errors: Iterable[UserError]) -> bool:
    return any(error.message in NO_SUCH_PRODUCT or error.code in NO_SUCH_CODES for error in errors)


def ticket_is_gone(errors: Iterable[UserError]) -> bool:
    return any(error.code == NO_SUCH_VARIANT for error in errors)


def event_gone(progress: Progress) -> Failed:
    """Failed, and seen: readers may still have it."""
    seen = Gone(known(progress.job.event_id))
    return Failed(JobError("gone", "Shopify has no such event any more."), observation=seen)


def ticket_gone(progress: Progress) -> Failed:
    seen = Whole(known(progress.job.event_id))
    return Failed(JobError("gone", "Shopify has no such ticket any more."), observation=seen)


def failed(
    progress: Progress,
    shop: Shop,
    write: Written,
    errors: tuple[UserError, ...],
    *,
    code: str = "refused",
    message: str = "Shopify refused it.",
    event_id: int | None = None,
    observation: Observation | None = None,
    clean: bool = False,
) -> Failed:
    """Shopify's words, each with a pointer into our command. What is gone says so."""
    exists = progress.job.event_id is not None
    if exists and product_is_gone(errors):
        return event_gone(progress)
    if exists and ticket_is_gone(errors):
        return ticket_gone(progress)
    found = pointers(progress.job.kind, write.variables, errors, shop.metafields)
    return Failed(JobError(code, message, found), event_id, observation, clean)
