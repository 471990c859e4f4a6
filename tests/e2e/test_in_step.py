"""In step with a shop of a thousand events: read whole, while it lives, while we die, within what Shopify allows."""

import asyncio
import random
import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest
from repairs import ask, carried_out, ended, meanwhile, run_row
from whole_system import Running, whole_system
from witness import readers

EVENTS = 1000
DEATHS = 10
READ = 12  # events that somebody reads all the time
UNTOUCHED = 60  # events that are compared besides
PAUSE = 0.2  # seconds between two edits: each may cost a read, and the shop has 100 points a second


@pytest.fixture(scope="module")
async def thousand() -> AsyncIterator[Running]:
    with tempfile.TemporaryDirectory(prefix="understudy-tests-") as directory:
        async with whole_system(Path(directory), events=EVENTS) as running:
            yield running


@pytest.fixture
async def shop(thousand: Running) -> Running:
    await thousand.mend()
    return thousand


async def live_traffic(running: Running, seed: int, touched: set[int]) -> None:
    """Edits and sales, as they come, until it is cancelled; `touched` are the events they were of."""
    chance = random.Random(seed)  # noqa: S311 (made-up edits)
    products = await running.shop.truth()
    while True:
        product = chance.choice(products)
        touched.add(product["id"])
        if chance.random() < 0.5:
            await running.shop.edit(product["id"], title=f"{product['title']} {chance.randrange(1000)}")
        else:
            with suppress(httpx2.HTTPStatusError):  # it is sold out
                await running.shop.sell(chance.choice(product["variants"])["id"])
        await asyncio.sleep(PAUSE)


async def equal_where_it_matters(running: Running, touched: set[int]) -> None:
    """What was touched, and some that were not: to compare all takes ten seconds each time."""
    rows = await running.sql("SELECT id FROM events ORDER BY md5(id::text) LIMIT $1", UNTOUCHED)
    await running.equal(touched | {row["id"] for row in rows})


async def test_a_shop_that_was_read_for_the_first_time_equals_shopify_field_by_field(shop: Running) -> None:
    await shop.equal()


async def test_a_backfill_under_live_webhooks_ends_equal_to_shopify(shop: Running) -> None:
    async with meanwhile(live_traffic(shop, 1, touched := set())):
        report = (await carried_out(shop, "backfill"))["report"]
    await equal_where_it_matters(shop, touched)
    assert report["products"] >= EVENTS


async def test_a_syncer_killed_ten_times_ends_its_backfill_complete_and_no_revision_goes_back(shop: Running) -> None:
    chance = random.Random(2)  # noqa: S311 (moments)
    await shop.shop.turn(bulk_seconds=0.3)
    active = [p["id"] for p in await shop.shop.truth() if p["status"] == "ACTIVE"][:READ]
    interrupted = 0
    async with readers(shop, active) as witness, meanwhile(live_traffic(shop, 3, touched := set())):
        run_id = await ask(shop, "backfill")
        for _ in range(DEATHS):
            await asyncio.sleep(chance.uniform(0.1, 1.2))  # part of the disturbance: nothing is waited for
            await shop.kill(shop.process("syncer"))
            interrupted += (await run_row(shop, run_id))["state"] == "running"
            run_id = await ask(shop, "backfill")
            await shop.restart(shop.process("syncer"))
        row = await ended(shop, run_id)
    assert row["state"] == "succeeded", row["error"]
    assert interrupted >= DEATHS // 2, "hardly a backfill was under way when the syncer died"
    await shop.settled(within=60.0)
    await equal_where_it_matters(shop, touched)
    witness.never_went_back(active)


async def test_backfill_reconcile_and_refetches_at_once_are_never_throttled(shop: Running) -> None:
    before = (await shop.shop.state())["throttled"]
    async with meanwhile(live_traffic(shop, 4, touched := set())):
        await asyncio.gather(carried_out(shop, "backfill"), carried_out(shop, "reconcile", "whole"))
    await shop.settled(within=60.0)
    assert (await shop.shop.state())["throttled"] == before
    await equal_where_it_matters(shop, touched)


async def test_a_limit_cut_in_half_on_the_way_is_followed(shop: Running) -> None:
    before = (await shop.shop.state())["throttled"]
    async with meanwhile(live_traffic(shop, 5, touched := set())):
        works = asyncio.gather(carried_out(shop, "backfill"), carried_out(shop, "reconcile", "whole"))
        await asyncio.sleep(0.5)
        await shop.shop.turn(bucket_size=1000, restore_rate=50)
        await works
    await shop.settled(within=60.0)
    assert (await shop.shop.state())["throttled"] - before < 3
    await equal_where_it_matters(shop, touched)
