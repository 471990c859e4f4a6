"""A backfill says all that Shopify has, no faster than it is projected, and ends when readers can see it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from exports import SHOP, Pool, Reading, opening, simulated
from nats.aio.msg import Msg
from waiting import eventually

from sandbox.servers import Nats
from shared.bus import Bus, make_broker, running
from shared.consuming import Consuming
from shared.errors import Permanent, Transient
from shared.loops import Loop
from shared.provision import provision
from shared.settings import NatsSettings, RedisSettings
from shared.tags import Tags, connect
from shared.topology import SYNCER_CHANGES
from syncer import backfill
from syncer.announcer import Announcer
from syncer.backfill import Backfill, ProjectorStalled, Publisher, was_read_whole
from syncer.backlog import Backlog
from syncer.export import Export
from syncer.handlers import Projector
from syncer.rules import Rules
from syncer.runs import Runner, Runs
from syncer.store import Store


class Spoilt(Permanent):
    """This one never will."""


@dataclass
class Line:
    """From the export to the tables. `poison`: a subject whose messages can't be projected."""

    reading: Reading
    bus: Bus
    store: Store
    announcer: Announcer
    poison: str | None = None
    heard: list[str] = field(default_factory=list)

    @property
    def pool(self) -> Pool:
        return self.reading.pool

    @property
    def backlog(self) -> Backlog:
        return Backlog(self.bus.broker)

    def work(self, export: Export | None = None, rules: Rules | None = None) -> Backfill:
        made = export or self.reading.export()
        return Backfill(made, self.bus, self.backlog, Runs(self.pool), rules or Rules(), SHOP)

    async def handle(self, messages: Sequence[Msg]) -> list[Exception | None]:
        self.heard += [message.subject for message in messages]
        projector = Projector(self.store, self.announcer, Loop("refetcher", _nothing, 60.0))
        outcomes = await projector.handle([each for each in messages if each.subject != self.poison])
        left = iter(outcomes)
        return [Spoilt() if each.subject == self.poison else next(left) for each in messages]

    @asynccontextmanager
    async def projecting(self) -> AsyncIterator[None]:
        consuming = Consuming(self.bus, SYNCER_CHANGES, self.handle)
        consuming.start()
        try:
            yield
        finally:
            await consuming.stop()

    async def run(self, rules: Rules | None = None) -> dict[str, Any]:
        """Carry the run out once, and say how it stands."""
        await Runner("backfill", self.pool, self.work(rules=rules)).step()
        return await self.row()

    async def row(self) -> dict[str, Any]:
        """Of the newest run."""
        [row] = await self.reading.rows("SELECT * FROM runs ORDER BY id DESC LIMIT 1")
        return row

    async def bury(self) -> int:
        """From now on, what is said of one product can't be projected."""
        product_id = min(await self.reading.truth())
        self.poison = f"changes.product.{product_id}"
        return product_id


async def _nothing() -> bool:
    return False


@pytest.fixture
async def line(pool: Pool, redis_url: str, tmp_path: Any) -> AsyncIterator[Line]:
    async with AsyncExitStack() as stack:
        server = stack.enter_context(Nats(tmp_path / "nats"))
        settings = NatsSettings(nats_url=server.url)
        await provision(settings)
        broker = make_broker(settings, "test")
        await stack.enter_async_context(running(broker))
        redis = connect(RedisSettings(redis_url=redis_url))
        stack.push_async_callback(redis.aclose)
        url = await stack.enter_async_context(simulated())
        reading = await stack.enter_async_context(opening(pool, url))
        store, bus = Store(pool, Rules(), "EUR"), Bus(broker)
        made = Line(reading, bus, store, Announcer(store, Tags(redis), bus))
        await _until_connected(made.backlog)
        yield made


async def _until_connected(backlog: Backlog) -> None:
    async def asked() -> tuple[int]:
        try:
            return (await backlog.last(),)
        except Transient as error:
            raise AssertionError(error) from error

    _: tuple[int] = await eventually(asked, 10)


async def test_it_ends_when_every_event_can_be_read(line: Line) -> None:
    async with line.projecting():
        row = await line.run()
    truth = await line.reading.truth()
    assert (row["state"], row["stage"], row["error"]) == ("succeeded", "done", None)
    assert (row["report"]["products"], row["report"]["expected"]) == (len(truth), len(truth))
    assert {"reading", "projecting", "paused"} == row["report"]["wall"].keys()
    events = await line.reading.rows("SELECT id, revision, data_complete FROM events")
    assert {event["id"] for event in events} == truth.keys()
    assert {(event["revision"], event["data_complete"]) for event in events} == {(1, True)}
    assert await line.reading.rows("SELECT part FROM export_lines") == []


async def test_what_nobody_projects_is_not_published_and_it_goes_on_when_somebody_does(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("syncer.export.staging.HANDED_AT_ONCE", 5)
    monkeypatch.setattr(backfill, "LOOK_AFTER", 5)
    monkeypatch.setattr(backfill, "MOST_BEHIND", 10)
    running = asyncio.create_task(line.run())

    async def waits() -> bool:
        return await line.backlog.behind() > 10 and (await line.row())["stage"] == "publishing"

    _: bool = await eventually(waits)
    published = await line.backlog.last()
    assert published == 15
    async with line.projecting():
        row = await asyncio.wait_for(running, 30)
    assert row["state"] == "succeeded"
    assert row["report"]["wall"]["paused"] > 0


async def test_a_projector_that_does_nothing_is_waited_for_only_so_long(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "STALLED_AFTER", 0.2)
    row = await line.run()
    assert row["state"] == "running"
    assert ProjectorStalled.__name__ in row["error"]
    async with line.projecting():
        async with line.pool.acquire() as connection:
            await connection.execute("UPDATE runs SET due_at = now()")
        assert (await line.run())["state"] == "succeeded"
    assert len(line.heard) == len(await line.reading.truth())  # nothing was said twice


async def test_a_product_that_never_became_an_event_fails_the_run_and_is_named(line: Line) -> None:
    product_id = await line.bury()
    assert not await was_read_whole(line.pool)
    async with line.projecting():
        row = await line.run()
    assert (row["state"], row["error"]) == ("failed", f"NotAllProjected: 1 products have no event: [{product_id}]")
    assert await was_read_whole(line.pool)  # no need to read all of it at once again


async def test_with_rules_only_what_they_name_must_become_an_event(line: Line) -> None:
    product_id = await line.bury()
    kinds = {number: each["product_type"] for number, each in (await line.reading.truth()).items()}
    async with line.projecting():
        row = await line.run(Rules(product_types=frozenset({kinds[product_id]})))
        assert (row["state"], row["error"]) == ("failed", f"NotAllProjected: 1 products have no event: [{product_id}]")
        await Runs(line.pool).ask("backfill", asked_by="operator")
        row = await line.run(Rules(tags=frozenset({"no product's tag"})))
    assert (row["state"], row["error"]) == ("succeeded", None)


@pytest.mark.parametrize(
    ("deleted", "words"), [(False, "events are older than their products"), (True, "products have no event")]
)
async def test_an_event_that_a_later_backfill_could_not_move_fails_it_and_is_named(
    line: Line, deleted: bool, words: str
) -> None:
    async with line.projecting():
        assert (await line.run())["state"] == "succeeded"
        product_id = await line.bury()
        older = "UPDATE events SET source_version[1] = source_version[1] - interval '1 hour' RETURNING id"
        await line.reading.rows(older)
        await line.reading.rows("UPDATE events SET deleted_at = now() WHERE $1 RETURNING id", deleted)
        await Runs(line.pool).ask("backfill", asked_by="operator")
        row = await line.run()
    assert (row["state"], row["error"]) == ("failed", f"NotAllProjected: 1 {words}: [{product_id}]")


async def test_what_no_message_can_hold_is_named_even_by_who_goes_on_after_it_was_found(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "LARGEST", 10)
    monkeypatch.setattr(Backfill, "_projected", _dying)
    assert (await line.run())["state"] == "running"
    monkeypatch.undo()
    await line.reading.rows("UPDATE runs SET due_at = now() RETURNING id")
    async with line.projecting():
        row = await line.run()
    products = len(await line.reading.truth())
    assert row["error"].startswith(f"NotAllProjected: {products} products are larger than a message may be: [")
    assert "no event" not in row["error"]


async def test_it_waits_for_products_that_are_read_one_by_one(line: Line) -> None:
    def fewer(body: bytes) -> bytes:
        return body.replace(b'"variantsCount":{"count":1}', b'"variantsCount":{"count":2}')

    line.reading.way.rewrite = fewer
    async with line.projecting():
        running = asyncio.create_task(line.run())

        async def waits() -> bool:
            return (await line.row())["stage"] == "projecting" and bool(
                await line.reading.rows("SELECT id FROM refetches WHERE reason = 'export'")
            )

        _: bool = await eventually(waits)
        asked = await line.reading.rows("SELECT id FROM refetches WHERE reason = 'export'")
        async with line.pool.acquire() as connection:
            await connection.execute("DELETE FROM refetches")  # answered: they turned out to be no products any more
        row = await asyncio.wait_for(running, 30)
    assert row["state"] == "failed"
    assert f"{len(asked)} products have no event" in row["error"]


async def test_killed_again_and_again_it_ends_complete_and_no_revision_is_wasted(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("syncer.export.staging.HANDED_AT_ONCE", 4)
    monkeypatch.setattr(Publisher, "publish", _slowly(Publisher.publish))
    async with line.projecting():
        for _ in range(10):
            running = asyncio.create_task(line.run())
            before = len(line.heard)
            await eventually(_more_than(before, line, running))
            if running.done():
                break
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        row = await line.run()
    assert row["state"] == "succeeded"
    events = await line.reading.rows("SELECT id, revision FROM events")
    assert {event["id"] for event in events} == (await line.reading.truth()).keys()
    assert {event["revision"] for event in events} == {1}
    assert line.reading.client.calls["bulk_operation_run"] == 1


async def _dying(*_: Any) -> None:
    raise ProjectorStalled


def _more_than(before: int, line: Line, running: "asyncio.Task[Any]") -> Callable[[], bool]:
    return lambda: len(line.heard) > before or running.done()


def _slowly(publish: Any) -> Any:
    async def slowed(self: Publisher, products: Any) -> None:
        await publish(self, products)
        await asyncio.sleep(0.01)

    return slowed
