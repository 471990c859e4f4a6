"""What is asked of Shopify for each kind of command, one call after the other. Pure.

    step = next_step(progress, shop)    # Read | Write | Succeeded | Failed | InDoubt

A procedure holds no state: whatever dies, the writes and their outcomes say where it stands. `Failed` is an end from
which the same or another command may start anew: what was half done is named in its message and is as a whole.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from shared.errors import Permanent
from writer.procedures import create, delete, edit, status, ticket_create, ticket_delete, ticket_edit
from writer.procedures.event_input import kept_an_event
from writer.procedures.outcomes import settled
from writer.procedures.steps import Failed, InDoubt, JobError, Progress, Retry, Shop, Step, Unknown, Write

__all__ = ["PROCEDURES", "UnknownKind", "next_step"]

Procedure = Callable[[Progress, Shop], Step]

PROCEDURES: Mapping[str, Procedure] = {
    "event.create": create.create,
    "event.edit": edit.edit,
    "event.publish": status.publish,
    "event.unpublish": status.unpublish,
    "event.archive": status.archive,
    "event.delete": delete.delete,
    "ticket.create": ticket_create.create,
    "ticket.edit": ticket_edit.edit,
    "ticket.delete": ticket_delete.delete,
}


_BY_KEY = (
    "Each had its key, by which Shopify carries it out once: retry the job within 23 h of its first call. After that, "
    "compare the ticket's stock in Shopify with what was sold, put it right, and resolve the job."
)
WHAT_TO_DO: Mapping[Retry, str] = {
    Retry.KEYED: _BY_KEY,
    Retry.COMPARE_AND_SET: _BY_KEY,
    Retry.NATURAL: (
        "It may have taken effect, and does no harm when it is repeated: retry the job, unless somebody has edited the "
        "same since; or look at the event in Shopify, and resolve the job."
    ),
    Retry.UNSAFE: "Look at the event in Shopify; then retry the job, or resolve it.",
}


class UnknownKind(Permanent):
    """There is no such kind of command."""


def next_step(progress: Progress, shop: Shop) -> Step:
    """What is to be done now. Raises `UnknownKind`."""
    procedure = PROCEDURES.get(progress.job.kind)
    if procedure is None:
        raise UnknownKind(f"{progress.job.kind!r} is no kind of command")
    try:
        job = replace(progress.job, command=kept_an_event(progress.job.kind, progress.job.command, shop))
        step = procedure(replace(progress, job=job), shop)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        return _misunderstood(progress, error)
    if isinstance(step, Write) and progress.is_exhausted:
        return _given_up(progress, step)
    return step


def _misunderstood(progress: Progress, error: Exception) -> Failed | InDoubt:
    """Shopify's answer lacks what its schema promises. Before anything was written, nothing is in doubt."""
    reason = f"Shopify's answer is not what its schema promises ({type(error).__name__}: {error})."
    if not progress.writes:
        return Failed(JobError("odd_answer", reason))
    return InDoubt(f"{reason} The last call was {progress.writes[-1].document}: see in Shopify what it did.")


def _given_up(progress: Progress, step: Write) -> InDoubt:
    """`step` would have come next. (What was read back as not done ends as Failed: writer/procedures/outcomes.py.)"""
    last = progress.last
    unanswered = sum(isinstance(settled(write), Unknown) for write in progress.writes)
    document = last.document if last else "nothing"
    return InDoubt(
        f"{len(progress.writes)} calls were sent for this command, {unanswered} of them without an answer; the last "
        f"one is {document}. {WHAT_TO_DO[step.retry]}"
    )
