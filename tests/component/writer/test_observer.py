"""Whatever a job has done in Shopify is said on CHANGES, once at least and in its name, whatever is away meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import orjson
import pytest
from buses import opened_bus, stored
from ended_jobs import EndedJobs
from products import Product, node
from waiting import eventually

from sandbox.servers.nats import Nats
from shared.bus import Bus, BusUnavailable
from shared.contracts import Change, Origin, ProductChangedV1, ProductDeletedV1, Shape
from shared.errors import Permanent, Transient
from shared.postgres import close, connect, transaction
from shared.settings import PostgresSettings
from shared.shopify.errors import ShopifyUnavailable
from shared.shopify.products import ProductReader, ReadProduct
from shared.topology import CHANGES
from writer.observer import FIRST_PAUSE, LONGEST_PAUSE, SQL, Observer
from writer.procedures.steps import Answered, Gone, Whole

SHOP = "blue-hall.myshopify.com"
SEEN_AT = datetime(2026, 11, 23, 9, 0, 0, 123456, tzinfo=UTC)
EDITED = node(Product(id=42, title="Edited"))


@dataclass
class Reader:
    """Reads products as they stand in `shop`; raises what is wanted. `asked`: for which, in order."""

    shop: dict[int, Any] = field(default_factory=dict)
    fails: dict[int, Exception] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list)
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.goes_on.set()

    async def product(self, product_id: int) -> ReadProduct:
        self.asked.append(product_id)
        began = datetime.now(UTC)
        await self.goes_on.wait()
        if product_id in self.fails:
            raise self.fails[product_id]
        return ReadProduct(self.shop.get(product_id), began)


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def jobs(writer_database: str) -> AsyncIterator[EndedJobs]:
    pool = await connect(PostgresSettings(postgres_dsn=writer_database, postgres_pool_size=6), "test")
    yield EndedJobs(pool)
    await close(pool)


@pytest.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    async with opened_bus(nats_url, CHANGES) as bus:
        yield bus


@pytest.fixture
def reader() -> Reader:
    return Reader({42: EDITED})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def observer(jobs: EndedJobs, bus: Bus, reader: Reader, clock: Clock) -> Observer:
    return Observer(jobs.pool, bus, cast("ProductReader", reader), SHOP, clock)


async def said(bus: Bus) -> list[Change]:
    return [each for each in await stored(bus, CHANGES) if isinstance(each, Change)]


async def observed(jobs: EndedJobs, job: UUID) -> bool:
    return (await jobs.get(job))["observed_at"] is not None


def answered(title: str = "Edited") -> dict[str, Any]:
    return Answered({"legacyResourceId": "42", "title": title}, SEEN_AT).as_json()


async def test_an_answer_is_said_as_it_was_given_in_the_name_of_its_job(
    jobs: EndedJobs, bus: Bus, observer: Observer
) -> None:
    job = await jobs.add(42, answered())
    assert [await observer.step(), await observer.step()] == [False, False]
    [change] = await said(bus)
    assert isinstance(change, ProductChangedV1)
    assert (change.product_id, change.shape, change.origin) == (42, Shape.ANSWER, Origin.COMMAND)
    assert (change.caused_by, change.triggered_at, change.shop) == (str(job), SEEN_AT, SHOP)
    assert orjson.loads(change.body) == {"legacyResourceId": "42", "title": "Edited"}
    assert await observed(jobs, job)
    assert (await jobs.get(job))["version"] == 1, "that it was said is no news for anybody"


async def test_what_a_job_has_deleted_is_gone(jobs: EndedJobs, bus: Bus, observer: Observer) -> None:
    job = await jobs.add(42, Gone(42).as_json())
    await observer.step()
    [change] = await said(bus)
    assert isinstance(change, ProductDeletedV1)
    assert (change.product_id, change.caused_by) == (42, str(job))
    assert change.triggered_at == (await jobs.get(job))["finished_at"]


async def test_one_read_answers_all_jobs_of_an_event_and_each_is_named(
    jobs: EndedJobs, bus: Bus, observer: Observer, reader: Reader
) -> None:
    waiting = {str(await jobs.add(42, Whole(42).as_json())) for _ in range(3)}
    await observer.look()
    changes = await said(bus)
    assert reader.asked == [42]
    assert {change.caused_by for change in changes} == waiting
    for change in changes:
        assert isinstance(change, ProductChangedV1)
        assert (change.shape, orjson.loads(change.body)) == (Shape.GRAPHQL, EDITED)
        assert change.triggered_at >= (await jobs.get(UUID(change.caused_by)))["finished_at"] - timedelta(seconds=1)


async def test_what_a_read_does_not_find_is_gone(jobs: EndedJobs, bus: Bus, observer: Observer) -> None:
    await jobs.add(7, Whole(7).as_json())
    await observer.look()
    [change] = await said(bus)
    assert isinstance(change, ProductDeletedV1)
    assert change.product_id == 7


@pytest.mark.parametrize("state", ["failed", "in_doubt"])
async def test_what_a_job_may_have_done_is_looked_at_though_it_did_not_succeed(
    jobs: EndedJobs, observer: Observer, state: str
) -> None:
    job = await jobs.add(42, Whole(42).as_json(), state=state)
    await observer.look()
    assert await observed(jobs, job)


async def test_a_death_between_saying_and_remembering_says_it_twice_and_the_bus_drops_one(
    jobs: EndedJobs, bus: Bus, observer: Observer
) -> None:
    job = await jobs.add(42, answered())
    await observer.step()
    await jobs.sql("UPDATE jobs SET observed_at = NULL RETURNING id")
    await observer.step()
    assert len(await said(bus)) == 1
    assert await observed(jobs, job)


async def test_a_product_that_cannot_be_read_holds_up_no_other_and_is_tried_again(
    jobs: EndedJobs, observer: Observer, reader: Reader, clock: Clock
) -> None:
    failing, other = await jobs.add(7, Whole(7).as_json()), await jobs.add(42, Whole(42).as_json())
    reader.fails[7] = Transient("edited faster than its pages can be read")
    await observer.look()
    assert (await observed(jobs, failing), await observed(jobs, other)) == (False, True)
    await observer.look()
    assert reader.asked == [7, 42], "not at once"
    clock.now += 2 * FIRST_PAUSE
    reader.fails[7] = Permanent("refused")
    await observer.look()
    clock.now += 10 * FIRST_PAUSE
    await observer.look()
    assert reader.asked == [7, 42, 7], "what is refused for good is asked rarely"
    clock.now += LONGEST_PAUSE
    reader.fails.clear()
    await observer.look()
    assert await observed(jobs, failing)


async def test_while_shopify_is_away_nothing_is_forgotten(jobs: EndedJobs, observer: Observer, reader: Reader) -> None:
    job = await jobs.add(42, Whole(42).as_json())
    reader.fails[42] = ShopifyUnavailable("no answer", may_have_happened=False)
    with pytest.raises(ShopifyUnavailable):
        await observer.look()
    assert not await observed(jobs, job)
    reader.fails.clear()
    await observer.look()
    assert await observed(jobs, job)


async def test_of_several_replicas_one_reads(jobs: EndedJobs, bus: Bus, observer: Observer, reader: Reader) -> None:
    job = await jobs.add(42, Whole(42).as_json())
    other = Observer(jobs.pool, bus, cast("ProductReader", reader), SHOP)
    reader.goes_on.clear()
    looking = asyncio.create_task(observer.look())
    await eventually(lambda: reader.asked, saying="one reads")
    assert await asyncio.wait_for(other.look(), 5) is False
    reader.goes_on.set()
    await looking
    await other.look()
    assert reader.asked == [42]
    assert await observed(jobs, job)


async def test_a_job_that_was_resolved_while_it_was_looked_at_is_looked_at_again(
    jobs: EndedJobs, bus: Bus, observer: Observer, reader: Reader
) -> None:
    """An operator says that it succeeded after all: what was read before may not show it."""
    job = await jobs.add(42, Whole(42).as_json(), state="in_doubt")
    reader.goes_on.clear()
    looking = asyncio.create_task(observer.look())
    await eventually(lambda: reader.asked, saying="it is read")
    await jobs.sql("UPDATE jobs SET state = 'succeeded', finished_at = clock_timestamp() RETURNING id")
    reader.goes_on.set()
    await looking
    assert not await observed(jobs, job)
    await observer.look()
    assert await observed(jobs, job)
    assert len(await said(bus)) == 2


async def test_an_observation_that_cannot_be_read_is_given_up_and_its_event_read_where_it_is_known(
    jobs: EndedJobs, observer: Observer, reader: Reader
) -> None:
    odd = await jobs.add(42, {"what": "odd"})
    nothing = await jobs.add(None, {"what": "odd"}, kind="event.create")
    broken = await jobs.add(42, {"what": "answered", "node": 5})
    await observer.step()
    await observer.look()
    assert reader.asked == [42]
    assert [await observed(jobs, job) for job in (odd, nothing, broken)] == [True, True, True]


async def test_what_nats_refuses_holds_up_no_other(jobs: EndedJobs, bus: Bus, observer: Observer) -> None:
    await jobs.add(42, answered("x" * (9 << 20)))
    other = await jobs.add(42, answered())
    await observer.step()
    assert [change.caused_by for change in await said(bus)] == [str(other)]
    assert await observer.step() is False


async def test_while_nats_is_away_nothing_is_forgotten(jobs: EndedJobs, reader: Reader, tmp_path: Path) -> None:
    job = await jobs.add(42, answered())
    with Nats(tmp_path / "nats") as server:
        async with opened_bus(server.url) as bus:
            observer = Observer(jobs.pool, bus, cast("ProductReader", reader), SHOP)
            server.kill()
            with pytest.raises(BusUnavailable):
                await observer.step()
            assert not await observed(jobs, job)
            server.start()
            await eventually(lambda: _steps(observer), 20, saying="said later")
            assert await observed(jobs, job)


async def _steps(observer: Observer) -> bool:
    try:
        await observer.step()
    except BusUnavailable:
        return False
    return True


async def test_looking_reads_no_table_through(jobs: EndedJobs) -> None:
    await jobs.sql(
        "INSERT INTO jobs (id, kind, event_id, command, owner, state, finished_at, observation, observed_at) "
        "SELECT gen_random_uuid(), 'event.edit', n, '{}', 'organizer', 'succeeded', now(), '{}', now() "
        "FROM generate_series(1, 5000) AS n"
    )
    await jobs.sql("ANALYZE jobs")
    async with transaction(jobs.pool) as connection:
        for statement, arguments in ((SQL.get_answered, (200,)), (SQL.get_unread, ([], 100))):
            plan = await connection.fetchval(f"EXPLAIN (FORMAT JSON) {statement}", *arguments)
            assert "jobs_unobserved" in orjson.dumps(plan).decode()
            assert "Seq Scan" not in orjson.dumps(plan).decode()
