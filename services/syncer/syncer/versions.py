"""Which of two things seen of a product is newer, and when only Shopify can tell. Pure.

Shopify's `updated_at` has whole seconds and a late retry carries its original payload, so two different contents may
bear one `updated_at`. Then the later `seen_at` is shown for now, and a read of ours decides: it begins after everything
that is known was seen, and is stored as seen after it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from syncer.source import Level, Product, SourceVersion, merge, missing, same

TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Known:
    """What a row holds, as far as it decides what comes next."""

    product: Product | None  # None: a tombstone of something never seen
    version: SourceVersion
    deleted: bool


@dataclass(frozen=True)
class Verdict:
    """`product`: what to project, or None when the row stands. `refetch`: why Shopify must be asked, or None."""

    product: Product | None
    refetch: str | None


def judge(known: Known | None, seen: Product, version: SourceVersion, is_read: bool) -> Verdict:
    """What becomes of a product seen in `version`, by a webhook or by a read of ours (`is_read`)."""
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
