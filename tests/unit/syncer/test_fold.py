"""However a stream of changes is cut into batches, it ends with what its changes one by one end with."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st
from products import ITEM, PRODUCT, VARIANT, Product, Variant, at, by_answer, by_read, by_webhook, deletion, level

from shared.contracts import Change, InventoryItemChangedV1, Origin
from syncer.fold import Dossier, Fold, Heed, Ledger, Wish, fold
from syncer.heard import Heard, hear
from syncer.projections import Event, Facts, Stock, project
from syncer.rules import Rules
from syncer.source import Sighting, missing
from syncer.versions import KnownLevel

RULES = Rules(product_types=frozenset({"music"}))
SECONDS = 6  # of Shopify's clock, in which everything happens: so that much of it ties


@dataclass
class Tables:
    """What is stored, as the store stores it; nothing of it is SQL."""

    dossiers: dict[int, Dossier] = field(default_factory=dict)
    owners: dict[int, int] = field(default_factory=dict)
    levels: dict[int, dict[int, KnownLevel]] = field(default_factory=dict)
    wishes: dict[tuple[str, int], Wish] = field(default_factory=dict)

    def project(self, changes: Sequence[Change]) -> tuple[Fold, list[Heed]]:
        heard = [hear(change, RULES) for change in changes]
        self.owners |= claimed(heard)
        folded, heeds = fold(Ledger(self.dossiers, self.owners, self.levels), heard, RULES, "EUR")
        for item_id, location_id in folded.moved:
            stored = {**self.levels.get(item_id, {}), location_id: folded.level(item_id, location_id)}
            self.levels = {**self.levels, item_id: stored}
        for case in folded.cases.values():
            event = folded.event(case) if case.derived else None
            if case.buried is not None:
                self.dossiers[case.event_id] = Dossier(case.known)
            elif event is not None:
                seen = {each.id: each.observed_capacity for each in event.tickets}
                observed = {ticket_id: most for ticket_id, most in seen.items() if most is not None}
                self.dossiers[case.event_id] = Dossier(case.known, observed)
        for key, wish in folded.wishes.items():
            self.wishes[key] = self.wishes[key].and_then(wish) if key in self.wishes else wish
        return folded, heeds

    def shown(self) -> dict[int, Event | None]:
        """What readers see of each event."""
        return {event_id: self._shown(dossier) for event_id, dossier in self.dossiers.items()}

    def _shown(self, dossier: Dossier) -> Event | None:
        product = dossier.living
        if product is None:
            return None
        stock = {item: stocks(levels) for item, levels in self.levels.items()}
        return project(product, Facts(stock, dossier.observed, "EUR"), RULES, complete=missing(product) is None)

    def known(self):
        """Products, versions and tombstones; what a tombstone was before is nobody's business."""
        return {
            event_id: (dossier.living, dossier.known and dossier.known.version, dossier.known and dossier.known.deleted)
            for event_id, dossier in self.dossiers.items()
        }

    def asked(self) -> dict[tuple[str, int], Wish]:
        """Without the items that were looked for, and whose products have come since."""
        return {
            (resource, resource_id): wish
            for (resource, resource_id), wish in self.wishes.items()
            if resource == "product" or resource_id not in self.owners
        }


def claimed(heard: Sequence[Heard]) -> dict[int, int]:
    return {
        variant.inventory_item_id: each.what.product.id
        for each in heard
        if isinstance(each.what, Sighting)
        for variant in each.what.product.variants
        if variant.inventory_item_id is not None
    }


def stocks(levels: dict[int, KnownLevel]) -> tuple[Stock, ...]:
    return tuple(
        Stock(location, each.available, each.committed, each.on_hand)
        for location, each in sorted(levels.items())
        if each.available is not None
    )


def of(changes: Sequence[Change], cuts: Sequence[int] = ()) -> Tables:
    """The tables after these changes, in batches that begin at the cuts."""
    tables = Tables()
    for start, end in pairwise([0, *sorted(cuts), len(changes)]):
        tables.project(changes[start:end])
    return tables


# What may come: two products of two tickets, seen and told in every way, with few numbers, so that much of it collides.
products = st.sampled_from([0, 1])
seconds = st.integers(0, SECONDS)
fractions = st.sampled_from([0.0, 0.3, 0.6])
numbers = st.sampled_from([None, 0, 5, 50, 70])
KINDS = ["webhook", "read", "answer", "level", "level", "level", "delete", "absence", "malformed"]
OURS = [Origin.REFETCH, Origin.RECONCILE, Origin.COMMAND]


@st.composite
def product_of(draw: st.DrawFn) -> Product:
    number, updated = draw(products), draw(seconds)
    variants = tuple(
        Variant(
            id=VARIANT + 10 * number + place,
            item=ITEM + 10 * number + place,
            position=place + 1,
            price=draw(st.sampled_from(["25.00", "30.00"])),
            quantity=draw(numbers),
            tracked=draw(st.sampled_from([True, True, False])),
            updated=updated if draw(st.booleans()) else 0,
            levels={place: (n, 1, n + 1) for place in (1, 2) if (n := draw(numbers)) is not None},
            levels_updated=draw(seconds),
        )
        for place in range(draw(st.sampled_from([1, 2, 2])))
    )
    kind = draw(st.sampled_from(["music", "music", "music", "merch"]))
    title = draw(st.sampled_from(["A", "B"]))
    return Product(id=PRODUCT + number, updated=updated, title=title, type=kind, variants=variants)


@st.composite
def change_of(draw: st.DrawFn) -> Change:  # noqa: PLR0911 (one for each kind)
    moment = draw(seconds) + draw(fractions)
    match draw(st.sampled_from(KINDS)):
        case "webhook":
            product = draw(product_of())
            return by_webhook(product, product.updated + draw(fractions), variant_metafields=draw(st.booleans()))
        case "read":
            read = by_read(draw(product_of()), moment)
            return read.model_copy(update={"origin": draw(st.sampled_from([Origin.REFETCH, Origin.RECONCILE]))})
        case "answer":
            return by_answer(draw(product_of()), moment, metafields=draw(st.booleans()))
        case "delete":
            return deletion(PRODUCT + draw(products), moment)
        case "absence":
            return deletion(PRODUCT + draw(products), moment, draw(st.sampled_from(OURS)))
        case "malformed":
            return by_webhook(draw(product_of()), moment, title=None)
    item = ITEM + 10 * draw(products) + draw(st.sampled_from([0, 1]))
    seen = level(draw(numbers), draw(st.one_of(st.none(), seconds)), moment, item, draw(st.sampled_from([1, 2])))
    if draw(st.integers(0, 9)) == 0:
        return InventoryItemChangedV1(**seen.model_dump(exclude={"location_id"}))
    return seen


@settings(max_examples=250, deadline=None)
@given(changes=st.lists(change_of(), min_size=1, max_size=24), data=st.data())
def test_batches_of_any_size_end_with_the_same_as_one_by_one(changes, data):
    cuts = data.draw(st.sets(st.integers(0, len(changes)), max_size=4))
    for change in changes:
        note(f"{type(change).__name__} {change.triggered_at} {change.origin} {change.body!r}")
    one_by_one, in_batches = of(changes, range(len(changes))), of(changes, sorted(cuts))
    assert in_batches.known() == one_by_one.known()
    assert in_batches.shown() == one_by_one.shown()
    assert in_batches.levels == one_by_one.levels
    observed = {event_id: dossier.observed for event_id, dossier in one_by_one.dossiers.items()}
    assert {event_id: dossier.observed for event_id, dossier in in_batches.dossiers.items()} == observed
    for key, wish in one_by_one.asked().items():
        assert key in in_batches.wishes, "what must be read is asked for"
        assert in_batches.wishes[key].seen_at >= wish.seen_at


def test_a_hundred_sales_of_one_ticket_are_one_case_and_every_one_of_them_altered_it():
    tables = of([by_read(Product())])
    folded, heeds = tables.project([level(100 - n, updated=n) for n in range(1, 101)])
    assert len(folded.cases) == 1
    assert len(folded.moved) == 1
    assert all(heed.altered for heed in heeds)
    [event] = tables.shown().values()
    assert event is not None
    assert (event.available, event.sold) == (0, 100)


def test_the_highest_stock_is_remembered_though_it_stood_in_the_middle_of_a_batch_only():
    tables = of([by_read(Product()), level(250, updated=3), level(40, updated=4)], cuts=[1])
    assert tables.dossiers[PRODUCT].observed == {VARIANT: 250}


def test_a_ticket_that_was_removed_and_came_back_in_one_batch_begins_anew():
    two = (Variant(), Variant(id=VARIANT + 1, item=ITEM + 1, quantity=3, levels={1: (3, 0, 3)}))
    tables = of([by_read(Product(variants=two)), level(90, 1, item=ITEM + 1, location=1)])
    assert tables.dossiers[PRODUCT].observed[VARIANT + 1] == 90
    tables.project([level(2, 4, item=ITEM + 1, location=1)])
    tables.project([by_read(Product(updated=5), seen=5), by_read(Product(updated=6, variants=two), seen=6)])
    assert tables.dossiers[PRODUCT].observed[VARIANT + 1] == 2


def test_what_came_and_went_within_a_batch_leaves_a_tombstone_and_nobody_saw_it():
    folded, heeds = Tables().project([by_webhook(Product()), deletion(seen=5)])
    [case] = folded.cases.values()
    assert case.before.known is None
    assert case.buried is not None
    assert [heed.outcome for heed in heeds] == ["derived", "deleted"]


def test_a_grave_that_was_opened_and_closed_again_within_a_batch_is_newer():
    tables = of([by_read(Product()), deletion(seen=5)])
    folded, _ = tables.project([by_read(Product(updated=7), seen=7), deletion(seen=9)])
    [case] = folded.cases.values()
    assert case.buried == (at(9), at(9))


@pytest.mark.parametrize("origin", [Origin.REFETCH, Origin.RECONCILE])
def test_only_what_reconciling_mends_is_drift(origin):
    tables = of([by_read(Product()), level(60, updated=5)])
    edited = by_read(Product(updated=9, title="Edited"), seen=10).model_copy(update={"origin": origin})
    folded, _ = tables.project([edited, edited])
    assert len(folded.repairs) == (1 if origin is Origin.RECONCILE else 0)
    for repair in folded.repairs:
        assert repair.before is not None
        assert repair.after is not None
        assert (repair.before.title, repair.after.title, repair.complete) == ("Jazz Night", "Edited", True)
        assert (repair.known, repair.seen) == ((at(0), at(0)), (at(9), at(10)))


def test_a_reconcile_that_finds_everything_as_it_was_is_no_drift():
    tables = of([by_read(Product())])
    same = by_read(Product(), seen=10).model_copy(update={"origin": Origin.RECONCILE})
    assert tables.project([same])[0].repairs == []


def test_webhooks_that_told_nothing_new_are_named():
    tables = of([by_read(Product(updated=5)), level(60, updated=5)])
    folded, _ = tables.project([by_webhook(Product(updated=3)), level(70, updated=4), level(50, updated=6)])
    assert [(each.event_id, each.at, each.is_stock) for each in folded.came_to_nothing] == [
        (PRODUCT, at(3), False),
        (PRODUCT, at(4), True),
    ]


def test_changes_of_others_are_no_business_of_an_event():
    folded, _ = of([by_read(Product())]).project([level(1, updated=1), by_read(Product(id=1, variants=()))])
    assert set(folded.cases) == {PRODUCT, 1}
