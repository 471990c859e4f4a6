"""Reading the simulated Shopify: whole products or none, everything once, and the webhooks that keep us in step."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
import pytest
from pydantic import HttpUrl
from shop_control import ShopControl, metafield
from structlog.testing import capture_logs
from waiting import eventually

from sandbox.shopify.app import create_app
from sandbox.shopify.serving import serving
from sandbox.shopify.settings import ShopifySettings as SimulatorSettings
from shared.bus import BusUnavailable
from shared.contracts import Contract, Origin, ProductChangedV1
from shared.shopify import Answer, ShopifyClient, ShopifySettings, shopify
from syncer import graphql_nodes
from syncer.backfill import LOCK, Backfill
from syncer.refetcher import Refetcher
from syncer.rules import Rules
from syncer.shop_reader import ChangedWhileRead, ShopReader
from syncer.store import want
from syncer.subscriptions import TOPICS, Subscriptions, wanted

TOKEN, SECRET, SHOP = "shpat_of_the_test", "secret-of-the-test", "understudy.myshopify.com"
HOOKS = HttpUrl("http://127.0.0.1:9/hooks")


@dataclass
class Interrupted:
    """The client, but something happens before certain calls. Counts them by document."""

    client: ShopifyClient
    before: dict[tuple[str, int], Callable[[], Awaitable[Any]]] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)

    async def execute(self, name: str, variables: Any = None, **more: Any) -> Answer:
        self.calls[name] = self.calls.get(name, 0) + 1
        for when in ((name, self.calls[name]), (name, 0)):
            if when in self.before:
                await self.before[when]()
        return await self.client.execute(name, variables, **more)


@dataclass
class Bus:
    said: list[Contract] = field(default_factory=list)
    away_after: int | None = None

    async def publish(self, message: Contract) -> bool:
        if self.away_after is not None and len(self.said) >= self.away_after:
            raise BusUnavailable
        self.said.append(message)
        return True

    def products(self) -> list[int]:
        return [each.product_id for each in self.said if isinstance(each, ProductChangedV1)]


@dataclass
class Shop:
    control: ShopControl
    client: Interrupted
    reader: ShopReader


Open = Callable[..., Awaitable[Shop]]


@pytest.fixture
async def open_shop() -> AsyncIterator[Open]:
    """Start a simulated Shopify with so many events, and a client of it."""
    async with AsyncExitStack() as stack:

        async def start(
            events: int = 0, *, rules: Rules | None = None, allow_http: bool = True, **settings: Any
        ) -> Shop:
            app = create_app(
                SimulatorSettings(access_token=TOKEN, client_secret=SECRET, events=events, allow_http=allow_http)
            )
            url = await stack.enter_async_context(serving(app))
            control = ShopControl(url)
            stack.push_async_callback(control.aclose)
            named = {"shopify_shop": SHOP, "shopify_admin_url": url, "shopify_access_token": TOKEN}
            client = Interrupted(await stack.enter_async_context(shopify(ShopifySettings(**named | settings))))
            return Shop(control, client, ShopReader(client, rules or Rules()))

        yield start


def tickets(number: int, **more: Any) -> list[dict[str, Any]]:
    return [{"title": f"Row {n}", "price": f"{n + 1}.00", "quantity": n, **more} for n in range(number)]


def parsed(read):
    assert read.node is not None
    return graphql_nodes.product(orjson.dumps(read.node))


# One product


async def test_a_product_is_read_whole_over_all_its_pages(open_shop):
    shop = await open_shop()
    made = await shop.control.create("Big", tickets(180))
    product, levels = parsed(await shop.reader.product(made["id"]))
    assert [each.id for each in product.variants] == [each["id"] for each in made["variants"]]
    assert len(levels) == 180
    assert shop.client.calls == {"product": 1, "product_variants": 1}


async def test_levels_pictures_and_metafields_are_read_to_their_last_page(open_shop):
    shop = await open_shop()
    for number in range(15):
        await shop.control._ask("POST", "/locations", {"name": f"Place {number}"})
    places = await shop.control.locations()
    fields = [metafield(f"ticket.f{n}", "x") for n in range(25)]
    stock = dict.fromkeys(places, 2)
    made = await shop.control.create(
        "Wide",
        [{"title": "A", "price": "1", "quantities": stock, "metafields": fields}],
        images=[{"url": f"https://cdn.example/{n}.jpg"} for n in range(20)],
        metafields=[metafield(f"event.f{n}", "x") for n in range(30)],
    )
    product, levels = parsed(await shop.reader.product(made["id"]))
    [of_item] = levels.values()
    assert sum(level.available or 0 for level in of_item) == 2 * len(places)
    assert (len(product.images), len(product.metafields or {}), len(product.variants[0].metafields or {})) == (
        20,
        30,
        25,
    )


async def test_a_product_that_was_edited_between_its_pages_is_read_again(open_shop):
    shop = await open_shop()
    made = await shop.control.create("Before", tickets(60))
    shop.client.before["product_variants", 1] = lambda: edited(shop, made, "After")
    product, _ = parsed(await shop.reader.product(made["id"]))
    assert (product.title, len(product.variants)) == ("After", 60)
    assert shop.client.calls == {"product": 2, "product_variants": 2}


async def edited(shop: Shop, made: dict, title: str) -> None:
    """Until the edit falls into another second: times are whole ones."""

    async def edit() -> bool:
        return (await shop.control.edit(made["id"], title=title, body_html=title))["updated_at"] != before

    before = (await shop.control.product(made["id"]))["updated_at"]

    async def touched() -> bool:
        await shop.control.edit(made["id"], title=f"{title}…")
        return await edit()

    await eventually(touched)


async def test_a_product_that_is_always_being_edited_is_left_for_later(open_shop):
    shop = await open_shop()
    made = await shop.control.create("Before", tickets(60))
    shop.client.before["product_variants", 0] = lambda: edited(shop, made, "After")
    with pytest.raises(ChangedWhileRead):
        await shop.reader.product(made["id"])


async def test_a_product_that_is_deleted_between_its_pages_is_absent(open_shop):
    shop = await open_shop()
    made = await shop.control.create("Gone", tickets(60))
    shop.client.before["product_variants", 1] = lambda: shop.control.delete(made["id"])
    assert (await shop.reader.product(made["id"])).node is None


async def test_what_shopify_does_not_have_is_absent_not_an_error(open_shop):
    shop = await open_shop()
    assert (await shop.reader.product(12345)).node is None
    assert await shop.reader.product_of_item(12345) is None


async def test_an_item_leads_to_its_product(open_shop):
    shop = await open_shop()
    made = await shop.control.create("Jazz", tickets(2))
    assert await shop.reader.product_of_item(made["variants"][1]["inventory_item_id"]) == made["id"]


async def test_metafields_of_every_namespace_in_the_rules_are_read(open_shop):
    rules = Rules(event_metafields={"subtitle": "custom.sub", "organizer": "event.host"})
    shop = await open_shop(rules=rules)
    made = await shop.control.create("Jazz", metafields=[metafield("custom.sub", "S"), metafield("event.host", "H")])
    product, _ = parsed(await shop.reader.product(made["id"]))
    assert product.metafields == {"custom.sub": "S", "event.host": "H"}


async def test_the_shop_says_its_currency_and_its_number_of_products(open_shop):
    shop = await open_shop(events=7)
    assert (await shop.reader.shop()).currency == "EUR"
    assert await shop.reader.count_products() == 7


async def test_a_question_is_answered_with_what_shopify_has(open_shop, pool):
    shop, bus = await open_shop(), Bus()
    made = await shop.control.create("Jazz", tickets(2))
    async with pool.acquire() as connection:
        for product_id in (made["id"], 99):
            await want(connection, "product", product_id, "tie", datetime.fromisoformat(made["updated_at"]), 0.0)
    await Refetcher(pool, shop.reader, bus, SHOP).step()
    assert bus.products() == [made["id"]]
    assert {each.TYPE.split(".")[2] for each in bus.said} == {"changed", "deleted"}


# Everything


async def test_a_backfill_says_every_product_once_and_is_done(open_shop, pool, books):
    shop, bus = await open_shop(events=120), Bus()
    await Backfill(pool, shop.reader, bus, SHOP).step()
    truth = [each["id"] for each in await shop.control.truth()]  # drafts among them
    assert sorted(bus.products()) == sorted(truth)
    assert {each.origin for each in bus.said} == {Origin.BACKFILL}
    row = await books.row("SELECT * FROM backfills")
    assert (row["products"], row["expected"]) == (len(truth), len(truth))
    assert row["finished_at"] is not None
    await Backfill(pool, shop.reader, bus, SHOP).step()
    assert len(bus.said) == len(truth)


async def test_products_that_do_not_fit_a_page_are_read_by_themselves(open_shop, pool, books):
    shop, bus = await open_shop(events=3), Bus()
    big = await shop.control.create("Big", tickets(40))
    await Backfill(pool, shop.reader, bus, SHOP).step()
    assert await books.wanted() == {("product", big["id"]): "backfill"}
    assert (await books.row("SELECT products FROM backfills"))["products"] == 4
    await Refetcher(pool, shop.reader, bus, SHOP).step()
    assert big["id"] in bus.products()


async def test_a_backfill_that_broke_off_goes_on_where_its_last_page_ended(open_shop, pool, books):
    shop, bus = await open_shop(events=120), Bus(away_after=70)
    with pytest.raises(BusUnavailable):
        await Backfill(pool, shop.reader, bus, SHOP).step()
    row = await books.row("SELECT products, cursor, error FROM backfills")
    assert (row["products"], row["cursor"] is not None) == (54, True)
    assert "BusUnavailable" in row["error"]
    bus.away_after = None
    await Backfill(pool, shop.reader, bus, SHOP).step()
    truth = {each["id"] for each in await shop.control.truth()}
    assert set(bus.products()) == truth
    assert len(bus.said) == 70 + len(truth) - 54
    assert (await books.row("SELECT count(*) AS n FROM backfills WHERE finished_at IS NOT NULL"))["n"] == 1


async def test_a_backfill_that_was_cancelled_gives_its_lock_back(open_shop, pool):
    shop, bus = await open_shop(events=60), Bus()
    began, gate = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        began.set()
        await gate.wait()

    shop.client.before["products_page", 2] = hold
    running = asyncio.create_task(Backfill(pool, shop.reader, bus, SHOP).step())
    await began.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    del shop.client.before["products_page", 2]
    await Backfill(pool, shop.reader, bus, SHOP).step()
    assert set(bus.products()) == {each["id"] for each in await shop.control.truth()}


async def test_only_one_replica_backfills(open_shop, pool):
    shop, bus = await open_shop(events=5), Bus()
    async with pool.acquire() as connection:
        await connection.fetchval("SELECT pg_advisory_lock($1)", LOCK)
        await Backfill(pool, shop.reader, bus, SHOP).step()
        assert bus.said == []
        await connection.execute("SELECT pg_advisory_unlock($1)", LOCK)
    await Backfill(pool, shop.reader, bus, SHOP).step()
    assert len(bus.said) == 5


async def test_an_empty_shop_is_done_at_once(open_shop, pool, books):
    shop, bus = await open_shop(), Bus()
    await Backfill(pool, shop.reader, bus, SHOP).step()
    assert bus.said == []
    assert (await books.row("SELECT finished_at FROM backfills"))["finished_at"] is not None


async def test_a_backfill_keeps_to_the_points_that_shopify_gives(open_shop, pool):
    shop, bus = await open_shop(events=170), Bus()
    await shop.control.turn(bucket_size=1000, restore_rate=1000)
    await Backfill(pool, shop.reader, bus, SHOP).step()
    assert set(bus.products()) == {each["id"] for each in await shop.control.truth()}
    assert (await shop.control.state())["requests"]["throttled"] <= 1  # the first may not know the limit yet


# The webhooks we live on


async def registered(shop: Shop) -> dict[str, dict]:
    answer = await shop.client.execute("webhook_subscriptions", {"after": None})
    return {each["topic"]: each for each in answer.data["webhookSubscriptions"]["nodes"]}


async def test_what_is_missing_is_registered_once_with_its_metafields(open_shop):
    shop = await open_shop()
    subscriptions = Subscriptions(shop.client, wanted(HOOKS, Rules().namespaces()))
    await subscriptions.step()
    there = await registered(shop)
    assert len(there) == len(TOPICS)
    update = there["PRODUCTS_UPDATE"]
    assert update["uri"] == "http://127.0.0.1:9/hooks/webhooks/products/update"
    assert set(update["metafieldNamespaces"]) == {"event", "ticket"}
    assert there["PRODUCTS_DELETE"]["metafieldNamespaces"] == []
    await subscriptions.step()
    assert await registered(shop) == there
    assert shop.client.calls["webhook_subscription_create"] == len(TOPICS)


async def test_one_that_shopify_deleted_is_registered_again(open_shop):
    shop = await open_shop()
    subscriptions = Subscriptions(shop.client, wanted(HOOKS, Rules().namespaces()))
    await subscriptions.step()
    gone = (await registered(shop))["PRODUCTS_UPDATE"]
    await shop.client.execute("webhook_subscription_delete", {"id": gone["id"]})
    await subscriptions.step()
    assert (await registered(shop))["PRODUCTS_UPDATE"]["uri"] == gone["uri"]


async def test_one_that_lacks_metafields_is_updated_in_place(open_shop):
    shop = await open_shop()
    await Subscriptions(shop.client, wanted(HOOKS, ["event"])).step()
    before = (await registered(shop))["PRODUCTS_CREATE"]
    await Subscriptions(shop.client, wanted(HOOKS, ["event", "ticket"])).step()
    after = (await registered(shop))["PRODUCTS_CREATE"]
    assert after["id"] == before["id"]
    assert set(after["metafieldNamespaces"]) == {"event", "ticket"}


async def test_an_address_that_shopify_refuses_is_said_in_its_words_and_stops_nothing(open_shop):
    shop = await open_shop(allow_http=False)
    with capture_logs() as logs:
        await Subscriptions(shop.client, wanted(HOOKS, ["event"])).step()
    refused = [each for each in logs if each["event"] == "subscription.refused"]
    assert len(refused) == len(TOPICS)
    assert "protocol http:// is not supported" in refused[0]["error"]
    assert await registered(shop) == {}


async def test_without_an_address_nothing_is_registered(open_shop):
    shop = await open_shop()
    await Subscriptions(shop.client, wanted(None, ["event"])).step()
    assert await registered(shop) == {}
