"""A fifth of all webhooks is lost, another fifth shuffled, deletes among them: a reconcile makes all of it right.

And it says what it made right: every field that differed, and why; nothing of what was told. One that runs in the
midst of it mends what it finds then, whether that was lost or is only late; the next one names the rest, and only that.
"""

import asyncio
import random
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from checker import Difference
from postbox import Letter
from repairs import carried_out
from shop_control import Json
from waiting import eventually
from whole_system import Running

LOST_SHARE, SHUFFLED_SHARE = 0.2, 0.2
LOST_TOPICS = {"products/update", "products/delete", "inventory_levels/update"}  # and others
PRODUCTS, FEW = 30, 8
PAUSE = 0.05  # seconds between two edits; part of the traffic, not of the test's patience
MIDST = 20  # letters of the traffic, after which a reconcile is asked for
STRAY_FOR = 40  # letters: a shuffled one comes among those after it
GRACE_WITHIN = 60.0  # seconds: the longest that a window may leave out before now
REPORTED_LATE = 5.0  # seconds

Field = tuple[int, str, str]  # event, ticket or "", the field as the drift report names it

# Follows from other fields, or is no content: reported is what it follows from.
DERIVED = {"price_min", "price_max", "capacity", "sold", "available", "availability", "updated_at", "data_complete"}
UNHEARD = "unheard"  # title and tag of an event
UNSAID = (".committed", ".on_hand")  # by webhooks: read with the rest, and no drift while they are unknown
DERIVED_OF_TICKETS = {"sold", "capacity", "capacity_source", "availability", "status"}


@dataclass
class Post:
    """Loses some letters, strays some, delivers the rest as they come."""

    running: Running
    chance: random.Random
    lost: list[Letter] = field(default_factory=list)
    told: list[Letter] = field(default_factory=list)
    told_at: list[datetime] = field(default_factory=list)  # by `told`: when webhook-ingest had it
    straying: list[tuple[int, Letter]] = field(default_factory=list)
    seen: int = 0

    async def pass_on(self, letters: list[Letter]) -> None:
        """All that have come since the last time."""
        while letters:
            letter = letters.pop(0)
            self.seen += 1
            luck = self.chance.random()
            if luck < LOST_SHARE or self._first_of_its_kind(letter):
                self.lost.append(letter)
            elif luck < LOST_SHARE + SHUFFLED_SHARE:
                self.straying.append((self.seen + self.chance.randrange(1, STRAY_FOR), letter))
            else:
                await self._deliver(letter)
            await self._bring(self.seen)

    def _first_of_its_kind(self, letter: Letter) -> bool:
        """At least one of each of these shall be lost, however few there are on a slow machine."""
        return letter.topic in LOST_TOPICS - {each.topic for each in self.lost}

    async def bring_all(self) -> None:
        await self._bring(None)

    async def _bring(self, until: int | None) -> None:
        due = sorted((each for each in self.straying if until is None or each[0] <= until), key=lambda each: each[0])
        self.straying = [each for each in self.straying if each not in due]
        for _, letter in due:
            await self._deliver(letter)

    async def _deliver(self, letter: Letter) -> None:
        assert await self.running.postbox.deliver(letter) == 200
        self.told.append(letter)
        self.told_at.append(datetime.now(UTC))

    def was_told(self, since: datetime) -> None:
        """What went by without being held: events may be made and edited in the same second."""
        told = [letter for letter in self.running.postbox.letters if moment(letter) >= since]
        self.told += told
        self.told_at += [datetime.now(UTC)] * len(told)

    def told_after(self, at: datetime) -> list[Letter]:
        return [letter for letter, told_at in zip(self.told, self.told_at, strict=True) if told_at >= at]


async def traffic(running: Running, chance: random.Random, products: list[Json], seconds: float) -> set[int]:
    """What merchants and buyers do, and in the end one thing to each product; returns the ids that it touched."""
    living, touched = list(products), {product["id"] for product in products}
    ends, places = time.monotonic() + seconds, await running.shop.locations()
    number = 0
    while time.monotonic() < ends:
        number += 1
        if number % 20 == 0:
            living.append(await made(running, f"New {number}"))
            touched.add(living[-1]["id"])
        elif number % 12 == 0 and len(living) > PRODUCTS // 2:
            await running.shop.delete(living.pop(chance.randrange(len(living)))["id"])
        else:
            await edit(running, chance, chance.choice(living), places, number)
        await asyncio.sleep(PAUSE)
    for product in living:
        number += 1
        await edit(running, chance, product, places, number)
    return touched


async def edit(running: Running, chance: random.Random, product: Json, places: list[int], number: int) -> None:
    variant = chance.choice(product["variants"])["id"]
    match chance.randrange(4):
        case 0:
            await running.shop.edit(product["id"], title=f"Edit {number}")
        case 1:
            await running.shop.edit(product["id"], tags=[f"edit-{number}"], body_html=f"<p>{number}</p>")
        case 2:
            await running.shop.edit(product["id"], variants=[{"id": variant, "price": f"{number}.00"}])
        case _:
            await running.shop.stock(variant, number, chance.choice(places))


async def made(running: Running, title: str) -> Json:
    places = {str(place): 50 for place in await running.shop.locations()}
    tickets = [{"title": name, "price": "25.00", "quantities": places} for name in ("Standing", "Seated")]
    return await running.shop.create(title, tickets)


async def disturbed(running: Running, seconds: float, seed: int) -> tuple[Post, set[int]]:
    """Traffic whose webhooks are lost and shuffled, and a reconcile in the midst of it.

    At the end everything that was not lost has settled, no reconcile is under way, and none is due for minutes.
    """
    began, chance = datetime.now(UTC), random.Random(seed)  # noqa: S311 (luck, not secrets)
    products = [await made(running, f"Event {number}") for number in range(PRODUCTS)]
    await running.settled()
    await running.shop.turn(inventory_bumps_product=False)  # else the webhook of its product heals a sale
    post, silent = Post(running, chance), await made(running, UNHEARD)
    await running.settled()
    post.was_told(began)
    with running.postbox.holding() as letters:
        await unheard(post, letters, silent, tags=[UNHEARD])  # only the reconcile in the midst can mend it,
        editing = asyncio.create_task(traffic(running, chance, products, seconds))
        comparing = asyncio.create_task(in_the_midst(running, post))
        while not (editing.done() and comparing.done()):
            await post.pass_on(letters)
            await asyncio.wait({editing, comparing}, timeout=PAUSE)
        await running.shop.flush()
        await post.pass_on(letters)
        await post.bring_all()
        await unheard(post, letters, silent, title="Never told")  # and only one after it this
    await comparing
    await running.settled()
    return post, {*await editing, silent["id"]}


async def unheard(post: Post, letters: list[Letter], product: Json, **fields: Any) -> None:
    """An edit of which nobody is told, whatever else is lost by chance or mended early on a slow machine."""
    await post.running.shop.edit(product["id"], **fields)
    await post.running.shop.flush()
    post.lost += letters
    letters.clear()


async def in_the_midst(running: Running, post: Post) -> None:
    """A reconcile, as the schedule may ask for one at any moment."""
    _: bool = await eventually(lambda: post.seen >= MIDST, GRACE_WITHIN, saying=f"{MIDST} letters")
    await reconciled(running, datetime.now(UTC))


def deletes(letters: Iterable[Letter]) -> dict[int, datetime]:
    """What they say was deleted, and when."""
    return {orjson.loads(each.body)["id"]: moment(each) for each in letters if each.topic == "products/delete"}


async def reconciled(running: Running, until: datetime) -> list[Json]:
    """The reports of windows, one after the other, until one has compared everything up to `until`."""
    reports: list[Json] = []

    async def compared() -> bool:
        reports.append((await carried_out(running, "reconcile", "window"))["report"])
        return datetime.fromisoformat(reports[-1]["window"][1]) >= until

    _: bool = await eventually(compared, GRACE_WITHIN, saying=f"everything up to {until} compared")
    return reports


async def lost_and_repaired(running: Running, seconds: float, seed: int) -> None:
    began = datetime.now(UTC)
    post, touched = await disturbed(running, seconds, seed)
    ended = datetime.now(UTC)
    assert {letter.topic for letter in post.lost} >= LOST_TOPICS
    wrong = await running.checker.differences(touched)
    assert wrong, "nothing that was lost was missed"

    reports = await reconciled(running, ended)

    await running.equal(touched)
    rows = await drift(running, began, touched)
    early, rest = ([row for row in rows if (row["found_at"] < ended) is then] for then in (True, False))
    assert fields_of(wrong) == {(row["event_id"], str(row["ticket_id"] or ""), row["field"]) for row in rest}
    assert sum(report["repaired"] for report in reports) == len({row["event_id"] for row in rest})
    assert UNHEARD in str([row["theirs"] for row in early]), "the reconcile in the midst of it mended nothing"
    for row in rest:
        assert row["cause"] in ("missed", "tie"), row
        assert row["since"] or not is_gone(row), row
    for row in rows:
        explained(row, post, began)


def is_gone(row: Json) -> bool:
    """The event had been deleted."""
    return bool(row["field"] == "event" and row["theirs"] is None)


def explained(row: Json, post: Post, began: datetime) -> None:
    """A webhook about it was lost, or came later; where it is called a tie, another one of the same second had come."""
    untold = post.told if row["cause"] == "late" else [*post.lost, *post.told_after(row["found_at"])]
    untold, told = ([letter for letter in letters if about(letter, row)] for letters in (untold, post.told))
    assert untold or row["is_stock"], f"all about event {row['event_id']} had been told: {row}"
    assert row["cause"] in ("missed", "late", "tie"), row
    assert row["since"] is None or row["since"].timestamp() >= int(began.timestamp()), row
    if row["cause"] == "tie":
        assert seconds_of(told) & seconds_of(untold) or row["is_stock"], row
    if is_gone(row) and row["since"] is not None:
        assert abs((row["since"] - deletes(untold)[row["event_id"]]).total_seconds()) < REPORTED_LATE, row


def about(letter: Letter, row: Json) -> bool:
    said = orjson.loads(letter.body)
    if row["is_stock"]:
        return "inventory_item_id" in said and letter.topic.startswith("inventory_levels/")
    return letter.about_product and said["id"] == row["event_id"]


def seconds_of(letters: Iterable[Letter]) -> set[str]:
    return {said["updated_at"] for letter in letters if "updated_at" in (said := orjson.loads(letter.body))}


def moment(letter: Letter) -> datetime:
    return datetime.fromisoformat(letter.headers["x-shopify-triggered-at"])


async def drift(running: Running, since: datetime, event_ids: set[int]) -> list[Json]:
    statement = "SELECT * FROM drift WHERE found_at >= $1 AND event_id = ANY ($2) ORDER BY id"
    return [dict(row) for row in await running.sql(statement, since, list(event_ids))]


def fields_of(wrong: Iterable[Difference]) -> set[Field]:
    """What a report must name for these differences, as organizers read them."""
    found: dict[Field, Difference] = {}
    stocked: set[tuple[int, str]] = set()
    for each in wrong:
        if each.where != "organizers":
            continue
        for ticket, name in named(each):
            if name == "available":
                stocked.add((each.event_id, ticket))
            found[each.event_id, ticket, name] = each
    # Where a ticket's sum differs, that says it; its locations are named where only they differ.
    return {key for key in found if not (key[2] == "locations" and (key[0], key[1]) in stocked)}


def named(each: Difference) -> list[tuple[str, str]]:
    """(ticket, field) as the drift report has it."""
    if each.field == "status code":
        return [("", "event")]
    if each.field.startswith("tickets (ids"):
        extra = set(each.ours) ^ set(each.theirs)
        return [(ticket, "tickets") for ticket in extra]
    of_ticket = re.fullmatch(r"tickets\[(\d+)\]\.(\w+).*", each.field)
    if of_ticket is None:
        return [] if each.field in DERIVED else [("", each.field)]
    ticket, name = of_ticket.groups()
    if each.ours is None and each.field.endswith(UNSAID):
        return []
    return [] if name in DERIVED_OF_TICKETS else [(ticket, name)]


async def test_a_fifth_lost_and_a_fifth_shuffled_is_repaired_and_each_field_is_named(
    running: Running,
) -> None:
    await lost_and_repaired(running, seconds=5.0, seed=1)


@pytest.mark.bench
async def test_a_minute_of_it_is_repaired_as_well(running: Running) -> None:
    await lost_and_repaired(running, seconds=60.0, seed=2)


async def test_nothing_lost_is_no_drift_though_webhooks_are_shuffled_and_edits_go_on(running: Running) -> None:
    began = datetime.now(UTC)
    chance = random.Random(3)  # noqa: S311 (made-up edits)
    products = [await made(running, f"Event {number}") for number in range(FEW)]
    await running.shop.turn(webhook_reorder_window=0.5)
    editing = asyncio.create_task(traffic(running, chance, products, 3.0))
    while not editing.done():
        await carried_out(running, "reconcile", "window")
        await asyncio.wait({editing}, timeout=0.5)
    touched = await editing
    await running.shop.flush()
    await running.equal(touched)
    assert await drift(running, began, touched) == []
