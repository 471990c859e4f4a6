"""Which of two things seen of a product is newer, and when only Shopify can tell. Pure.

Shopify's `updated_at` has whole seconds and a late retry carries its original payload, so two different contents may
bear one `updated_at`. Then the later `seen_at` is shown for now, and a read of ours decides: it begins after everything
that is known was seen, and is stored as seen after it.

What a mutation of ours answered has a version of its own, beside the row's: it is about a part of the product only, and
must neither hide that the rest was not seen yet nor be taken back by it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from syncer.source import Answer, Answered, Level, Product, SourceVersion, lay, merge, missing, only, same, shown

TICK = timedelta(microseconds=1)
EPOCH = datetime.fromtimestamp(0, UTC)  # of a product that was never seen: any read may disagree
NEVER = SourceVersion(EPOCH, EPOCH)  # whatever Shopify says of the rest is newer


@dataclass(frozen=True)
class Known:
    """What a row holds, as far as it decides what comes next."""

    product: Product | None  # None: a tombstone of something never seen
    version: SourceVersion
    deleted: bool

    @property
    def answer(self) -> Answer | None:
        """What was answered of the living product, as long as it stands."""
        return None if self.deleted or self.product is None else self.product.answer

    @property
    def seen_at(self) -> datetime:
        """By then all was seen that is known; a read that is to decide begins later."""
        return max(self.version.seen_at, self.answer.seen_at) if self.answer else self.version.seen_at


@dataclass(frozen=True)
class Verdict:
    """`product`: what to project, or None when the row stands. `refetch`: why Shopify must be asked, or None."""

    product: Product | None
    refetch: str | None


def judge(known: Known | None, seen: Product, version: SourceVersion, is_read: bool) -> Verdict:
    """What becomes of a product seen in `version`, by a webhook or by a read of ours (`is_read`)."""
    verdict = _judge(known, seen, version, is_read)
    if known is None or known.answer is None or verdict.product is None:
        return verdict
    return _keep(known.answer, verdict.product, version, verdict.refetch, is_read)


def judge_answer(known: Known | None, answered: Answered) -> Verdict:
    """What becomes of an answer. The row keeps its version: of the rest nothing newer was seen."""
    answer = answered.answer
    if known is None:
        product = only(answered)
        return Verdict(product, missing(product))
    if known.deleted or known.product is None:
        return Verdict(None, "deleted" if answer.version > known.version else None)
    head = max(known.version, known.answer.version) if known.answer else known.version
    if answer.updated_at < head.updated_at:
        return Verdict(None, None)
    laid = lay(answer, known.product)
    if answer.updated_at > head.updated_at:
        return Verdict(laid, None)
    if shown(laid) == shown(known.product):
        return Verdict(None, None)
    return Verdict(laid if answer.version > head else None, "tie")


def _keep(answer: Answer, seen: Product, version: SourceVersion, refetch: str | None, is_read: bool) -> Verdict:
    """Whether an answer stands over what has won now, because Shopify's clock or ours says that it is newer."""
    if answer.updated_at < version.updated_at:
        return Verdict(seen, refetch)
    laid = lay(answer, seen)
    if answer.updated_at > version.updated_at:
        return Verdict(laid, refetch)
    if shown(laid) == seen or (is_read and version > answer.version):
        return Verdict(seen, refetch)
    return Verdict(laid if answer.version > version else seen, refetch or "tie")


def _judge(known: Known | None, seen: Product, version: SourceVersion, is_read: bool) -> Verdict:
    if known is None:
        return Verdict(seen, missing(seen))
    if known.deleted or known.product is None:
        return _judge_buried(known, seen, version, is_read)
    if version.updated_at < known.version.updated_at:
        return Verdict(None, None)
    merged = merge(known.product, seen)
    wins = version > known.version
    if version.updated_at > known.version.updated_at or (wins and is_read):
        return Verdict(merged, missing(merged))
    if same(known.product, merged):
        # Triggered after our last look, within the same second: it may be about something that a body can't show.
        return Verdict(None, "unseen" if wins and _blind(seen) else None)
    return Verdict(merged if wins else None, "tie")


def _judge_buried(known: Known, seen: Product, version: SourceVersion, is_read: bool) -> Verdict:
    """Ids are never used twice: a webhook about a deleted product is old, whatever it says; only a read may differ."""
    if version <= known.version:
        return Verdict(None, None)
    return Verdict(seen, missing(seen)) if is_read else Verdict(None, "deleted")


def _blind(seen: Product) -> bool:
    return any(variant.metafields is None for variant in seen.variants)


class KnownLevel(NamedTuple):
    """The stock of one item at one location, as a row holds it."""

    available: int | None
    version: SourceVersion
    committed: int | None = None
    on_hand: int | None = None


def judge_level(known: KnownLevel | None, seen: Level, version: SourceVersion, is_read: bool) -> tuple[bool, bool]:
    """Whether a level wins over the row, and whether Shopify must be asked which is right."""
    if known is None or version.updated_at > known.version.updated_at:
        return True, False
    if version.updated_at < known.version.updated_at:
        return False, False
    wins = version > known.version
    if seen.available == known.available:
        return wins and is_read, False  # a read says committed and on_hand as well
    return wins, not (wins and is_read)


def after(known: datetime, began: datetime) -> datetime:
    """When a read counts as seen that began once everything up to `known` was known.

    It decides over all of that, whatever the clocks of two machines say.
    """
    return max(began, known + TICK)
