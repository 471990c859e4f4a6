"""What becomes of an event when new tables take the place of the old ones, and under which revision. Pure.

Old is what readers see now (`live`), new what was read and projected beside it (`shadow`). Readers must never see an
older revision, nor two contents under one; an event must never be lost, and never be put back because what was read of
it was older than what readers see already. Where that is in doubt, Shopify is asked, and the answer decides.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from syncer.source import SourceVersion

MOST_MISSING = (
    20  # events that readers see and that were not read; beyond that, and beyond the share, nothing is switched
)
MISSING_SHARE = 0.01


@dataclass(frozen=True)
class Side:
    """An event as it stands in one of the two places. `complete`: nothing of it has to be read from Shopify."""

    revision: int
    deleted: bool
    version: SourceVersion
    complete: bool


@dataclass(frozen=True)
class Pair:
    """An event in both places; None: it has no row there, or one that was not filled."""

    event_id: int
    live: Side | None
    shadow: Side | None
    same: bool = False  # readers would see no difference but the revision
    outdated: bool = False  # the live stock is newer than the shadow's
    forgotten: bool = False  # the live one remembers a higher stock than the shadow has seen
    asked_at: datetime | None = None  # since when Shopify is asked about it


class Decision(StrEnum):
    ADOPT = "adopt"  # the new row with the old one's revision and documents: readers see no difference
    REVISE = "revise"  # the new row under the next revision
    COPY = "copy"  # the old row, as it stands: a tombstone
    KEEP = "keep"  # the old row, in doubt; a read of Shopify comes in later, as a change
    BURY = "bury"  # the old row, as a tombstone under the next revision
    NEW = "new"  # the new row, as it stands: there is no old one
    ASK = "ask"  # Shopify has to be asked
    WAIT = "wait"  # it is being asked

    @property
    def open(self) -> bool:
        return self in (Decision.ASK, Decision.WAIT)

    @property
    def announced(self) -> bool:
        """Readers see a difference."""
        return self in (Decision.REVISE, Decision.BURY, Decision.NEW)

    def revision(self, pair: Pair) -> int:
        """What the event's revision is afterwards."""
        live, shadow = pair.live.revision if pair.live else 0, pair.shadow.revision if pair.shadow else 0
        return {Decision.REVISE: live + 1, Decision.BURY: live + 1, Decision.NEW: shadow}.get(self, live)


def decide(pair: Pair, *, patient: bool = True) -> Decision:  # noqa: PLR0911 (a table: one line for each case)
    """What becomes of an event. `patient`: who is in doubt may ask; else the old row stays in doubt."""
    live, shadow = pair.live, pair.shadow
    if live is None:
        return Decision.NEW
    if live.deleted:
        if shadow is None or shadow.deleted:
            return Decision.COPY
        found = shadow.complete and shadow.version > live.version  # only a read is complete: Shopify has it again
        return Decision.REVISE if found else _doubt(pair, patient)
    if shadow is None or shadow.deleted:
        if shadow is not None and shadow.version > live.version:
            return Decision.BURY  # deleted since, or no event by the rules of today
        return _doubt(pair, patient)
    if pair.same:
        return Decision.ADOPT
    if pair.forgotten:
        return Decision.KEEP
    if _is_behind(pair, live, shadow) and not _was_read_since(pair, shadow):
        return _doubt(pair, patient)
    return Decision.REVISE


def lacks(pair: Pair) -> bool:
    """Whether readers see an event that nobody has read."""
    return pair.shadow is None and pair.live is not None and not pair.live.deleted


def too_many(missing: int, living: int) -> bool:
    """Whether so much is missing that what was read is to be doubted, rather than what readers see."""
    return missing > max(MOST_MISSING, living * MISSING_SHARE)


def _is_behind(pair: Pair, live: Side, shadow: Side) -> bool:
    older = shadow.version.updated_at < live.version.updated_at
    return older or pair.outdated or (live.complete and not shadow.complete)


def _was_read_since(pair: Pair, shadow: Side) -> bool:
    """Shopify was asked, and this is its answer, or newer: now it may win over whatever readers see."""
    return pair.asked_at is not None and shadow.version.seen_at > pair.asked_at


def _doubt(pair: Pair, patient: bool) -> Decision:
    if not patient:
        return Decision.KEEP
    return Decision.ASK if pair.asked_at is None else Decision.WAIT
