"""Any order, any duplicates, reads at any time: what is known of a product ends equal to what Shopify has."""

import random
from dataclasses import dataclass, replace
from datetime import datetime

import orjson
from hypothesis import given
from hypothesis import strategies as st
from products import ITEM, VARIANT, Product, Variant, at, body, by_answer, node

from shared.contracts import Change, Origin, ProductChangedV1, ProductDeletedV1, Shape
from syncer import changes
from syncer.projections import Event, Facts, project
from syncer.rules import Rules
from syncer.source import Level, SourceVersion, missing
from syncer.versions import NEVER, TICK, Known, KnownLevel, Verdict, after, judge, judge_answer, judge_level

RULES = Rules()
FACTS = Facts({}, {}, "EUR")
LATER = 1000.0  # seconds after the beginning, for stock: every history has ended by then
MOMENT = 0.001  # seconds that everything takes
MOST_READS = 5  # until nothing is asked for any more


@dataclass(frozen=True)
class Told:
    """Shopify said it: a product as it was, or that it is gone; to everyone, or in an answer to a mutation of ours.

    `seen`: when a webhook was triggered, or a mutation left. `sparing`: the answer says no metafields.
    """

    product: Product | None
    seen: float
    answered: bool = False
    sparing: bool = False


# What happens: an edit so many tenths of a second later (so that several fall into one second), a webhook that arrives,
# or an answer, perhaps not for the first time, or a read, if one was asked for.
edit = st.tuples(
    st.integers(0, 12),
    st.sampled_from(["title", "metafield", "price", "ticket", "untracked", "add", "remove", "delete"]),
    st.integers(0, 3),  # which ticket, or which new value
    # Ours: answered with what is true so many edits later, for Shopify reads after it has written; -1: somebody else's.
    st.sampled_from([-1, -1, 0, 0, 1]),
    st.booleans(),  # whether the answer says no metafields
)
arrival = st.integers(0, 1000)  # which of those that were told
read = st.none()
happenings = st.lists(st.one_of(edit, arrival, arrival, read), min_size=1, max_size=30)


def edited(product: Product, second: int, what: str, number: int) -> Product:
    before = product.variants
    chosen = before[number % len(before)]
    match what:
        case "title":
            return replace(product, title=f"Title {number}", updated=second)
        case "metafield":
            return replace(product, metafields={"event.subtitle": f"Take {number}"}, updated=second)
        case "add":
            place = max(variant.position for variant in before) + 1
            new = Variant(id=VARIANT + place, item=ITEM + place, title=f"Row {place}", position=place, updated=second)
            return replace(product, variants=(*before, new), updated=second)
        case "remove" if len(before) > 1:
            return replace(product, variants=tuple(each for each in before if each is not chosen), updated=second)
        case "price":
            changed = replace(chosen, price=f"{number}.00", updated=second)
        case "ticket":
            changed = replace(chosen, metafields={"ticket.capacity": str(number)}, updated=second)
        case _:
            changed = replace(chosen, tracked=not chosen.tracked, updated=second)
    return replace(product, variants=tuple(changed if each is chosen else each for each in before), updated=second)


class Projected:
    """One row and its refetch, carried forward by the decisions alone: no SQL, no bus."""

    def __init__(self) -> None:
        self.known: Known | None = None
        self.asked: datetime | None = None  # everything known when it was asked had been seen by then

    def hear(self, change: Change) -> None:
        if isinstance(change, ProductDeletedV1):
            self._bury(change)
            return
        assert isinstance(change, ProductChangedV1)
        if change.shape is Shape.ANSWER:
            verdict = judge_answer(self.known, changes.answered(change, RULES))
            self._heed(verdict, change.triggered_at, self.known.version if self.known else NEVER)
            return
        seen = changes.sighting(change, RULES)
        verdict = judge(self.known, seen.product, seen.version, seen.is_read)
        self._heed(verdict, seen.version.seen_at, seen.version)

    def _heed(self, verdict: Verdict, seen_at: datetime, version: SourceVersion) -> None:
        if verdict.refetch is not None:
            newest = [seen_at, *([self.known.seen_at] if self.known else [])]
            self.asked = max([*newest, *([self.asked] if self.asked else [])])
        if verdict.product is not None:
            self.known = Known(verdict.product, version, deleted=False)

    def read(self, truth: Product | None, now: float) -> None:
        """Shopify is asked for what is true now, if anybody wanted to know."""
        if self.asked is None:
            return
        began, self.asked = max(at(now), self.asked + TICK), None
        self.hear(change(truth, began, Origin.REFETCH))

    def _bury(self, change: ProductDeletedV1) -> None:
        """By a webhook: as new as its trigger. By a read: the `updated_at` that is known stands."""
        version = changes.burial(change)
        if change.origin is not Origin.WEBHOOK and self.known is not None:
            seen_at = change.triggered_at
            if change.origin is Origin.COMMAND:
                seen_at = after(self.known.seen_at, seen_at)
            version = SourceVersion(self.known.version.updated_at, seen_at)
        if self.known is None:
            self.known = Known(None, version, deleted=True)
        elif self.known.version < version and not self.known.deleted:
            self.known = Known(self.known.product, version, deleted=True)


class World:
    """Shopify, the post and the projection. `labelled`: webhooks say when they were triggered; else receipt counts."""

    def __init__(self, labelled: bool) -> None:
        self.labelled = labelled
        self.clock = 0.0
        self.truth: Product | None = Product()
        self.told = [Told(self.truth, self.clock)]
        self.late: list[tuple[int, Told]] = []  # answers that are read so many edits later
        self.arrived: set[int] = set()
        self.projected = Projected()

    def happen(self, what: tuple[int, str, int, int, bool] | int | None) -> None:
        self.clock += MOMENT
        match what:
            case None:
                self.projected.read(self.truth, self.clock)
            case int():
                self.arrive(what % len(self.told))
            case (tenths, deed, number, edits, sparing) if self.truth is not None:
                left = self.clock
                self.clock += tenths / 10
                self.truth = None if deed == "delete" else edited(self.truth, int(self.clock), deed, number)
                self.told.append(Told(self.truth, self.clock))
                if edits >= 0:
                    self.late.append((edits, Told(None, left, answered=True, sparing=sparing)))
                self._answer()

    def _answer(self) -> None:
        """Answers are made of what is true after the edits that they wait for."""
        self.told += [replace(answer, product=self.truth) for edits, answer in self.late if edits == 0]
        self.late = [(edits - 1, answer) for edits, answer in self.late if edits > 0]

    def arrive(self, place: int) -> None:
        self.arrived.add(place)
        told = self.told[place]
        if told.answered:
            self.projected.hear(answer(told))
            return
        seen = told.seen if self.labelled else self.clock
        self.projected.hear(change(told.product, at(seen), Origin.WEBHOOK))

    def settle(self, order: random.Random) -> None:
        """What was not delivered yet comes in some order; then Shopify is asked until nothing is open."""
        missing_still = [place for place in range(len(self.told)) if place not in self.arrived]
        order.shuffle(missing_still)
        for place in missing_still:
            self.clock += MOMENT
            self.arrive(place)
        for _ in range(MOST_READS):
            self.happen(None)
        assert self.projected.asked is None, "it asks for ever"


def answer(told: Told) -> Change:
    if told.product is None:
        return change(None, at(told.seen), Origin.COMMAND)
    return by_answer(told.product, told.seen, metafields=not told.sparing)


def change(product: Product | None, seen: datetime, origin: Origin) -> Change:
    about = {
        "id": f"{origin}:{seen}", "source": "test", "subject": "product", "time": seen, "origin": origin,
        "triggered_at": seen, "shop": "blue-hall.myshopify.com", "product_id": Product().id,
    }  # fmt: skip
    if product is None:
        return ProductDeletedV1.model_validate(about)
    if origin is Origin.WEBHOOK:
        return ProductChangedV1.model_validate({**about, "shape": Shape.WEBHOOK, "body": body(product)})
    return ProductChangedV1.model_validate({**about, "shape": Shape.GRAPHQL, "body": orjson.dumps(node(product))})


def event(product: Product) -> Event:
    whole = changes.sighting(change_of(product), RULES).product
    return project(whole, FACTS, RULES, complete=True)


def change_of(product: Product) -> ProductChangedV1:
    found = change(product, at(LATER), Origin.REFETCH)
    assert isinstance(found, ProductChangedV1)
    return found


def shown(known: Known | None) -> Event | None:
    """What readers see of it; None: a 404."""
    assert known is not None
    if known.deleted or known.product is None:
        return None
    assert missing(known.product) is None
    return project(known.product, FACTS, RULES, complete=True)


@given(happened=happenings, order=st.randoms(use_true_random=False), labelled=st.booleans())
def test_any_order_with_duplicates_and_reads_in_between_ends_with_the_truth(happened, order, labelled):
    world = World(labelled)

    for what in happened:
        world.happen(what)
    world.settle(order)

    assert shown(world.projected.known) == (None if world.truth is None else event(world.truth))


@given(happened=happenings, order=st.randoms(use_true_random=False), labelled=st.booleans())
def test_a_duplicate_of_everything_changes_nothing(happened, order, labelled):
    world = World(labelled)
    for what in happened:
        world.happen(what)
    world.settle(order)
    before = shown(world.projected.known)

    for place in range(len(world.told)):
        world.arrive(place)
        world.happen(None)

    assert shown(world.projected.known) == before


levels = st.lists(st.tuples(st.integers(0, 12), st.one_of(st.none(), st.integers(0, 3))), min_size=1, max_size=8)


@given(
    steps=levels,
    order=st.randoms(use_true_random=False),
    reads=st.lists(st.booleans(), max_size=16),
    labelled=st.booleans(),
)
def test_stock_told_in_any_order_ends_with_the_stock_there_is(steps, order, reads, labelled):
    moment, told = 0.0, []
    for tenths, available in steps:
        moment += tenths / 10
        told.append((Level(location_id=1, available=available, updated_at=at(int(moment))), at(moment + 0.05)))
    truth = told[-1][0]
    arrivals = [*told, *told]
    order.shuffle(arrivals)
    known: KnownLevel | None = None
    asked: datetime | None = None

    def hear(level, seen_at, is_read):
        nonlocal known, asked
        version = SourceVersion(level.updated_at, seen_at)
        wins, tie = judge_level(known, level, version, is_read)
        if tie:
            assert known is not None
            asked = max(seen_at, known.version.seen_at, asked or seen_at)
        if wins:
            known = KnownLevel(level.available, version)

    def read():
        nonlocal asked
        if asked is not None:
            began, asked = max(at(LATER), asked + TICK), None
            hear(truth, began, True)

    for place, (level, seen_at) in enumerate(arrivals):
        hear(level, seen_at if labelled else at(LATER / 2 + place / 10), is_read=False)
        if place < len(reads) and reads[place]:
            read()
    for _ in range(MOST_READS):
        read()

    assert asked is None, "it asks for ever"
    assert known is not None
    assert known.available == truth.available
