"""A shop whose webhooks are kept, the tables, and reconciles between the two.

Shopify is the simulated one, PostgreSQL the real one; the bus between our reads and the tables delivers at once.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import asyncpg
import orjson
from postbox import Letter, Postbox
from pydantic import HttpUrl
from shop_control import Json, ShopControl

from sandbox.shopify.app import create_app
from sandbox.shopify.serving import serving
from sandbox.shopify.settings import ShopifySettings as SimulatorSettings
from shared.contracts import Change, InventoryLevelChangedV1, Origin, ProductChangedV1, ProductDeletedV1, Shape
from shared.loops import Loop
from shared.postgres import transaction
from shared.shopify import ShopifyClient, ShopifySettings, shopify
from syncer import sightings
from syncer.backfill import Publisher
from syncer.doctor import Registrar, wanted
from syncer.export import Export
from syncer.reconcile.doubts import Doubts
from syncer.reconcile.listing import Listing
from syncer.reconcile.reports import Reports
from syncer.reconcile.settling import Settling
from syncer.reconcile.whole import WholeReconcile
from syncer.reconcile.window import WindowReconcile
from syncer.reconcile.works import Reconcile, margins
from syncer.refetcher import Refetcher, doubts
from syncer.rules import Rules
from syncer.runs import Runner, Runs
from syncer.shop_reader import ShopReader
from syncer.store import Store

TOKEN, SECRET, SHOP = "shpat_of_the_test", "secret-of-the-test", "understudy.myshopify.com"
VERSION = "2026-10"
RULES = Rules()
NO_GRACE = -3.0  # nothing is on its way here but what was kept, so nothing has to be waited for
TICKETS: list[Json] = [{"title": "Standing", "price": "25.00", "quantity": 100}]


@dataclass
class Wire:
    """Between our reads and the tables: what is published is projected before `publish` returns."""

    store: Store
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    async def publish(self, message: Change) -> bool:
        await self.opened.wait()
        [projected] = await self.store.project([message])
        assert projected.error is None, projected
        return True

    async def publish_all(self, messages: Sequence[Change]) -> None:
        """One after the other: two of one event at once would wait for each other."""
        for message in messages:
            await self.publish(message)

    async def last(self) -> int:
        return 0

    async def behind(self, _target: int | None = None) -> int:
        return 0


@dataclass
class Stage:
    """A shop whose webhooks are kept, our tables, and a reconcile between the two."""

    shop: ShopControl
    client: ShopifyClient
    pool: "asyncpg.Pool[asyncpg.Record]"
    wire: Wire
    letters: list[Letter]
    runner: Runner
    runs: Runs

    async def backfill(self) -> None:
        """Everything is read; what was sent so far is not told again."""
        reader = ShopReader(self.client, RULES)
        for product in await self.shop.truth():
            read = await reader.product(product["id"])
            assert read.node is not None
            at = read.began_at
            await self.wire.publish(sightings.of_product(read.node, Origin.BACKFILL, SHOP, at, at))
        run = await self.runs.ask("backfill", asked_by="start")
        ended = "state = 'succeeded', started_at = asked_at, finished_at = now()"
        await self.sql(f"UPDATE runs SET {ended} WHERE id = $1 RETURNING id", run)  # noqa: S608 (a constant)
        await self.lose()

    async def lose(self) -> list[Letter]:
        """Whatever Shopify has sent since the last time reaches nobody."""
        await self.shop.flush()
        lost = list(self.letters)
        self.letters.clear()
        return lost

    async def deliver(self, *letters: Letter) -> None:
        for letter in letters:
            change = change_of(letter)
            if change is not None:
                await self.wire.publish(change)

    async def deliver_all(self) -> None:
        await self.deliver(*(await self.lose()))

    async def reconcile(self, scope: str = "window", **options: Any) -> dict[str, Any]:
        """The run's row, once it has succeeded."""
        run = await self.runs.ask("reconcile", scope, asked_by="operator", options=options)
        await self.runner.step()
        [row] = await self.sql("SELECT * FROM runs WHERE id = $1", run)
        assert row["state"] == "succeeded", row["error"]
        return row

    async def drift(self) -> list[dict[str, Any]]:
        return await self.sql("SELECT * FROM drift ORDER BY event_id, ticket_id NULLS FIRST, field")

    async def named(self) -> dict[tuple[int, str], str]:
        """The cause by event and field."""
        return {(row["event_id"], row["field"]): row["cause"] for row in await self.drift()}

    async def living(self) -> dict[int, str]:
        rows = await self.sql("SELECT id, title FROM events WHERE deleted_at IS NULL")
        return {row["id"]: row["title"] for row in rows}

    async def sql(self, statement: str, *arguments: Any) -> list[dict[str, Any]]:
        async with transaction(self.pool) as connection:
            return [dict(row) for row in await connection.fetch(statement, *arguments)]


@asynccontextmanager
async def staged(
    pool: "asyncpg.Pool[asyncpg.Record]", *, grace: float = NO_GRACE, rules: Rules = RULES, **knobs: Any
) -> AsyncIterator[Stage]:
    """`knobs` are the simulator's."""
    async with AsyncExitStack() as stack:
        app = create_app(SimulatorSettings(access_token=TOKEN, client_secret=SECRET, events=0, allow_http=True))
        url = await stack.enter_async_context(serving(app))
        shop = ShopControl(url)
        stack.push_async_callback(shop.aclose)
        postbox = await stack.enter_async_context(Postbox("http://127.0.0.1:9").open())
        letters = stack.enter_context(postbox.holding())
        named = {"shopify_shop": SHOP, "shopify_admin_url": url, "shopify_access_token": TOKEN}
        client = await stack.enter_async_context(shopify(ShopifySettings(**named)))
        needs = wanted(HttpUrl(postbox.url), RULES.namespaces())
        await Registrar(pool, client, needs, VERSION, grace).step()
        if knobs:
            await shop.turn(**knobs)
        wire: Any = Wire(Store(pool, rules, "EUR"))
        wire.opened.set()
        loop = Loop("doubts", Refetcher(pool, ShopReader(client, rules), wire, SHOP, doubts(grace)).step, 0.05)
        loop.start()
        stack.push_async_callback(loop.stop)
        runs, doubted, reports, listing = Runs(pool), Doubts(pool), Reports(pool), Listing(client, rules)
        settling = Settling(runs, doubted, wire, 0.0, loop.wake)
        span = margins(overlap=600, grace=grace)
        window = WindowReconcile(runs, listing, doubted, settling, reports, span)
        publisher = Publisher(wire, wire, SHOP, Origin.RECONCILE)
        export = Export(pool, client, rules, [url])
        whole = WholeReconcile(export, listing, doubted, settling, reports, publisher.publish, span.grace)
        yield Stage(shop, client, pool, wire, letters, Runner("reconcile", pool, Reconcile(window, whole)), runs)


def change_of(letter: Letter) -> Change | None:
    """As webhook-ingest says it; None for what is projected nowhere here."""
    said = orjson.loads(letter.body)
    at = datetime.fromisoformat(letter.headers["x-shopify-triggered-at"]).astimezone(UTC)
    common: dict[str, Any] = {
        "id": letter.headers["x-shopify-webhook-id"], "source": "test", "time": at, "triggered_at": at, "shop": SHOP,
        "topic": letter.topic, "origin": Origin.WEBHOOK, "body": letter.body,
    }  # fmt: skip
    match letter.topic:
        case "products/create" | "products/update":
            subject = f"product/{said['id']}"
            return ProductChangedV1(product_id=said["id"], subject=subject, shape=Shape.WEBHOOK, **common)
        case "products/delete":
            return ProductDeletedV1(product_id=said["id"], subject=f"product/{said['id']}", **common)
        case "inventory_levels/update" | "inventory_levels/connect" | "inventory_levels/disconnect":
            item = said["inventory_item_id"]
            return InventoryLevelChangedV1(
                inventory_item_id=item, location_id=said["location_id"], subject=f"inventory/{item}", **common
            )
    return None


async def next_second() -> None:
    """Shopify's `updated_at` has whole seconds."""
    now = datetime.now(UTC)
    await asyncio.sleep(1.0 - now.microsecond / 1_000_000 + 0.01)  # the clock is the condition


def is_about(letter: Letter, product_id: int) -> bool:
    return letter.about_product and orjson.loads(letter.body)["id"] == product_id


async def complete(stage: Stage, product_id: int) -> None:
    """What a webhook left out is read, as always."""
    read = await ShopReader(stage.client, RULES).product(product_id)
    assert read.node is not None
    at = read.began_at
    await stage.wire.publish(sightings.of_product(read.node, Origin.REFETCH, SHOP, at, at))
    await stage.sql("DELETE FROM refetches WHERE resource = 'product' RETURNING id")
