"""A site whose tables can be rebuilt: real servers, the live projector, and a shop on a shelf to be exported."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias

import asyncpg
import orjson
from nats.aio.msg import Msg
from products import SHOP, Product, node
from waiting import eventually

from shared.bus import Bus, make_broker, running
from shared.consuming import Consuming
from shared.contracts import Change, Origin
from shared.loops import Loop
from shared.postgres import connect, transaction
from shared.provision import provision
from shared.settings import NatsSettings, PostgresSettings
from shared.shopify.products import ReadProduct
from shared.shopify.shares import Share
from shared.tags import Tags
from shared.topology import CHANGES, PROJECTIONS, SYNCER_CHANGES
from syncer import sightings
from syncer.announcer import Announcer
from syncer.backlog import Backlog
from syncer.export import Counts, OnProducts, Seen
from syncer.handlers import Projector
from syncer.rebuild.herald import Herald
from syncer.rebuild.rebuild import Rebuild
from syncer.rebuild.shadow import SEARCH_PATH
from syncer.refetcher import Refetcher
from syncer.rules import Rules
from syncer.runs import Run, Runner, Runs
from syncer.store import Store

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Happening: TypeAlias = Callable[[], Awaitable[None]]

AT_ONCE = 3  # products that are handed on together


async def nothing() -> None:
    return None


class Killed(Exception):
    """The process ended here."""


@dataclass
class Shelf:
    """What a shop has. Read whole like an export, or one by one; `before` happens before so many were handed on."""

    pool: Pool
    products: dict[int, Product] = field(default_factory=dict)
    hidden: set[int] = field(default_factory=set)  # an export does not see these
    before: dict[int, Happening] = field(default_factory=dict)
    handed: list[int] = field(default_factory=list)

    def put(self, *products: Product) -> None:
        self.products |= {product.id: product for product in products}

    async def read(
        self, _run: Run, share: Share, on_products: OnProducts, *, stage: str = "", reason: str = ""
    ) -> Counts:
        assert (share, stage, reason) == (Share.BACKFILL, "reading", "rebuild")
        began = datetime.now(UTC)
        seen = [Seen(each.id, node(each), began) for _, each in sorted(self.products.items())]
        seen = [each for each in seen if each.product_id not in self.hidden]
        for start in range(0, len(seen), AT_ONCE):
            await self.before.pop(start, nothing)()
            await on_products(seen[start : start + AT_ONCE])
            self.handed += [each.product_id for each in seen[start : start + AT_ONCE]]
        return Counts(len(seen), 0, 0, 1, 0, 0, 0, len(seen))

    async def still_wanted(self, reason: str) -> int:
        async with transaction(self.pool) as connection:
            return int(await connection.fetchval("SELECT count(*) FROM refetches WHERE reason = $1", reason))

    async def forget(self, run: Run) -> None:
        """Nothing is staged."""

    async def product(self, product_id: int) -> ReadProduct:
        found = self.products.get(product_id)
        return ReadProduct(None if found is None else node(found), datetime.now(UTC))


@dataclass
class Site:
    dsn: str
    pool: Pool
    bus: Bus
    store: Store
    shelf: Shelf
    announcer: Announcer
    rules: Rules = field(default_factory=Rules)

    @property
    def runs(self) -> Runs:
        return Runs(self.pool)

    @property
    def herald(self) -> Herald:
        return Herald(self.pool, self.announcer, self.bus)

    def rebuild(self, **parts: Any) -> Rebuild:
        shelf: Any = self.shelf
        given: dict[str, Any] = {"rules": self.rules, "currency": "EUR", "shop": SHOP} | parts
        return Rebuild(self.pool, self.shadow_pool, shelf, self.bus, self.runs, **given)

    @asynccontextmanager
    async def shadow_pool(self) -> AsyncIterator[Pool]:
        settings = PostgresSettings(postgres_dsn=self.dsn, postgres_pool_size=2)
        async with await connect(settings, "shadow", search_path=SEARCH_PATH) as pool:
            yield pool

    async def run(self, **parts: Any) -> dict[str, Any]:
        """Ask, unless somebody has, and carry it out once; the row of the newest run."""
        await self.runs.ask("rebuild", asked_by="operator")
        await self.rows("UPDATE runs SET due_at = now()")
        await Runner("rebuild", self.pool, self.rebuild(**parts)).step()
        return (await self.rows("SELECT * FROM runs ORDER BY id DESC LIMIT 1"))[0]

    async def succeeded(self, **parts: Any) -> dict[str, Any]:
        """The report."""
        row = await self.run(**parts)
        assert row["state"] == "succeeded", row["error"]
        report: dict[str, Any] = row["report"]
        return report

    async def fill(self) -> None:
        """Everything on the shelf comes in as a read."""
        await self.say(*(self.read(product) for product in self.shelf.products.values()))

    def read(self, product: Product) -> Change:
        now = datetime.now(UTC)
        return sightings.of_product(node(product), Origin.REFETCH, SHOP, now, now)

    async def say(self, *changes: Change) -> None:
        """On the bus, and into the live tables."""
        await self.bus.publish_all(changes)
        await self.projected()

    async def projected(self) -> None:
        backlog = Backlog(self.bus.broker)

        async def settled() -> bool:
            return await backlog.behind() == 0

        _: bool = await eventually(settled, 20)

    async def rows(self, statement: str, *arguments: Any) -> list[dict[str, Any]]:
        async with transaction(self.pool) as connection:
            return [dict(row) for row in await connection.fetch(statement, *arguments)]

    async def events(self) -> dict[int, dict[str, Any]]:
        return {row["id"]: row for row in await self.rows("SELECT * FROM events ORDER BY id")}

    async def document(self, event_id: int) -> dict[str, Any]:
        document: dict[str, Any] = orjson.loads((await self.events())[event_id]["manage_document"])
        return document

    async def revisions(self) -> dict[int, int]:
        return {event_id: row["revision"] for event_id, row in (await self.events()).items()}

    async def collection(self) -> int:
        return int((await self.rows("SELECT revision FROM collections"))[0]["revision"])

    async def leftovers(self) -> list[str]:
        """Of a rebuild: there are none when it has ended."""
        schemas = await self.rows("SELECT nspname FROM pg_namespace WHERE nspname IN ('rebuilding', 'retired')")
        consumers = await self.bus.broker.connection.jetstream().consumers_info(CHANGES.name)
        return [row["nspname"] for row in schemas] + [each.name for each in consumers if each.name != "syncer"]

    @asynccontextmanager
    async def refetching(self) -> AsyncIterator[None]:
        reader: Any = self.shelf
        loop = Loop("refetcher", Refetcher(self.pool, reader, self.bus, SHOP).step, 0.05)
        loop.start()
        try:
            yield
        finally:
            await loop.stop()

    async def announced(self) -> Mapping[int, int]:
        """The highest revision of each event that was ever announced."""
        jetstream = self.bus.broker.connection.jetstream()
        state = (await jetstream.stream_info(PROJECTIONS.name)).state
        found: dict[int, int] = {}
        for number in range(state.first_seq, state.last_seq + 1) if state.messages else ():
            headers = (await jetstream.get_msg(PROJECTIONS.name, number)).headers or {}
            event_id, revision = int(headers["ce-eventid"]), int(headers["ce-revision"])
            found[event_id] = max(revision, found.get(event_id, 0))
        return found


@asynccontextmanager
async def site(dsn: str, nats_url: str, redis: Any) -> AsyncIterator[Site]:
    """Live tables, and a projector that follows CHANGES into them."""
    async with AsyncExitStack() as stack:
        settings = PostgresSettings(postgres_dsn=dsn, postgres_pool_size=8)
        pool = await stack.enter_async_context(await connect(settings, "test"))
        bus_settings = NatsSettings(nats_url=nats_url)
        await provision(bus_settings)
        broker = make_broker(bus_settings, "test")
        await stack.enter_async_context(running(broker))

        async def connected() -> bool:
            return broker._connection is not None and broker.connection.is_connected

        _: bool = await eventually(connected, 10)
        bus = Bus(broker)
        store = Store(pool, Rules(), "EUR")
        announcer = Announcer(store, Tags(redis), bus)
        made = Site(dsn, pool, bus, store, Shelf(pool), announcer)
        consuming = Consuming(bus, SYNCER_CHANGES, _handler(made))
        consuming.start()
        stack.push_async_callback(consuming.stop)
        yield made


def _handler(made: Site) -> Callable[[Sequence[Msg]], Awaitable[Sequence[Exception | None]]]:
    async def idle() -> bool:
        return False

    async def handle(messages: Sequence[Msg]) -> Sequence[Exception | None]:
        return await Projector(made.store, made.announcer, Loop("refetcher", idle, 60.0)).handle(messages)

    return handle
