"""Fold a batch of changes into what is known, in the order in which they came. Pure.

Each change is decided as if it had come alone (`versions`), so a batch ends with the same content as its changes one by
one, in whatever portions. Only what is written once instead of many times differs: an event gets one revision for all
that a batch has changed of it, and none where it ends as it began.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from shared.contracts import Origin
from syncer.heard import Absence, Deletion, Heard, ItemEdit, LevelSeen, Notice, Unreadable
from syncer.projections import Event, Facts, Stock, project, stock_of
from syncer.reconcile.differences import Repair
from syncer.rules import Rules
from syncer.source import Answered, Level, Levels, Product, Sighting, SourceVersion, Variant, missing
from syncer.versions import EPOCH, NEVER, Known, KnownLevel, after, judge, judge_answer, judge_level

TIE_DELAY = 1.0  # seconds: a burst of stock changes within one second asks for one read, not for a hundred
STRANGER_DELAY = 3.0  # seconds: a stock level often comes before the product it belongs to


@dataclass(frozen=True)
class Dossier:
    """An event as it is stored; `known` None: there is no row. `observed`: the highest stock ever seen, by ticket."""

    known: Known | None = None
    observed: Mapping[int, int] = field(default_factory=dict)

    @property
    def living(self) -> Product | None:
        """The product that can be projected again."""
        return None if self.known is None or self.known.deleted else self.known.product


ItemLevels = Mapping[int, KnownLevel]  # of one item, by location


@dataclass(frozen=True)
class Ledger:
    """All that a batch may touch, as it is stored. `owners`: the event of each item, if anybody knows it.

    The items of a product belong to it from the beginning of the batch in which it comes.
    """

    dossiers: Mapping[int, Dossier]
    owners: Mapping[int, int]
    levels: Mapping[int, ItemLevels]


@dataclass(frozen=True)
class Wish:
    """Why something must be read from Shopify: once all that was known at `seen_at` was seen, in `delay` seconds."""

    reason: str
    seen_at: datetime
    delay: float = 0.0

    def and_then(self, later: "Wish") -> "Wish":
        """Both, answered by one read."""
        return Wish(later.reason, max(self.seen_at, later.seen_at), min(self.delay, later.delay))


@dataclass(frozen=True)
class Heed:
    """What one change came to. `altered`: it won, over what was known then, and is part of what the event is now."""

    event_id: int
    outcome: str  # derived | deleted | no_event | unchanged | stale | stranger | refused | noticed
    altered: bool = False
    refetch: str | None = None


@dataclass(frozen=True)
class CameToNothing:
    """A webhook that told nothing new; `at` is Shopify's own time of it."""

    event_id: int
    at: datetime
    is_stock: bool


@dataclass
class Case:
    """One event while its changes are folded."""

    event_id: int
    before: Dossier
    known: Known | None
    observed: dict[int, int]
    derived: bool = False  # it must be projected again

    @property
    def living(self) -> Product | None:
        return Dossier(self.known).living

    @property
    def buried(self) -> SourceVersion | None:
        """The version of a tombstone that must be written, or None."""
        if self.known is None or not self.known.deleted or self.known == self.before.known:
            return None
        return self.known.version


class Fold:
    """`hear` each change, in order; then everything that must be written stands in the attributes."""

    def __init__(self, ledger: Ledger, rules: Rules, currency: str | None) -> None:
        self._ledger = ledger
        self._rules = rules
        self._currency = currency
        self._owners = ledger.owners
        self._levels: dict[int, dict[int, KnownLevel]] = {}
        self._stocks: dict[int, tuple[Stock, ...] | None] = {}  # by item, until one of its levels moves
        self.cases: dict[int, Case] = {}
        self.moved: set[tuple[int, int]] = set()  # levels, by item and location
        self.wishes: dict[tuple[str, int], Wish] = {}  # by resource and id
        self.repairs: list[Repair] = []
        self.came_to_nothing: list[CameToNothing] = []

    def hear(self, heard: Heard) -> Heed:  # noqa: PLR0911 (a table: one answer for each thing that can be heard)
        match heard.what:
            case Sighting() as seen:
                return self._see_product(seen, heard.origin)
            case Answered() as answered:
                return self._see_answer(answered)
            case LevelSeen() as seen:
                return self._see_level(seen)
            case Deletion() as deletion:
                return self._delete(deletion)
            case Absence() as absence:
                return self._lose(absence, heard.origin)
            case ItemEdit() as edit:
                return self._edit_item(edit)
            case Unreadable(product_id=int() as product_id, seen_at=seen_at):
                return self._refuse(product_id, seen_at)
            case Unreadable():
                return Heed(0, "refused")
            case Notice():
                return Heed(0, "noticed")

    # What is to be written

    def level(self, item_id: int, location_id: int) -> KnownLevel:
        return self._of_item(item_id)[location_id]

    def event(self, case: Case) -> Event | None:
        """The event as it is after what was heard so far; None: there is none (any more)."""
        return self._project(case.living, self._facts(case.living, case.observed))

    # Products

    def _see_product(self, seen: Sighting, origin: Origin) -> Heed:
        case = self._case(seen.product.id)
        known = case.known
        unmended = self._snapshot(case, seen) if origin is Origin.RECONCILE else None
        stock = self._read_levels(seen.levels, seen.version.seen_at)
        verdict = judge(known, seen.product, seen.version, seen.is_read)
        is_event = self._rules.is_event(seen.product)
        if verdict.refetch is not None and (is_event or verdict.refetch == "tie"):
            newest = max(seen.version.seen_at, known.seen_at) if known else seen.version.seen_at
            self._want("product", case.event_id, Wish(verdict.refetch, newest))
        if verdict.product is not None and not is_event:
            heed = self._turn_away(case, seen.version)
        elif verdict.product is not None:
            heed = self._derive(case, Known(verdict.product, seen.version, deleted=False))
        elif stock and known and case.living:
            heed = self._derive(case, known)
        elif not is_event:
            heed = Heed(case.event_id, "no_event")
        else:
            stale = known is not None and seen.version < known.version
            heed = Heed(case.event_id, "stale" if stale else "unchanged")
        heed = replace(heed, refetch=verdict.refetch if is_event or verdict.refetch == "tie" else None)
        if unmended is not None and heed.altered:
            unmended.mend(case, seen.version, stock)
        if origin is Origin.WEBHOOK and not heed.altered:
            self.came_to_nothing.append(CameToNothing(case.event_id, seen.version.updated_at, is_stock=False))
        return heed

    def _see_answer(self, answered: Answered) -> Heed:
        """Whether it makes an event of a product, or the reverse, is for a read to say."""
        answer, case = answered.answer, self._case(answered.product_id)
        known = case.known
        verdict = judge_answer(known, answered)
        reason = verdict.refetch
        if not self._rules.names_event(answer.product_type, answer.tags):
            if known is None or known.deleted:
                return Heed(case.event_id, "no_event")
            reason = reason or ("no_event" if verdict.product is not None else None)
            heed = Heed(case.event_id, "unchanged")
        elif verdict.product is not None:
            heed = self._derive(case, Known(verdict.product, known.version if known else NEVER, deleted=False))
        else:
            stale = known is not None and answer.version < known.version
            heed = Heed(case.event_id, "stale" if stale else "unchanged")
        if reason is not None:
            newest = max(answer.seen_at, known.seen_at) if known else answer.seen_at
            self._want("product", case.event_id, Wish(reason, newest))
        return replace(heed, refetch=reason)

    def _turn_away(self, case: Case, version: SourceVersion) -> Heed:
        """A product that is no event (any more)."""
        if case.known is None or case.known.deleted:
            return Heed(case.event_id, "no_event")
        return self._bury(case, version, "no_event")

    def _delete(self, deletion: Deletion) -> Heed:
        """A webhook says that it is gone. Ids are never used twice: if that seems older than what we know, ask."""
        case = self._case(deletion.product_id)
        known, version = case.known, deletion.version
        if known is not None and not known.deleted and version <= known.version:
            self._want("product", case.event_id, Wish("deleted", max(version.seen_at, known.seen_at)))
            heed = Heed(case.event_id, "stale", refetch="deleted")
        else:
            heed = self._bury(case, version, "deleted")
        if not heed.altered:
            self.came_to_nothing.append(CameToNothing(case.event_id, version.updated_at, is_stock=False))
        return heed

    def _lose(self, absence: Absence, origin: Origin) -> Heed:
        """A read of ours did not find it. Its own `updated_at` stands: whatever Shopify says of it later can win."""
        case = self._case(absence.product_id)
        unmended = self._snapshot(case) if origin is Origin.RECONCILE else None
        seen_at = absence.seen_at
        if origin is Origin.COMMAND and case.known is not None:
            # We deleted it, and ids are never used twice: whatever the clocks say, nothing seen before is newer.
            seen_at = after(case.known.seen_at, seen_at)
        version = SourceVersion(case.known.version.updated_at if case.known else EPOCH, seen_at)
        heed = self._bury(case, version, "deleted")
        if unmended is not None and heed.altered:
            unmended.mend(case, version, {})
        return heed

    def _bury(self, case: Case, version: SourceVersion, outcome: str) -> Heed:
        """Leave a tombstone, even of what was never seen: its older changes may still be on their way."""
        known = case.known
        if known is not None and (known.deleted or version <= known.version):
            return Heed(case.event_id, "stale")
        case.known = Known(known.product if known else None, version, deleted=True)
        case.observed.clear()
        return Heed(case.event_id, outcome, altered=True)

    def _refuse(self, product_id: int, seen_at: datetime) -> Heed:
        self._want("product", product_id, Wish("malformed", seen_at))
        return Heed(product_id, "refused", refetch="malformed")

    # Stock

    def _see_level(self, seen: LevelSeen) -> Heed:
        event_id = self._owners.get(seen.item_id)
        won, tied_at = self._put_level(seen.item_id, seen.level, seen.seen_at, is_read=False)
        if event_id is None:
            self._want("inventory_item", seen.item_id, Wish("stranger", seen.seen_at, STRANGER_DELAY))
            return Heed(0, "stranger", refetch="stranger")
        refetch = None
        if tied_at is not None:
            refetch = "stock tie"
            self._want("product", event_id, Wish(refetch, tied_at, TIE_DELAY))
        if not won:
            self.came_to_nothing.append(CameToNothing(event_id, seen.level.updated_at, is_stock=True))
            return Heed(event_id, "unchanged", refetch=refetch)
        case = self._case(event_id)
        if case.known is None or case.living is None:
            return Heed(event_id, "no_event", refetch=refetch)
        return replace(self._derive(case, case.known, seen.item_id), refetch=refetch)

    def _edit_item(self, edit: ItemEdit) -> Heed:
        event_id = self._owners.get(edit.item_id)
        if event_id is None:
            self._want("inventory_item", edit.item_id, Wish(edit.reason, edit.seen_at, STRANGER_DELAY))
            return Heed(0, "stranger", refetch=edit.reason)
        self._want("product", event_id, Wish(edit.reason, edit.seen_at))
        return Heed(event_id, "unchanged", refetch=edit.reason)

    def _read_levels(self, levels: Levels, seen_at: datetime) -> dict[int, tuple[SourceVersion | None, SourceVersion]]:
        """We read all levels of these items. What is no longer shown is stocked there no more.

        Returns what was taken over, by item: the versions before and now of the level that moved furthest.
        """
        taken: dict[int, tuple[SourceVersion | None, SourceVersion]] = {}
        for item_id, shown in levels.items():
            gone = self._gone(item_id, shown)
            for level in (*shown, *gone):
                before = self._of_item(item_id).get(level.location_id)
                if self._put_level(item_id, level, seen_at, is_read=True)[0]:
                    # Of what is gone Shopify says no time: it went before we looked.
                    now = SourceVersion(seen_at if level in gone else level.updated_at, seen_at)
                    move = before.version if before else None, now
                    taken[item_id] = max(taken.get(item_id, move), move, key=_distance)
        return taken

    def _gone(self, item_id: int, shown: Sequence[Level]) -> list[Level]:
        locations = {level.location_id for level in shown}
        return [
            # Its own `updated_at`, not our clock's: whatever Shopify says next of this level must be able to win.
            Level(location_id=location_id, available=None, updated_at=known.version.updated_at)
            for location_id, known in self._of_item(item_id).items()
            if location_id not in locations and known.available is not None
        ]

    def _put_level(
        self, item_id: int, level: Level, seen_at: datetime, *, is_read: bool
    ) -> tuple[bool, datetime | None]:
        """Whether it wins; where it ties, when the later of the two was seen, else None."""
        of_item = self._of_item(item_id)
        before = of_item.get(level.location_id)
        version = SourceVersion(level.updated_at, seen_at)
        wins, tie = judge_level(before, level, version, is_read)
        if wins:
            of_item[level.location_id] = KnownLevel(level.available, version, level.committed, level.on_hand)
            self.moved.add((item_id, level.location_id))
            self._stocks.pop(item_id, None)
        return wins, max(seen_at, before.version.seen_at) if before is not None and tie else None

    # What an event is made of

    def _case(self, event_id: int) -> Case:
        case = self.cases.get(event_id)
        if case is None:
            dossier = self._ledger.dossiers.get(event_id, Dossier())
            case = self.cases[event_id] = Case(event_id, dossier, dossier.known, dict(dossier.observed))
        return case

    def _of_item(self, item_id: int) -> dict[int, KnownLevel]:
        levels = self._levels.get(item_id)
        if levels is None:
            levels = self._levels[item_id] = dict(self._ledger.levels.get(item_id, {}))
        return levels

    def _derive(self, case: Case, known: Known, item_id: int | None = None) -> Heed:
        """The event is to be projected again. What it passes through counts, too: the highest stock is remembered.

        `item_id`: nothing else of it has changed.
        """
        case.known = known
        case.derived = True
        variants = known.product.variants if known.product else ()
        if item_id is None and case.observed:
            case.observed = {each.id: case.observed[each.id] for each in variants if each.id in case.observed}
        for variant in variants:
            if item_id is not None and variant.inventory_item_id != item_id:
                continue
            available = stock_of(variant, self._stock(variant))
            if available is not None:
                case.observed[variant.id] = max(available, case.observed.get(variant.id, available))
        return Heed(case.event_id, "derived", altered=True)

    def _stock(self, variant: Variant) -> tuple[Stock, ...] | None:
        """By location, without those where it is not stocked any more; None: no level was ever seen."""
        item_id = variant.inventory_item_id
        if item_id is None:
            return None
        if item_id not in self._stocks:
            levels = self._of_item(item_id)
            self._stocks[item_id] = (
                tuple(
                    Stock(location_id, level.available, level.committed, level.on_hand)
                    for location_id, level in sorted(levels.items())
                    if level.available is not None
                )
                if levels
                else None
            )
        return self._stocks[item_id]

    def _facts(self, product: Product | None, observed: Mapping[int, int]) -> Facts:
        stock = {
            variant.inventory_item_id: levels
            for variant in (product.variants if product else ())
            if variant.inventory_item_id is not None and (levels := self._stock(variant)) is not None
        }
        return Facts(stock, observed, self._currency)

    def _project(self, product: Product | None, facts: Facts) -> Event | None:
        return None if product is None else project(product, facts, self._rules, complete=missing(product) is None)

    def _want(self, resource: str, resource_id: int, wish: Wish) -> None:
        earlier = self.wishes.get((resource, resource_id))
        self.wishes[resource, resource_id] = earlier.and_then(wish) if earlier else wish

    def _snapshot(self, case: Case, seen: Sighting | None = None) -> "_Unmended":
        return _Unmended(self, case, seen)


def _distance(move: tuple[SourceVersion | None, SourceVersion]) -> timedelta:
    """How far a level moved, by Shopify's clock."""
    before, now = move
    return timedelta.max if before is None else now.updated_at - before.updated_at


class _Unmended:
    """An event before a reconcile's change; projected only where that alters it."""

    def __init__(self, fold: Fold, case: Case, seen: Sighting | None) -> None:
        self._fold = fold
        self._known = case.known
        self._living = case.living
        self._facts = fold._facts(case.living, dict(case.observed))  # noqa: SLF001 (a part of it)
        self._seen = seen

    def mend(
        self, case: Case, version: SourceVersion, stock: Mapping[int, tuple[SourceVersion | None, SourceVersion]]
    ) -> None:
        before = self._fold._project(self._living, self._facts)  # noqa: SLF001
        after = self._fold.event(case)
        if before == after:
            return
        complete = self._living is not None and missing(self._living) is None
        known = self._known.version if self._known else None
        self._fold.repairs.append(Repair(case.event_id, before, after, known, version, complete, stock))


def fold(ledger: Ledger, changes: Iterable[Heard], rules: Rules, currency: str | None) -> tuple[Fold, list[Heed]]:
    """All changes, in order; what became of each."""
    folding = Fold(ledger, rules, currency)
    return folding, [folding.hear(heard) for heard in changes]
