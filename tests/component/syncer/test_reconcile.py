"""A reconcile finds what no webhook told, repairs it, and says what it was, since when and why; and nothing else."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from shop_control import metafield
from stage import RULES, TICKETS, Stage, complete, is_about, next_second, staged
from waiting import eventually

from shared.postgres import transaction
from shared.shopify import Answer, ShopifyClient
from syncer.reconcile import window as window_module
from syncer.reconcile.doubts import Doubts
from syncer.reconcile.listing import Listing, SearchMisread
from syncer.reconcile.schedule import Schedule
from syncer.reconcile.windows import Window
from syncer.rules import Rules
from syncer.store import want

Open = Callable[..., Awaitable[Stage]]


@pytest.fixture
async def open_stage(pool: "asyncpg.Pool[asyncpg.Record]") -> AsyncIterator[Open]:
    async with AsyncExitStack() as stack:
        yield lambda **options: stack.enter_async_context(staged(pool, **options))


# What was lost


async def test_lost_edits_creates_and_deletes_are_found_repaired_and_named(open_stage):
    stage = await open_stage()
    kept, edited, gone = [await stage.shop.create(title, TICKETS) for title in ("Kept", "Edited", "Gone")]
    await stage.backfill()
    await next_second()
    await stage.shop.edit(
        edited["id"], title="Edited Late", tags=["late"], metafields=[metafield("event.subtitle", "New")]
    )
    await stage.shop.delete(gone["id"])
    new = await stage.shop.create("New", TICKETS)
    await stage.lose()
    run = await stage.reconcile()
    assert await stage.named() == {
        (edited["id"], "title"): "missed",
        (edited["id"], "tags"): "missed",
        (edited["id"], "subtitle"): "missed",
        (gone["id"], "event"): "missed",
        (new["id"], "event"): "missed",
    }
    assert await stage.living() == {kept["id"]: "Kept", edited["id"]: "Edited Late", new["id"]: "New"}
    report = run["report"]
    assert (report["repaired"], report["deleted"]) == (3, 1)
    assert report["drift"] == {"missed": 5, "late": 0, "truncated": 0, "tie": 0}
    for row in await stage.drift():
        assert row["run_id"] == run["id"]
        assert row["since"] is not None
        assert abs(row["found_at"] - row["since"]) < timedelta(seconds=10)
    [title] = [row for row in await stage.drift() if row["field"] == "title"]
    assert (title["ours"], title["theirs"]) == ("Edited", "Edited Late")
    again = (await stage.reconcile())["report"]
    assert (again["repaired"], sum(again["drift"].values())) == (0, 0)
    assert len(await stage.drift()) == 5


@pytest.mark.parametrize("bumps", [True, False])
async def test_lost_sales_are_found_whether_or_not_they_bump_the_product(open_stage, bumps):
    stage = await open_stage(inventory_bumps_product=bumps)
    product = await stage.shop.create("Jazz", TICKETS)
    [variant] = product["variants"]
    await stage.backfill()
    await next_second()
    await stage.shop.sell(variant["id"], 7)
    await stage.lose()
    await stage.reconcile()
    [row] = await stage.drift()
    assert (row["ticket_id"], row["field"], row["ours"], row["theirs"]) == (variant["id"], "available", 100, 93)
    assert (row["cause"], row["is_stock"]) == ("missed", True)


async def test_stock_that_was_taken_off_a_location_is_found(open_stage):
    stage = await open_stage(inventory_bumps_product=False)
    places = await stage.shop.locations()
    tickets = [{"title": "Standing", "price": "25.00", "quantities": dict.fromkeys(map(str, places[:2]), 10)}]
    product = await stage.shop.create("Jazz", tickets)
    await stage.backfill()
    await next_second()
    await stage.shop.stock(product["variants"][0]["id"], None, places[1])
    await stage.lose()
    await stage.reconcile()
    [row] = await stage.drift()
    assert (row["field"], row["ours"], row["theirs"], row["cause"]) == ("available", 20, 10, "missed")


async def test_an_edit_lost_within_the_second_of_one_that_was_told_is_a_tie(open_stage):
    stage = await open_stage()
    product = await stage.shop.create("Jazz", TICKETS)
    await stage.backfill()
    await next_second()
    first = await stage.shop.edit(product["id"], title="Blues")
    await stage.deliver_all()
    await complete(stage, product["id"])
    second = await stage.shop.edit(product["id"], title="Soul")
    assert first["updated_at"] == second["updated_at"], "the second was over"
    await stage.lose()
    await stage.reconcile()
    assert await stage.named() == {(product["id"], "title"): "tie"}


async def test_tickets_that_a_webhook_had_no_room_for_are_truncated(open_stage):
    stage = await open_stage()
    await stage.backfill()
    tickets = [{"title": f"Row {n}", "price": "25.00", "quantity": 5} for n in range(103)]
    product = await stage.shop.create("Big", tickets)
    await stage.deliver_all()
    await stage.sql("DELETE FROM refetches RETURNING id")  # the read that completes it was lost, too
    await stage.sql("UPDATE events SET synced_at = synced_at - interval '1 hour' RETURNING id")
    await stage.reconcile()
    rows = await stage.drift()
    assert {row["cause"] for row in rows} == {"truncated"}
    assert {row["ticket_id"] for row in rows if row["field"] == "tickets"} == {
        variant["id"] for variant in product["variants"][100:]
    }


async def test_an_incomplete_event_that_is_about_to_be_read_is_left_to_that(open_stage):
    stage = await open_stage()
    await stage.backfill()
    product = await stage.shop.create("Jazz", [TICKETS[0] | {"metafields": [metafield("ticket.type", "vip")]}])
    await stage.deliver_all()
    await next_second()
    async with transaction(stage.pool) as connection:  # and it comes late
        await want(connection, "product", product["id"], "tickets", datetime.now(UTC), 60.0)
    await stage.sql("UPDATE events SET source_version[2] = source_version[2] + interval '1 minute' RETURNING id")
    await stage.reconcile()
    assert await stage.drift() == []


# What was not lost


async def test_nothing_lost_is_no_drift(open_stage):
    stage = await open_stage()
    products = [await stage.shop.create(f"Jazz {number}", TICKETS) for number in range(5)]
    await stage.backfill()
    await next_second()
    await stage.shop.edit(products[0]["id"], title="Blues")
    await stage.shop.sell(products[1]["variants"][0]["id"], 3)
    await stage.shop.delete(products[2]["id"])
    await stage.shop.create("New", TICKETS)
    await stage.deliver_all()
    for product_id in await stage.living():
        await complete(stage, product_id)
    report = (await stage.reconcile())["report"]
    assert await stage.drift() == []
    assert (report["repaired"], report["deleted"]) == (0, 0)
    assert report["checked"] > 0


async def test_live_traffic_is_no_drift_though_its_webhooks_are_under_way(open_stage):
    stage = await open_stage(grace=1.0)
    products = [await stage.shop.create(f"Jazz {number}", TICKETS) for number in range(3)]
    await stage.backfill()
    # Of each something was missed, so that each is doubted and read, while webhooks of other edits are under way.
    await next_second()
    for product in products:
        await stage.shop.edit(product["id"], title="Missed")
    await stage.lose()
    ends = asyncio.get_running_loop().time() + 3.0

    async def traffic() -> None:
        number = 0
        while asyncio.get_running_loop().time() < ends:
            number += 1
            for product in products:
                await stage.shop.edit(product["id"], tags=[f"edit-{number}"])
                await stage.shop.sell(product["variants"][0]["id"])
            await asyncio.sleep(0.1)  # as long as these webhooks are under way
            await stage.deliver_all()

    editing = asyncio.create_task(traffic())
    await asyncio.sleep(1.5)  # the grace of what was missed
    await stage.reconcile()
    await editing
    assert not [row for row in await stage.drift() if row["field"] in ("tags", "available")]


async def test_products_that_are_no_events_are_not_read(open_stage):
    stage = await open_stage(rules=Rules(product_types=frozenset({"concert"})))
    await stage.backfill()
    await stage.shop.create("Mug", TICKETS, product_type="kitchen")
    await stage.lose()
    listing = Listing(stage.client, Rules(product_types=frozenset({"concert"})))
    now = datetime.now(UTC)
    [page] = [page async for page in listing.products(Window(now - timedelta(minutes=1), now + timedelta(minutes=1)))]
    assert [each.may_be_event for each in page] == [False]
    assert await Doubts(stage.pool).listed(page) == 0
    await stage.reconcile()
    assert await stage.living() == {}
    assert await stage.drift() == []


# What comes after all


async def test_a_webhook_that_comes_after_the_repair_turns_missed_into_late(open_stage):
    stage = await open_stage()
    product = await stage.shop.create("Jazz", TICKETS)
    other = await stage.shop.create("Other", TICKETS)
    await stage.backfill()
    await next_second()
    await stage.shop.edit(product["id"], title="Blues")
    await stage.shop.edit(other["id"], title="Another")
    await stage.shop.sell(product["variants"][0]["id"], 1)
    lost = await stage.lose()
    await stage.reconcile()
    assert set((await stage.named()).values()) == {"missed"}
    await stage.deliver(*(letter for letter in lost if is_about(letter, product["id"])))
    assert await stage.named() == {
        (product["id"], "title"): "late",
        (product["id"], "available"): "missed",
        (other["id"], "title"): "missed",
    }
    await stage.deliver(*(letter for letter in lost if letter.topic == "inventory_levels/update"))
    assert (await stage.named())[product["id"], "available"] == "late"


async def test_a_deletion_that_is_told_after_the_repair_was_late(open_stage):
    stage = await open_stage()
    product = await stage.shop.create("Jazz", TICKETS)
    await stage.backfill()
    await next_second()
    await stage.shop.delete(product["id"])
    lost = await stage.lose()
    await stage.reconcile()
    await stage.deliver(*lost)
    assert await stage.named() == {(product["id"], "event"): "late"}


async def test_an_old_webhook_that_comes_again_makes_nothing_late(open_stage):
    stage = await open_stage()
    product = await stage.shop.create("Jazz", TICKETS)
    old = await stage.lose()
    await stage.backfill()
    await next_second()
    await stage.shop.edit(product["id"], title="Blues")
    await stage.lose()
    await stage.reconcile()
    await stage.deliver(*old)
    assert await stage.named() == {(product["id"], "title"): "missed"}


# The search


async def test_what_the_search_index_did_not_show_yet_is_found_by_the_next_window(open_stage):
    stage = await open_stage()
    await stage.backfill()
    await stage.shop.turn(search_lag=60.0)
    new = await stage.shop.create("New", TICKETS)
    await stage.lose()
    await stage.reconcile()
    assert await stage.drift() == []
    await stage.shop.turn(search_lag=0.0)
    await stage.reconcile()
    assert await stage.named() == {(new["id"], "event"): "missed"}


class Unquoted(Window):
    """As one would write it who has not read docs/shopify.md 2.6."""

    def query(self, field: str) -> str:
        return super().query(field).replace("'", "")


async def test_a_search_that_shopify_read_otherwise_is_an_error_not_an_empty_list(open_stage):
    stage = await open_stage()
    now = datetime.now(UTC).replace(microsecond=0)
    listing = Listing(stage.client, RULES)
    with pytest.raises(SearchMisread, match="updated_at"):
        [page async for page in listing.products(Unquoted(now, now))]


async def test_more_than_can_be_paged_through_is_listed_by_halves(open_stage, monkeypatch):
    monkeypatch.setattr("syncer.reconcile.listing.DEPTH", 4)
    monkeypatch.setattr("syncer.reconcile.listing.PAGE", 2)
    stage = await open_stage()
    began = datetime.now(UTC).replace(microsecond=0)
    made = set()
    for _ in range(2):
        made |= {(await stage.shop.create("Jazz", TICKETS))["id"] for _ in range(3)}
        await next_second()
    listing = Listing(SmallPages(stage.client), RULES)  # type: ignore[arg-type]
    found = [each async for page in listing.products(Window(began, began + timedelta(seconds=10))) for each in page]
    assert {each.product_id for each in found} == made


@dataclass
class SmallPages:
    client: ShopifyClient

    async def execute(self, name: str, variables: Any = None, **more: Any) -> Answer:
        return await self.client.execute(name, (variables or {}) | {"products": 2}, **more)


# Too much, and nothing yet


async def test_a_window_with_too_many_doubts_becomes_a_whole_reconcile_and_counts_as_none(open_stage, monkeypatch):
    monkeypatch.setattr(window_module, "MANY", 2)
    stage = await open_stage()
    await stage.backfill()
    for number in range(3):
        await stage.shop.create(f"Jazz {number}", TICKETS)
    await stage.lose()
    report = (await stage.reconcile())["report"]
    assert report["window"] is None
    [whole] = await stage.sql("SELECT id, state FROM runs WHERE scope = 'whole'")
    assert (report["handed_over_to"], whole["state"]) == (whole["id"], "asked")
    assert await stage.sql("SELECT 1 FROM refetches") == []


async def test_before_anything_was_read_there_is_nothing_to_compare(open_stage):
    stage = await open_stage()
    run = await stage.runs.ask("reconcile", "window", asked_by="operator")
    await stage.runner.step()
    [row] = await stage.sql("SELECT state, error FROM runs WHERE id = $1", run)
    assert row["state"] == "failed"
    assert "backfill" in row["error"]


# When


async def test_reconciles_are_asked_for_when_they_are_due_and_not_before(open_stage):
    stage = await open_stage()
    schedule = Schedule(stage.pool, 300, 86_400)

    async def asked() -> list[str]:
        await asyncio.gather(*(schedule.step() for _ in range(4)))
        return [row["scope"] for row in await stage.sql("SELECT scope FROM runs WHERE kind = 'reconcile' ORDER BY id")]

    assert await asked() == []
    await stage.backfill()
    assert await asked() == []
    await stage.sql("UPDATE runs SET finished_at = finished_at - interval '6 minutes' RETURNING id")
    assert await asked() == ["window"]
    assert await asked() == ["window"]
    await stage.runner.step()
    assert await asked() == ["window"]
    await stage.sql("UPDATE runs SET started_at = started_at - interval '25 hours' RETURNING id")
    assert await asked() == ["window", "whole"]


async def test_a_backfill_that_could_not_project_everything_lets_reconciles_begin(open_stage):
    stage = await open_stage()
    schedule = Schedule(stage.pool, 300, 86_400)
    failed = (
        "UPDATE runs SET state = 'failed', error = $1, finished_at = finished_at - interval '6 minutes' RETURNING id"
    )
    await stage.backfill()
    await stage.sql(failed, "ExportTruncated: products are missing")
    await schedule.step()
    assert await stage.sql("SELECT scope FROM runs WHERE kind = 'reconcile'") == []
    await stage.sql(failed, "NotAllProjected: 1 products have no event: [7]")
    await schedule.step()
    assert await stage.sql("SELECT scope FROM runs WHERE kind = 'reconcile'") == [{"scope": "window"}]
    assert (await stage.reconcile())["state"] == "succeeded"


# Whole


async def test_a_whole_reconcile_finds_what_no_window_shows(open_stage):
    """However long ago it was: an edit, a sale, a deletion, a product that nobody told of."""
    stage = await open_stage(inventory_bumps_product=False)
    products = [await stage.shop.create(title, TICKETS) for title in ("Kept", "Edited", "Gone", "Sold")]
    kept, edited, gone, sold = products
    await stage.backfill()
    await next_second()
    await stage.shop.edit(edited["id"], title="Edited Late")
    await stage.shop.delete(gone["id"])
    await stage.shop.sell(sold["variants"][0]["id"], 7)
    new = await stage.shop.create("New", TICKETS)
    await stage.lose()
    report = (await stage.reconcile("whole"))["report"]
    assert await stage.named() == {
        (edited["id"], "title"): "missed",
        (gone["id"], "event"): "missed",
        (sold["id"], "available"): "missed",
        (new["id"], "event"): "missed",
    }
    assert set(await stage.living()) == {kept["id"], edited["id"], sold["id"], new["id"]}
    assert (report["window"], report["repaired"], report["deleted"]) == (None, 4, 1)
    assert report["export"]["products"] == 4
    assert await stage.sql("SELECT 1 FROM export_parts") == []


async def test_a_whole_reconcile_of_what_is_equal_changes_nothing(open_stage):
    stage = await open_stage()
    for number in range(3):
        await stage.shop.create(f"Jazz {number}", TICKETS)
    await stage.backfill()
    before = await stage.sql("SELECT id, revision FROM events ORDER BY id")
    report = (await stage.reconcile("whole"))["report"]
    assert (report["repaired"], report["checked"]) == (0, 3)
    assert await stage.sql("SELECT id, revision FROM events ORDER BY id") == before
    assert await stage.drift() == []


async def test_a_whole_reconcile_names_what_no_message_can_hold(open_stage, monkeypatch):
    stage = await open_stage()
    product = await stage.shop.create("Jazz", TICKETS)
    await stage.backfill()
    monkeypatch.setattr("syncer.backfill.LARGEST", 10)
    assert (await stage.reconcile("whole"))["report"]["export"]["too_large"] == [product["id"]]


async def test_what_was_created_while_everything_was_exported_is_not_deleted(open_stage):
    stage = await open_stage(bulk_seconds=0.5)
    await stage.shop.create("Jazz", TICKETS)
    await stage.backfill()
    comparing = asyncio.create_task(stage.reconcile("whole"))
    await asyncio.sleep(0.2)  # part of the disturbance: it is being exported
    new = await stage.shop.create("New", TICKETS)
    await stage.deliver_all()
    await comparing
    assert new["id"] in await stage.living()
    assert await stage.drift() == []


async def test_what_was_edited_a_moment_before_the_export_is_no_drift(open_stage):
    stage = await open_stage(grace=1.0)
    product = await stage.shop.create("Jazz", TICKETS)
    await stage.backfill()
    await next_second()
    await stage.shop.edit(product["id"], title="Blues")
    comparing = asyncio.create_task(stage.reconcile("whole"))
    await asyncio.sleep(0.7)  # so long this webhook is on its way
    await stage.deliver_all()
    await comparing
    assert await stage.drift() == []
    assert await stage.living() == {product["id"]: "Blues"}


async def test_a_reconcile_that_was_interrupted_goes_on_reading_and_lists_nothing_again(open_stage, monkeypatch):
    stage = await open_stage()
    product = await stage.shop.create("Jazz", TICKETS)
    await stage.backfill()
    await next_second()
    await stage.shop.edit(product["id"], title="Blues")
    await stage.shop.delete((await stage.shop.create("Short", TICKETS))["id"])
    await stage.lose()
    run = await stage.runs.ask("reconcile", "window", asked_by="operator")
    stage.wire.opened.clear()
    dying = asyncio.create_task(stage.runner.step())
    reading = "SELECT 1 FROM runs WHERE id = $1 AND stage = 'reading' AND cursor IS NOT NULL"
    _: bool = await eventually(lambda: _any(stage, reading, run), 15.0)
    dying.cancel()
    await asyncio.wait({dying})
    stage.wire.opened.set()
    monkeypatch.setattr(Listing, "products", None)  # calling it would raise
    row = await stage.reconcile()
    assert row["id"] == run
    assert await stage.named() == {(product["id"], "title"): "missed"}


async def _any(stage: Stage, statement: str, *arguments: Any) -> bool:
    return bool(await stage.sql(statement, *arguments))
