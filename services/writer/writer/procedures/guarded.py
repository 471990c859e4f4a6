"""Creating something exactly once without a key: a name that Shopify gives only once, and a mark of whose it is. Pure.

A second carrying-out is refused, because the name is taken; whether by ourselves is told by the mark (the metafield
understudy.job, which is written in the same mutation). Shopify's own searches lag; what is read here doesn't.

A refusal proves nothing by itself: a request that Shopify has carried out twice is answered by its second time. So the
name is looked up after every answer but a creation's own (one query, of some 2 points, for what is refused).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from shared.shopify.errors import UserError
from writer.procedures.outcomes import failed, once_more, settled
from writer.procedures.steps import Done, InDoubt, Progress, Read, Refused, Retry, Shop, Step, Unknown, Written


@dataclass(frozen=True, slots=True)
class Made:
    """It exists, and is ours."""

    id: int


@dataclass(frozen=True, slots=True)
class Taken:
    """Somebody else's bears the name, and ours was not made under it."""


@dataclass(frozen=True, slots=True)
class Bearer:
    """What bears the name: its id, and the job that its mark names."""

    id: int
    job_id: str | None


@dataclass(frozen=True, slots=True)
class Guard:
    """`attempts`: the creations under this name, oldest first. `bearer`: from what `read` found; None: nothing does.

    `made`: the id from the answer of a creation that was done; None when it holds none.
    """

    attempts: tuple[Written, ...]
    read: Read
    made: Callable[[Mapping[str, Any]], int | None]
    bearer: Callable[[Mapping[str, Any]], Bearer | None]
    is_taken: Callable[[Iterable[UserError]], bool]


def created(progress: Progress, shop: Shop, guard: Guard) -> Made | Taken | Step:
    """What the last attempt came to."""
    outcome = settled(guard.attempts[-1])
    if isinstance(outcome, Done) and (made := guard.made(outcome.data)) is not None:
        return Made(made)
    found = progress.seen(guard.read.document)
    if found is None:
        return guard.read
    return _looked_up(progress, shop, guard, guard.bearer(found))


def _looked_up(progress: Progress, shop: Shop, guard: Guard, bearer: Bearer | None) -> Made | Taken | Step:
    """No answer has named it, and what bears the name was read after the horizon of every attempt."""
    last = guard.attempts[-1]
    outcome = settled(last)
    if bearer is not None and bearer.job_id == progress.job.id:
        return Made(bearer.id)
    if isinstance(outcome, Refused) and not guard.is_taken(outcome.errors):
        return failed(progress, shop, last, outcome.errors)
    if bearer is not None or (isinstance(outcome, Refused) and not _had_no_answer(guard)):
        return Taken()
    if isinstance(outcome, Refused):
        return InDoubt(
            f"{last.document} had no answer, its repetition was refused because the name is taken, and yet nothing is "
            f"found under it. Look in Shopify for what bears the metafield understudy.job = {progress.job.id}."
        )
    return once_more(progress, last, Retry.UNSAFE)


def _had_no_answer(guard: Guard) -> bool:
    return any(isinstance(settled(write), Unknown) for write in guard.attempts)
