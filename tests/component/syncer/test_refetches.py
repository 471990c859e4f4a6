"""The table of what must be read from Shopify: no question is lost, none is asked twice at once."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from products import ITEM, PRODUCT, SHOP, START, Product, Variant, at, by_read, level, node
from waiting import eventually

from shared.bus import BusUnavailable
from shared.contracts import Contract, Origin, ProductChangedV1, ProductDeletedV1
from shared.errors import Permanent
from shared.postgres import transaction
from shared.shopify.errors import ShopifyUnavailable
from shared.shopify.products import ReadProduct
from syncer import refetcher as module
from syncer.refetcher import MAX_PUT_OFFS, ON_CHANGE, SQL, Refetcher, doubts
from syncer.store import want

RESOURCES = list(ON_CHANGE.resources)
GRACE = 30.0


@dataclass
class Shopify:
    """What a reader answers; an error is raised. `gate` holds reads up, `clock` is when they begin."""

    answers: dict[int, dict[str, Any] | Exception | None] = field(default_factory=dict)
    items: dict[int, int | None] = field(default_factory=dict)
    reads: list[int] = field(default_factory=list)
    gate: asyncio.Event | None = None
    clock: datetime = START
    ahead: float = 0.0  # seconds that its clock is ahead of ours

    async def product(self, product_id: int) -> ReadProduct:
        self.reads.append(product_id)
        if self.gate is not None:
            await self.gate.wait()
        answer = self.answers.get(product_id)
        if isinstance(answer, Exception):
            raise answer
        return ReadProduct(answer, self.clock, self.clock + timedelta(seconds=self.ahead))

    async def product_of_item(self, item_id: int) -> int | None:
        return self.items.get(item_id)


@dataclass
class Bus:
    said: list[Contract] = field(default_factory=list)
    away: bool = False

    async def publish(self, message: Contract) -> bool:
        if self.away:
            raise BusUnavailable
        self.said.append(message)
        return True


@pytest.fixture
def shopify() -> Shopify:
    return Shopify({PRODUCT: node(Product())})


@pytest.fixture
def bus() -> Bus:
    return Bus()


@pytest.fixture
def refetcher(pool, shopify, bus) -> Refetcher:
    return Refetcher(pool, shopify, bus, SHOP)


async def ask(pool, resource="product", resource_id=PRODUCT, reason="tie", seen=5.0, delay=0.0):
    async with transaction(pool) as connection:
        await want(connection, resource, resource_id, reason, at(seen), delay)


async def take(pool, most=8, seconds=60.0):
    async with transaction(pool) as connection:
        return [row["id"] for row in await connection.fetch(SQL.take_due, RESOURCES, most, seconds)]


async def test_an_answer_goes_out_as_a_change_and_the_question_is_gone(books, pool, refetcher, shopify, bus):
    shopify.clock = at(50)
    await ask(pool)
    assert await refetcher.step() is False
    [said] = bus.said
    assert isinstance(said, ProductChangedV1)
    assert (said.origin, said.triggered_at) == (Origin.REFETCH, at(50))
    assert await books.wanted() == {}


async def test_an_answer_is_newer_than_what_was_seen_even_if_our_clock_is_behind(pool, refetcher, shopify, bus):
    shopify.clock = at(-3600)
    await ask(pool, seen=5.5)
    await refetcher.step()
    assert bus.said[0].triggered_at > at(5.5)


async def test_a_product_that_is_not_there_is_a_deletion(pool, refetcher, shopify, bus):
    shopify.answers[PRODUCT] = None
    await ask(pool)
    await refetcher.step()
    assert isinstance(bus.said[0], ProductDeletedV1)
    assert bus.said[0].origin is Origin.REFETCH


async def test_a_hundred_questions_about_one_product_are_one_read(pool, refetcher, shopify):
    for seen in range(100):
        await ask(pool, seen=seen)
    await refetcher.step()
    await refetcher.step()
    assert shopify.reads == [PRODUCT]


async def test_the_newest_moment_that_was_known_is_kept_and_the_earliest_date(books, pool):
    await ask(pool, seen=9, delay=0.0)
    await ask(pool, seen=5, delay=60.0)
    row = await books.row("SELECT seen_at, due_at <= now() AS due FROM refetches")
    assert (row["seen_at"], row["due"]) == (at(9), True)


async def test_what_is_asked_for_while_it_is_read_is_read_once_more(books, pool, refetcher, shopify):
    shopify.gate = asyncio.Event()
    await ask(pool)
    reading = asyncio.create_task(refetcher.step())
    await eventually(lambda: shopify.reads)
    await ask(pool, seen=7)
    assert await take(pool) == []
    shopify.gate.set()
    await reading
    assert await books.wanted() == {("product", PRODUCT): "tie"}
    await refetcher.step()
    assert shopify.reads == [PRODUCT, PRODUCT]
    assert await books.wanted() == {}


async def test_what_is_not_due_waits(pool, refetcher, shopify):
    await ask(pool, delay=60.0)
    await refetcher.step()
    assert shopify.reads == []


async def test_two_replicas_never_read_the_same_at_once(pool):
    for product_id in range(1, 41):
        await ask(pool, resource_id=product_id)
    taken = await asyncio.gather(*(take(pool) for _ in range(5)))
    assert sorted(each for some in taken for each in some) == list(range(1, 41))


async def test_rows_that_another_replica_holds_are_skipped_not_waited_for(pool):
    await ask(pool, resource_id=1)
    await ask(pool, resource_id=2)
    async with transaction(pool) as connection:
        await connection.fetch("SELECT 1 FROM refetches WHERE id = 1 FOR UPDATE")
        async with asyncio.timeout(2):
            assert await take(pool) == [2]


async def test_what_a_dead_replica_had_taken_is_taken_again(pool):
    await ask(pool)
    assert await take(pool, seconds=0.0) == [PRODUCT]
    assert await eventually(lambda: take(pool, seconds=60.0)) == [PRODUCT]
    assert await take(pool) == []


async def test_while_shopify_is_away_questions_wait_longer_each_time(books, pool, refetcher, shopify, bus):
    shopify.answers[PRODUCT] = ShopifyUnavailable("away", may_have_happened=False)
    await ask(pool)
    delays = []
    for _ in range(4):
        await refetcher.step()
        row = await books.row(
            "SELECT extract(epoch FROM due_at - now())::float8 AS delay, error, taken_until FROM refetches"
        )
        delays.append(row["delay"])
        assert "ShopifyUnavailable" in row["error"]
        assert row["taken_until"] is None
        await books.rows("UPDATE refetches SET due_at = now() RETURNING id")
    assert delays == sorted(delays)
    assert delays[-1] <= module.MAX_DELAY
    shopify.answers[PRODUCT] = node(Product())
    await refetcher.step()
    assert (len(bus.said), await books.wanted()) == (1, {})


async def test_what_shopify_refuses_for_good_is_asked_rarely_and_holds_nobody_up(books, pool, refetcher, shopify, bus):
    shopify.answers[1] = Permanent("no")
    await ask(pool, resource_id=1)
    await ask(pool)
    await refetcher.step()
    assert [each.product_id for each in bus.said] == [PRODUCT]
    row = await books.row("SELECT id, extract(epoch FROM due_at - now())::float8 AS delay FROM refetches")
    assert row["id"] == 1
    assert row["delay"] > module.MAX_DELAY - 10


async def test_an_answer_that_the_bus_did_not_take_is_read_again(books, pool, refetcher, bus):
    bus.away = True
    await ask(pool)
    await refetcher.step()
    assert await books.wanted() == {("product", PRODUCT): "tie"}


async def test_a_read_that_hangs_is_broken_off(books, pool, refetcher, shopify, monkeypatch):
    monkeypatch.setattr(module, "READ_DEADLINE", 0.05)
    shopify.gate = asyncio.Event()
    await ask(pool)
    await refetcher.step()
    assert await books.wanted() == {("product", PRODUCT): "tie"}
    assert "Timeout" in (await books.row("SELECT error FROM refetches"))["error"]


async def test_an_unknown_item_leads_to_its_product(books, refetcher, shopify):
    shopify.items[ITEM] = PRODUCT
    await books.project(level(5, updated=1))
    await books.rows("UPDATE refetches SET due_at = now() RETURNING id")
    await refetcher.step()
    assert await books.wanted() == {("product", PRODUCT): "stranger"}
    await refetcher.step()
    assert shopify.reads == [PRODUCT]


async def test_an_item_whose_product_came_in_meanwhile_is_not_looked_for(books, refetcher, shopify):
    await books.project(level(5, updated=1), by_read(Product(updated=2)))
    await books.rows("UPDATE refetches SET due_at = now() RETURNING id")
    await refetcher.step()
    assert await books.wanted() == {}
    assert shopify.reads == []


async def test_an_item_that_shopify_does_not_have_any_more_is_forgotten(books, refetcher):
    await books.project(level(5, updated=1))
    await books.rows("UPDATE refetches SET due_at = now() RETURNING id")
    await refetcher.step()
    assert await books.wanted() == {}


# A lease


async def test_what_a_killed_syncer_was_reading_is_soon_read_by_another(pool, refetcher, shopify, monkeypatch):
    monkeypatch.setattr(module, "LEASE", 0.2)
    await ask(pool)
    await take(pool, seconds=module.LEASE)  # and then it was killed
    assert await take(pool) == []
    _: bool = await eventually(lambda: _steps_until_read(refetcher, shopify))
    assert shopify.reads == [PRODUCT]


async def _steps_until_read(refetcher, shopify) -> bool:
    await refetcher.step()
    return bool(shopify.reads)


async def test_a_long_read_keeps_its_lease(pool, refetcher, shopify, monkeypatch):
    monkeypatch.setattr(module, "LEASE", 0.4)
    monkeypatch.setattr(module, "RENEWAL", 0.05)
    shopify.gate = asyncio.Event()
    await ask(pool)
    reading = asyncio.create_task(refetcher.step())
    began = asyncio.get_running_loop().time()

    async def longer_than_a_lease() -> bool:
        if shopify.reads:
            assert await take(pool) == [], "another replica took it"
        return asyncio.get_running_loop().time() > began + 3 * module.LEASE

    try:
        _: bool = await eventually(longer_than_a_lease)
    except AssertionError:
        pytest.fail("another replica took what is being read")
    finally:
        shopify.gate.set()
        await reading


# Doubts


@pytest.fixture
def doubter(pool, shopify, bus) -> Refetcher:
    return Refetcher(pool, shopify, bus, SHOP, doubts(GRACE))


async def doubted(books) -> dict[str, Any]:
    return await books.row("SELECT put_off, extract(epoch FROM due_at - now())::float8 AS delay FROM refetches")


async def test_what_a_reconcile_doubts_is_read_as_its_own_and_apart_from_what_changes_ask_for(
    books, pool, refetcher, doubter, shopify, bus
):
    shopify.clock = at(500)
    await ask(pool, reason="tie")
    await ask(pool, "doubt", reason="reconcile")
    await refetcher.step()
    assert [said.origin for said in bus.said] == [Origin.REFETCH]
    assert await books.wanted() == {("doubt", PRODUCT): "reconcile"}
    await doubter.step()
    assert [said.origin for said in bus.said] == [Origin.REFETCH, Origin.RECONCILE]
    assert await books.wanted() == {}


async def test_a_doubted_product_that_is_gone_is_an_absence_of_the_reconcile(pool, doubter, shopify, bus):
    shopify.answers[PRODUCT] = None
    await ask(pool, "doubt", reason="reconcile")
    await doubter.step()
    [said] = bus.said
    assert isinstance(said, ProductDeletedV1)
    assert said.origin is Origin.RECONCILE


@pytest.mark.parametrize("what", ["the product", "its stock"])
async def test_what_was_edited_just_now_is_no_evidence_and_is_looked_at_again(what, books, pool, doubter, shopify, bus):
    lately = 500
    stocked = Variant(levels_updated=lately if what == "its stock" else 0)
    shopify.answers[PRODUCT] = node(Product(updated=lately if what == "the product" else 0, variants=(stocked,)))
    shopify.clock = at(lately + 10)
    await ask(pool, "doubt", reason="reconcile")
    await doubter.step()
    assert bus.said == []
    row = await doubted(books)
    assert row["put_off"] == 1
    assert GRACE - 10 < row["delay"] <= GRACE - 10 + 1
    await books.rows("UPDATE refetches SET due_at = now() RETURNING id")
    shopify.clock = at(lately + GRACE + 1)
    await doubter.step()
    assert [said.origin for said in bus.said] == [Origin.RECONCILE]


async def test_what_never_stops_being_edited_is_repaired_in_the_end_and_counts_as_no_drift(
    books, pool, doubter, shopify, bus
):
    shopify.answers[PRODUCT] = node(Product(updated=500))
    shopify.clock = at(500)
    await ask(pool, "doubt", reason="reconcile")
    for _ in range(MAX_PUT_OFFS + 1):
        await doubter.step()
        await books.rows("UPDATE refetches SET due_at = now() RETURNING id")
    assert [said.origin for said in bus.said] == [Origin.REFETCH]
    assert await books.wanted() == {}


async def test_how_old_it_is_is_told_by_shopifys_clock(pool, doubter, shopify, bus):
    shopify.answers[PRODUCT] = node(Product(updated=500))
    shopify.clock, shopify.ahead = at(500 + 3600), -3600  # ours is an hour ahead of theirs
    await ask(pool, "doubt", reason="reconcile")
    await doubter.step()
    assert bus.said == []
