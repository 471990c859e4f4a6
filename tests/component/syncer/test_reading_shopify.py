"""Reading the simulated Shopify: whole products or none, everything once, and the webhooks that keep us in step."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
import pytest
from shop_control import ShopControl, metafield
from waiting import eventually

from sandbox.shopify.app import create_app
from sandbox.shopify.serving import serving
from sandbox.shopify.settings import ShopifySettings as SimulatorSettings
from shared.contracts import Contract, ProductChangedV1
from shared.shopify import Answer, ShopifyClient, ShopifySettings, shopify
from shared.shopify.products import ChangedWhileRead
from syncer import graphql_nodes
from syncer.refetcher import Refetcher
from syncer.rules import Rules
from syncer.shop_reader import ShopReader
from syncer.store import want

TOKEN, SECRET, SHOP = "shpat_of_the_test", "secret-of-the-test", "understudy.myshopify.com"


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

    async def publish(self, message: Contract) -> bool:
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


async def test_the_shop_says_its_currency(open_shop):
    shop = await open_shop()
    assert (await shop.reader.shop()).currency == "EUR"


async def test_a_question_is_answered_with_what_shopify_has(open_shop, pool):
    shop, bus = await open_shop(), Bus()
    made = await shop.control.create("Jazz", tickets(2))
    async with pool.acquire() as connection:
        for product_id in (made["id"], 99):
            await want(connection, "product", product_id, "tie", datetime.fromisoformat(made["updated_at"]), 0.0)
    await Refetcher(pool, shop.reader, bus, SHOP).step()
    assert bus.products() == [made["id"]]
    assert {each.TYPE.split(".")[2] for each in bus.said} == {"changed", "deleted"}
