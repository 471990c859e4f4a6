"""Floods: an on-sale, sales all over the shop, a backfill. How many changes a second one syncer takes.

Beside it, in the same run, the same changes row by row: one change, one transaction, one announcement, in the
straightforward way: by the same decisions on the same tables, eight at once, and without a bus to take them from.
"""

import asyncio
import os
import random
import secrets
import time
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import asyncpg
import nats
import pytest
import uvloop
from databases import fresh_database
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError
from products import ITEM, PRODUCT, VARIANT, Product, Variant, at, by_read, level
from waiting import eventually

from shared.bus import Bus, make_broker, running
from shared.consuming import Consuming
from shared.contracts import Change, InventoryLevelChangedV1, Origin
from shared.garbage import collect_rarely
from shared.loops import Loop
from shared.migrations import migrate
from shared.postgres import connect as connect_postgres
from shared.provision import provision
from shared.settings import NatsSettings, PostgresSettings, RedisSettings
from shared.tags import NO_DOCUMENTS, Document, Tags
from shared.tags import connect as connect_redis
from shared.topology import CHANGES, PROJECTIONS, SYNCER_CHANGES, address
from syncer.announcer import Announcer, Said
from syncer.handlers import Projector
from syncer.rules import Rules
from syncer.store import Store

T = TypeVar("T")

pytestmark = pytest.mark.bench

SCALE = float(os.environ.get("UNDERSTUDY_FLOOD", "1"))  # of the number of changes
ROW_BY_ROW = 800  # changes; enough for a rate
AT_ONCE = 8  # of those
SEED = 1
WITHIN = 120.0  # seconds for a flood
LOCATIONS = (1, 2)


@dataclass(frozen=True)
class Rate:
    """A flood that was taken: seconds on the wall and of our own CPU, and what it cost."""

    changes: int
    seconds: float
    cpu: float
    rows: int  # written, in all tables
    revisions: int
    announcements: int

    @property
    def each_second(self) -> float:
        return self.changes / self.seconds

    def __str__(self) -> str:
        hundred = self.changes / 100
        return (
            f"{self.each_second:7.0f} changes/s   {self.changes / self.cpu:6.0f} for each second of CPU   "
            f"for 100 changes: {self.rows / hundred:6.1f} rows, {self.revisions / hundred:5.1f} revisions, "
            f"{self.announcements / hundred:5.1f} purges"
        )


class Tagged(Tags):
    """Counts what it is told."""

    purges = 0

    async def purge_all(
        self, tags: Sequence[tuple[str, int]], documents: Mapping[str, Document] = NO_DOCUMENTS
    ) -> None:
        self.purges += len(tags)
        await super().purge_all(tags, documents)


@dataclass
class Syncer:
    """A syncer's parts, on real servers, and a bus that holds a flood ready for it."""

    store: Store
    announcer: Announcer
    tags: Tagged
    bus: Bus
    jetstream: JetStreamContext

    @property
    def pool(self) -> "asyncpg.Pool[asyncpg.Record]":
        return self.store.pool

    async def flood(self, changes: Sequence[Change]) -> Rate:
        """Stored on the bus first; then a syncer comes up and takes them."""
        await self.store_all(changes)
        refetches = Loop("refetcher", self.no_more, 60.0)
        consuming = Consuming(self.bus, SYNCER_CHANGES, Projector(self.store, self.announcer, refetches).handle)
        before, began, cpu = await self.written(), time.perf_counter(), time.process_time()
        consuming.start()
        try:
            await eventually(self.settled, within=WITHIN)
            return await self.rate(len(changes), began, cpu, before)
        finally:
            await consuming.stop()

    async def row_by_row(self, changes: Sequence[Change]) -> Rate:
        waiting = list(reversed(changes))

        async def work() -> None:
            while waiting:
                change = waiting.pop()
                projected = (await self.store.project([change]))[0]
                if projected.error is not None:
                    waiting.insert(0, change)  # another worker is at this event
                elif projected.changed:
                    await self.announcer.announce([Said(projected, change)])

        before, began, cpu = await self.written(), time.perf_counter(), time.process_time()
        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
        return await self.rate(len(changes), began, cpu, before)

    async def store_all(self, changes: Sequence[Change]) -> None:
        for start in range(0, len(changes), 200):
            some = [(address(change)[1], change) for change in changes[start : start + 200]]
            await asyncio.gather(
                *(self.jetstream.publish(subject, change.body, headers=change.headers()) for subject, change in some)
            )

    async def settled(self) -> bool:
        info = await self.jetstream.consumer_info(CHANGES.name, SYNCER_CHANGES.durable)
        return not info.num_pending and not info.num_ack_pending

    async def written(self) -> dict[str, int]:
        async with self.pool.acquire() as connection:
            await connection.execute("SELECT pg_stat_force_next_flush(), pg_stat_clear_snapshot()")
            rows = await connection.fetchval(
                "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del)::bigint FROM pg_stat_user_tables"
            )
            revisions = await connection.fetchval("SELECT coalesce(sum(revision), 0)::bigint FROM events")
        return {"rows": rows, "revisions": revisions, "announcements": self.tags.purges}

    async def rate(self, changes: int, began: float, cpu: float, before: dict[str, int]) -> Rate:
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        await asyncio.sleep(1.1)  # PostgreSQL counts what it wrote once a second
        after = await self.written()
        return Rate(changes, seconds, cpu, **{name: after[name] - before[name] for name in after})

    @staticmethod
    async def no_more() -> bool:
        return False


@asynccontextmanager
async def syncer(nats_url: str, postgres_dsn: str, redis_url: str) -> AsyncIterator[Syncer]:
    client = await nats.connect(nats_url)
    jetstream = client.jetstream()
    for stream in (CHANGES, PROJECTIONS):
        try:
            await jetstream.delete_stream(stream.name)
        except NotFoundError:
            continue
    settings = NatsSettings(nats_url=nats_url)
    await provision(settings)
    redis = connect_redis(RedisSettings(redis_url=redis_url))
    broker = make_broker(settings, "bench")
    async with (
        fresh_database(postgres_dsn) as dsn,
        await _migrated(dsn) as pool,
        running(broker),
    ):
        await eventually(lambda: _connected(broker))
        store, tags = Store(pool, Rules(), "EUR"), Tagged(redis, prefix=f"bench:{secrets.token_hex(4)}:")
        bus = Bus(broker)
        yield Syncer(store, Announcer(store, tags, bus), tags, bus, jetstream)
    await redis.aclose()
    await client.close()


async def _migrated(dsn: str) -> "asyncpg.Pool[asyncpg.Record]":
    await migrate(dsn, "syncer")
    return await connect_postgres(PostgresSettings(postgres_dsn=dsn), "bench")


def _connected(broker: Any) -> bool:
    try:
        return bool(broker.connection.is_connected)
    except Exception:  # noqa: BLE001 (not started yet, in FastStream's own words)
        return False


def product(number: int, tickets: int) -> Product:
    """A product as a backfill reads it: some tickets at two locations, metafields."""
    first = number * 100
    variants = tuple(
        Variant(
            id=VARIANT + first + place,
            item=ITEM + first + place,
            title=f"Row {place}",
            position=place + 1,
            metafields={"ticket.type": "standing", "ticket.max_per_order": "8"},
            levels=dict.fromkeys(LOCATIONS, (5000, 10, 5010)),
            quantity=10_000,
        )
        for place in range(tickets)
    )
    return Product(
        id=PRODUCT + number,
        handle=f"event-{number}",
        title=f"Night {number}",
        html="<p>" + "Doors open at seven, and close at ten. " * 10 + "</p>",
        variants=variants,
        metafields={
            "event.starts_at": "2026-12-01T19:00:00Z",
            "event.venue_name": "Hall",
            "event.venue_city": "Berlin",
        },
    )


def backfilled(products: int, tickets: int) -> list[Change]:
    return [
        by_read(product(number, tickets)).model_copy(
            update={"origin": Origin.BACKFILL, "id": f"backfill:{number}:{secrets.token_hex(4)}"}
        )
        for number in range(products)
    ]


def sales(products: int, tickets: int, number: int) -> list[InventoryLevelChangedV1]:
    """One ticket after the other goes, anywhere among these products; several in each second of Shopify's clock."""
    chance = random.Random(SEED)  # noqa: S311 (an order, not a secret)
    left: dict[tuple[int, int], int] = {}
    made = []
    for place in range(number):
        sold = (ITEM + chance.randrange(products) * 100 + chance.randrange(tickets), chance.choice(LOCATIONS))
        left[sold] = left.get(sold, 5000) - 1
        moment = 10 + place // 100
        one = level(left[sold], moment, seen=moment + place % 100 / 100, item=sold[0], location=sold[1])
        made.append(one.model_copy(update={"id": f"{one.id}:{place}", "time": at(moment)}))
    return made


@pytest.mark.parametrize(
    ("name", "products", "tickets", "number"),
    [("an on-sale: 20 events of 20 tickets", 20, 20, 12_000), ("sales of 1,000 events of 5 tickets", 1000, 5, 12_000)],
)
def test_sales(
    nats_url: str, postgres_dsn: str, redis_url: str, name: str, products: int, tickets: int, number: int
) -> None:
    changes = sales(products, tickets, int(number * SCALE) + ROW_BY_ROW)
    at_once, one_by_one = changes[:-ROW_BY_ROW], changes[-ROW_BY_ROW:]

    async def measure() -> tuple[Rate, Rate]:
        async with syncer(nats_url, postgres_dsn, redis_url) as ours:
            await ours.flood(backfilled(products, tickets))
            flood, alone = await ours.flood(at_once), await ours.row_by_row(one_by_one)
            async with ours.pool.acquire() as connection:
                stock = await connection.fetchval("SELECT sum(available) FROM inventory_levels")
            assert stock == products * tickets * len(LOCATIONS) * 5000 - len(changes)
            return flood, alone

    flood, alone = as_the_service_does(measure())
    say(name, flood, alone)
    assert flood.changes / flood.cpu > 3000


def test_a_backfill(nats_url: str, postgres_dsn: str, redis_url: str) -> None:
    async def measure() -> tuple[Rate, Rate]:
        async with syncer(nats_url, postgres_dsn, redis_url) as ours:
            flood = await ours.flood(backfilled(int(4000 * SCALE), 5))
        async with syncer(nats_url, postgres_dsn, redis_url) as ours:
            return flood, await ours.row_by_row(backfilled(ROW_BY_ROW, 5))

    flood, alone = as_the_service_does(measure())
    say("a backfill of 5 tickets at 2 locations", flood, alone)
    assert flood.changes / flood.cpu > 1200


def as_the_service_does(work: Coroutine[Any, Any, T]) -> T:
    """On uvloop, and with its collector."""
    collect_rarely()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def say(name: str, flood: Rate, alone: Rate) -> None:
    print(f"\n{name}")  # noqa: T201
    print(f"  row by row   {alone}")  # noqa: T201
    print(f"  in batches   {flood}")  # noqa: T201
    times, cheaper = flood.each_second / alone.each_second, (flood.changes / flood.cpu) / (alone.changes / alone.cpu)
    print(f"  {times:.1f} times as fast, with 1/{cheaper:.1f} of the CPU")  # noqa: T201
