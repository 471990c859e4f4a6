"""Procedures against a small Shopify that forgets answers, in a world that sells, restocks and takes names meanwhile.

The simulated Shopify proves the words (tests/component/writer); here it is the order of events that varies.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from shared.metafields import Metafields
from shared.shopify.errors import UserError
from writer.procedures import next_step
from writer.procedures.steps import (
    Commanded,
    Done,
    Failed,
    InDoubt,
    Progress,
    Read,
    ReadBack,
    Refused,
    Shop,
    Succeeded,
    Unknown,
    Write,
    Written,
)

SHOP = Shop(7, (), "EUR", Metafields())
HOME, AWAY = "gid://shopify/Location/7", "gid://shopify/Location/8"
NOW = datetime(2026, 12, 1, tzinfo=UTC)
JOB = "01990000-0000-7000-8000-abcdef123456"
PRODUCT, VARIANT, ITEM = "gid://shopify/Product/42", "gid://shopify/ProductVariant/5", "gid://shopify/InventoryItem/9"
MOST_STEPS = 150

# What becomes of a request; of all but the first nobody hears. A late one takes effect after the horizon, against all
# that Shopify lets one expect: what is guarded by a name or a key bears even that. What is done twice is answered by
# its second time.
ANSWERED, LOST, NEVER, LATE, TWICE = "answered", "lost", "never", "late", "twice"
FATES = (ANSWERED, ANSWERED, ANSWERED, LOST, NEVER, LATE, TWICE)


def worlds(count):
    return (Random(seed) for seed in range(count))  # noqa: S311 - the same accidents each time


def carry_out(chance, job, world):
    """The world moves before each step; a write meets its fate; the process may die and forget what it read."""
    writes, reads, late = [], [], []
    for count in range(MOST_STEPS):
        if chance.random() < 0.1:
            reads = []
        world.move(chance)
        if late and chance.random() < 0.3:
            world.write(*late.pop())
        now = NOW + timedelta(seconds=count)
        match next_step(Progress(job, tuple(writes), tuple(reads), now), SHOP):
            case Read(document, variables):
                reads.append(ReadBack(document, world.read(document, variables)))
            case Write(document, variables):
                fate = chance.choice(FATES)
                late += [(document, variables)] if fate == LATE else []
                times = {ANSWERED: 1, LOST: 1, TWICE: 2}.get(fate, 0)
                outcomes = [Unknown(), *(world.write(document, variables) for _ in range(times))]
                heard = outcomes[-1 if fate in {ANSWERED, TWICE} else 0]
                writes.append(Written(len(writes), document, variables, heard, now))
                reads = []
            case end:
                for document, variables in late:
                    world.write(document, variables)
                return end
    raise AssertionError("no end")


def refused(message, code=None, *path):
    return Refused((UserError(path, message, code),))


@dataclass
class Handles:
    """Which job made what bears a handle; others take handles too."""

    by_handle: dict = field(default_factory=dict)
    ours: int = 0

    def move(self, chance):
        if chance.random() < 0.2:
            taken = chance.choice(["jazz", "jazz-abcdef123456", "event-abcdef123456"])
            self.by_handle.setdefault(taken, "somebody")

    def read(self, _document, variables):
        job = self.by_handle.get(variables["handle"])
        return {"productByIdentifier": job and {"id": PRODUCT, "metafield": {"value": job}}}

    def write(self, _document, variables):
        handle = variables["input"]["handle"]
        if handle in self.by_handle:
            return refused(f"Handle '{handle}' already in use. Please provide a new handle.", None, "input", "handle")
        self.by_handle[handle] = variables["input"]["metafields"][-1]["value"]
        self.ours += 1
        return Done({"productSet": {"product": {"id": PRODUCT, "handle": handle}}})


@pytest.mark.parametrize("asked", [{}, {"handle": "jazz"}])
def test_an_event_is_created_once_or_not_at_all(asked):
    ends = {creates_an_event(chance, asked) for chance in worlds(400)}
    assert ends >= {Succeeded, Failed}


def creates_an_event(chance, asked):
    world = Handles()
    end = carry_out(chance, Commanded(JOB, "event.create", None, None, {"title": "Jazz", **asked}), world)
    assert world.ours <= 1
    if isinstance(end, Succeeded):
        assert (world.ours, end.event_id) == (1, 42)
    if isinstance(end, Failed):
        assert (world.ours, end.error.code) == (0, "handle_taken")
    return type(end)


@dataclass
class Names:
    """The tickets of an event by name, and which job made them."""

    by_name: dict = field(default_factory=lambda: {"Standing": None})
    ours: int = 0

    def move(self, chance):
        if chance.random() < 0.1:
            self.by_name.setdefault("VIP", "somebody")

    def read(self, document, _variables):
        if document == "ticket_place":
            return {"product": {"hasOnlyDefaultVariant": False, "options": [{"name": "Ticket"}]}}
        nodes = [{"id": VARIANT, "title": n, "metafield": job and {"value": job}} for n, job in self.by_name.items()]
        return {"product": {"variants": {"nodes": nodes}}}

    def write(self, _document, variables):
        (ticket,) = variables["tickets"]
        name = ticket["optionValues"][0]["name"]
        if name in self.by_name:
            return refused("already exists", "VARIANT_ALREADY_EXISTS_CHANGE_OPTION_VALUE", "variants", "0")
        self.by_name[name] = ticket["metafields"][-1]["value"]
        self.ours += 1
        return Done({"productVariantsBulkCreate": {"productVariants": [{"id": VARIANT}]}})


def test_a_ticket_is_created_once_or_not_at_all():
    ends = {creates_a_ticket(chance) for chance in worlds(400)}
    assert ends >= {Succeeded, Failed}


def creates_a_ticket(chance):
    world = Names()
    end = carry_out(chance, Commanded(JOB, "ticket.create", 42, None, {"name": "VIP", "price": "1.00"}), world)
    assert world.ours <= 1
    if isinstance(end, Succeeded):
        assert (world.ours, end.ticket_id) == (1, 5)
    if isinstance(end, Failed):
        assert (world.ours, end.error.code) == (0, "name_taken")
    return type(end)


@dataclass
class Stock:
    """One ticket: stock by location, what was sold, its capacity metafield, the keys that were used."""

    levels: dict
    sold: int
    capacity: int | None
    keys: dict = field(default_factory=dict)
    moves: int = 0

    def move(self, chance):
        """Somebody buys."""
        if chance.random() < 0.3:
            place = chance.choice([HOME, AWAY])
            pieces = min(chance.randint(1, 5), self.levels.get(place, 0))
            if pieces > 0:
                self.levels[place] -= pieces
                self.sold += pieces

    @property
    def available(self):
        return sum(self.levels.values())

    def read(self, _document, _variables):
        nodes = [
            {"isActive": True, "location": {"id": place}, "quantities": [{"name": "available", "quantity": pieces}]}
            for place, pieces in self.levels.items()
        ]
        item = {"id": ITEM, "tracked": True, "inventoryLevels": {"nodes": nodes, "pageInfo": {"hasNextPage": False}}}
        product = {"id": PRODUCT, "options": []}
        metafield = None if self.capacity is None else {"value": str(self.capacity)}
        return {"productVariant": {"title": "A", "product": product, "metafield": metafield, "inventoryItem": item}}

    def write(self, document, variables):
        if document == "ticket_edit":
            self.capacity = int(variables["tickets"][0]["metafields"][0]["value"])
            return Done({})
        key = variables["idempotencyKey"]
        sent = (document, {name: value for name, value in variables.items() if name != "idempotencyKey"})
        if key in self.keys:
            assert self.keys[key] == sent, "one key, two requests"
            return Done({})
        outcome = (
            self._put(variables) if document == "stock_level_create" else self._move(variables["input"]["changes"])
        )
        if isinstance(outcome, Done):
            self.keys[key] = sent
            self.moves += 1
        return outcome

    def _put(self, variables):
        if variables["location"] in self.levels:
            return refused("… when the item is already active at the location.", None, "available")
        self.levels[variables["location"]] = variables["available"]
        return Done({})

    def _move(self, changes):
        for change in changes:
            compared = change["changeFromQuantity"]
            if compared is not None and compared != self.levels[change["locationId"]]:
                return refused("stale", "CHANGE_FROM_QUANTITY_STALE")
        for change in changes:
            self.levels[change["locationId"]] += change["delta"]
        return Done({})


def test_a_capacity_changes_once_and_no_sale_is_lost():
    ends = {changes_a_capacity(chance) for chance in worlds(1500)}
    assert ends >= {Succeeded, "below_sold"}


def changes_a_capacity(chance):
    home, away, sold = (chance.choice([0, chance.randint(1, 40)]) for _ in range(3))
    was = home + away + sold
    wanted = chance.randint(0, 2 * was)
    levels = {HOME: home, AWAY: away} if home + away else {}
    world = Stock(levels, sold, was)
    end = carry_out(chance, Commanded(JOB, "ticket.edit", 42, 5, {"capacity": wanted}), world)
    assert world.moves <= 1
    assert all(pieces >= 0 for pieces in world.levels.values())
    if isinstance(end, Succeeded):
        assert (world.capacity, world.available) == (wanted, wanted - world.sold)
    elif isinstance(end, Failed):
        assert end.error.code in {"below_sold", "busy"}
        assert (world.capacity, world.available, world.moves) == (was, was - world.sold, 0)
        assert end.error.code == "busy" or wanted < world.sold
    else:
        assert isinstance(end, InDoubt)
    return end.error.code if isinstance(end, Failed) else type(end)
