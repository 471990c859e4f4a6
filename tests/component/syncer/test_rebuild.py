"""New tables take the place of the old ones: nothing is lost, nothing goes back, nobody hears of what is equal."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import pytest
from databases import fresh_database
from products import ITEM, LOCATION, PRODUCT, Product, Variant, by_webhook, deletion, level
from rebuilds import Killed, Pool, Site, site

from read_api.database import SQL as READS
from read_api.listing import numbered
from sandbox.servers import Nats
from shared.postgres import READER_ROLE
from shared.postgres import connect as connect_postgres
from shared.settings import PostgresSettings, RedisSettings
from shared.tags import connect
from shared.topology import CHANGES, PROJECTIONS
from syncer.rebuild import rebuild as stages
from syncer.rebuild.due import Due
from syncer.rebuild.version import making
from syncer.rules import Rules

EVENTS = 8


@pytest.fixture(scope="module")
def own_nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with Nats(tmp_path_factory.mktemp("nats")) as server:
        yield server.url


@pytest.fixture
async def here(postgres_dsn: str, migrated_database: str, own_nats: str, redis_url: str) -> AsyncIterator[Site]:
    redis = connect(RedisSettings(redis_url=redis_url))  # type: ignore[arg-type]  # pydantic makes it a secret
    async with fresh_database(postgres_dsn, migrated_database) as dsn, site(dsn, own_nats, redis) as made:
        made.shelf.put(*(product(number) for number in range(EVENTS)))
        await made.fill()
        yield made
        jetstream = made.bus.broker.connection.jetstream()
        for stream in (CHANGES, PROJECTIONS):
            await jetstream.purge_stream(stream.name)
    await redis.aclose()


def product(number: int, **fields: Any) -> Product:
    variant = Variant(id=9_000 + number, item=7_000 + number, levels={LOCATION: (100, 0, 100)})
    return Product(id=1_000 + number, handle=f"event-{number}", title=f"Event {number}", variants=(variant,), **fields)


def seen(events: dict[int, dict[str, Any]]) -> dict[int, tuple[Any, ...]]:
    """What readers have of each event."""
    names = ("revision", "document", "item", "manage_document", "deleted_at", "listed_revision", "changed_at")
    return {event_id: tuple(row[name] for name in names) for event_id, row in events.items()}


async def test_equal_tables_take_their_place_and_nobody_hears_of_it(here: Site) -> None:
    before, collection, announced = await here.events(), await here.collection(), await here.announced()
    report = await here.succeeded()
    assert seen(await here.events()) == seen(before)
    assert (report["events"], report["equal"], report["changed"]) == (EVENTS, EVENTS, 0)
    assert report["export"]["products"] == EVENTS
    assert await here.collection() == collection
    assert await here.rows("SELECT * FROM unraised") == []
    assert not await here.herald.step()
    assert await here.announced() == announced
    assert await here.leftovers() == []
    assert len(await here.rows("SELECT id FROM tickets")) == EVENTS


async def test_other_rules_change_every_event_by_one_revision_and_all_of_it_is_announced(here: Site) -> None:
    here.shelf.put(
        *(product(number, metafields={"event.subtitle": "Old", "custom.sub": "New"}) for number in range(EVENTS))
    )
    before, collection = await here.revisions(), await here.collection()
    mapped = Rules(event_metafields={**Rules().event_metafields, "subtitle": "custom.sub"})
    report = await here.succeeded(rules=mapped)
    assert (report["equal"], report["changed"]) == (0, EVENTS)
    after = await here.revisions()
    assert after == {event_id: revision + 1 for event_id, revision in before.items()}
    assert (await here.document(1_000))["subtitle"] == "New"
    assert (await here.document(1_000))["revision"] == after[1_000]
    assert await here.collection() == collection + 1
    assert len(await here.rows("SELECT * FROM unraised")) == EVENTS + 1
    while await here.herald.step():
        pass
    assert await here.announced() == after
    assert await here.rows("SELECT * FROM unraised UNION ALL SELECT event_id::text, revision FROM unannounced") == []


async def test_what_the_tables_say_wrongly_is_mended(here: Site) -> None:
    """A row that no change could mend: it claims to be newer than anything, or differs where no document shows it."""
    await here.rows("UPDATE events SET search = '' WHERE id = 1000")
    await here.rows("UPDATE tickets SET price = 1 WHERE event_id = 1001")
    found = "SELECT id FROM events WHERE search @@ 'event'::tsquery AND id = 1000"
    assert await here.rows(found) == []
    await here.succeeded()
    assert await here.rows(found) == [{"id": 1000}]
    assert (await here.rows("SELECT price::float FROM tickets WHERE event_id = 1001"))[0]["price"] == 25.0


async def test_the_new_tables_are_made_like_the_old_ones(here: Site) -> None:
    shape = """
        SELECT c.relname, pg_get_indexdef(i.indexrelid) AS said FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
        WHERE relnamespace = 'public'::regnamespace
        UNION ALL SELECT c.relname, conname || ' ' || pg_get_constraintdef(k.oid) FROM pg_constraint k
        JOIN pg_class c ON c.oid = k.conrelid WHERE c.relnamespace = 'public'::regnamespace
        UNION ALL SELECT relname, relacl::text FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
        UNION ALL SELECT c.relname, attnum || ' ' || attname || ' ' || format_type(atttypid, atttypmod) || attnotnull
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        WHERE c.relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT attisdropped
        ORDER BY 1, 2"""
    before = await here.rows(shape)
    await here.succeeded()
    assert await here.rows(shape) == before
    await here.succeeded()  # and a second one finds all of it


async def test_what_is_deleted_stays_deleted(here: Site) -> None:
    del here.shelf.products[1_000]
    await here.say(deletion(1_000, seen=50))
    before = (await here.events())[1_000]
    await here.succeeded()
    after = (await here.events())[1_000]
    assert seen({1: after}) == seen({1: before})
    async with here.refetching():
        await here.say(by_webhook(product(0, updated=40), seen=60))  # a late retry: it is asked about, and gone
    assert (await here.events())[1_000]["deleted_at"] is not None


async def test_the_highest_stock_ever_seen_is_not_forgotten(here: Site) -> None:
    sold = product(0)
    sold = replace(sold, variants=(replace(sold.variants[0], levels={LOCATION: (40, 0, 40)}, levels_updated=5),))
    here.shelf.put(sold)
    await here.say(here.read(sold))
    before = await here.events()
    report = await here.succeeded()
    assert report["changed"] == 0
    assert seen(await here.events()) == seen(before)
    ticket = (await here.document(1_000))["tickets"][0]
    assert (ticket["capacity"], ticket["available"], ticket["sold"]) == (100, 40, 60)


async def test_stock_whose_product_is_still_to_come_is_kept(here: Site) -> None:
    await here.say(level(7, updated=5, item=ITEM))
    await here.succeeded()
    await here.say(by_webhook(Product(updated=4)))
    assert (await here.document(PRODUCT))["available"] == 7


async def test_changes_while_it_reads_are_in_the_new_tables(here: Site) -> None:
    """Before and after a product is read; of something new; a delete."""

    async def happen() -> None:
        here.shelf.put(product(0, updated=100, metafields={"event.subtitle": "Early"}), product(20, updated=90))
        del here.shelf.products[1_006]
        edited = replace(product(7, updated=100), title="Late")
        here.shelf.put(edited)
        await here.say(
            by_webhook(product(0, updated=100, metafields={"event.subtitle": "Early"})),
            by_webhook(edited),
            by_webhook(product(20, updated=90)),
            deletion(1_006, seen=120),
            level(55, updated=70, item=7_003),
        )

    here.shelf.before[3] = happen
    before = await here.revisions()
    async with here.refetching():
        report = await here.succeeded()
        await here.projected()
    events = await here.events()
    assert (await here.document(1_000))["subtitle"] == "Early"
    assert (await here.document(1_007))["title"] == "Late"
    assert (await here.document(1_003))["available"] == 55
    assert events[1_006]["deleted_at"] is not None
    assert (await here.document(1_020))["data_complete"] is True
    assert report["missing"] == []
    assert all(events[event_id]["revision"] >= revision for event_id, revision in before.items())


async def test_an_event_that_was_not_read_is_asked_for_before_it_goes(here: Site) -> None:
    here.shelf.hidden = {1_001}
    del here.shelf.products[1_002]
    before = await here.revisions()
    async with here.refetching():
        report = await here.succeeded()
    assert report["missing"] == [1_001, 1_002]
    events = await here.events()
    assert (events[1_001]["deleted_at"], events[1_001]["revision"]) == (None, before[1_001])
    assert (events[1_002]["deleted_at"] is not None, events[1_002]["revision"]) == (True, before[1_002] + 1)


async def test_what_nobody_can_tell_stays_as_it_was(here: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "ANSWER_WITHIN", 0.3)
    here.shelf.hidden = {1_001}
    before = await here.events()
    report = await here.succeeded()  # nobody refetches
    assert report["kept"] == [1_001]
    assert seen(await here.events()) == seen(before)
    assert [row["id"] for row in await here.rows("SELECT id FROM refetches")] == [1_001]
    assert len(await here.rows("SELECT id FROM tickets WHERE event_id = 1001")) == 1


async def test_an_export_that_lacks_too_much_switches_nothing(here: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncer.rebuild.alignment.MOST_MISSING", 2)
    here.shelf.hidden = {1_001, 1_002, 1_003}
    before = await here.events()
    row = await here.run()
    assert row["state"] == "failed"
    assert "3 of 8 events were not read: [1001, 1002, 1003]" in row["error"]
    assert await here.events() == before
    assert await here.leftovers() == []
    assert await here.rows("SELECT id FROM refetches") == []


async def test_an_event_that_the_live_tables_never_had_comes_in(here: Site) -> None:
    here.shelf.put(product(30))
    report = await here.succeeded()
    assert report["extra"] == [1_030]
    await here.herald.step()
    assert (await here.announced())[1_030] == (await here.revisions())[1_030]


async def test_products_that_are_no_events_by_the_rules_of_today_leave(here: Site) -> None:
    here.shelf.put(product(0, type="theatre"))
    report = await here.succeeded(rules=Rules(product_types=frozenset({"music"})))
    assert report["buried"] == [1_000]
    assert (await here.events())[1_000]["deleted_at"] is not None
    report = await here.succeeded()
    assert (await here.events())[1_000]["deleted_at"] is None
    assert (await here.revisions())[1_000] == 3


async def test_it_goes_on_where_it_was_killed(here: Site) -> None:
    async def die() -> None:
        raise Killed

    here.shelf.before[6] = die
    with pytest.raises(Killed):
        await here.run()
    assert sorted(await here.leftovers()) == ["rebuilding", "syncer-rebuild"]
    edited = replace(product(0, updated=100), title="Meanwhile")
    here.shelf.put(edited)
    await here.say(here.read(edited))  # nobody follows now
    report = await here.succeeded()
    assert report["equal"] == EVENTS
    assert (await here.document(1_000))["title"] == "Meanwhile"
    assert await here.leftovers() == []


async def test_killed_right_after_the_switch_it_only_tidies_up(here: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages.Rebuild, "_account", _die)
    here.shelf.put(replace(product(0, updated=100), title="New"))
    with pytest.raises(Killed):
        await here.run()
    monkeypatch.undo()
    here.shelf.handed.clear()
    report = await here.succeeded()
    assert here.shelf.handed == []
    assert (report["changed"], report["equal"]) == (1, EVENTS - 1)
    assert await here.leftovers() == []


def _die(*_: object) -> None:
    raise Killed


async def test_without_its_consumer_it_starts_over(here: Site) -> None:
    async def die() -> None:
        raise Killed

    here.shelf.before[6] = die
    with pytest.raises(Killed):
        await here.run()
    await here.bus.broker.connection.jetstream().delete_consumer(CHANGES.name, "syncer-rebuild")
    here.shelf.handed.clear()
    report = await here.succeeded()
    assert len(here.shelf.handed) == EVENTS
    assert report["equal"] == EVENTS


async def test_what_a_cancelled_run_left_is_removed(here: Site) -> None:
    async def die() -> None:
        raise Killed

    here.shelf.before[3] = die
    with pytest.raises(Killed):
        await here.run()
    await here.rebuild().tidy()
    assert await here.leftovers() != []  # it goes on later
    await here.rows("UPDATE runs SET state = 'cancelled', finished_at = now()")
    await here.rebuild().tidy()
    assert await here.leftovers() == []


async def test_a_reader_who_never_ends_puts_the_switch_off(here: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "SWITCHES", 1)
    monkeypatch.setattr("syncer.rebuild.switch.ATTEMPTS", 2)
    before = await here.events()
    async with here.pool.acquire() as reader, reader.transaction():
        await reader.fetch("SELECT id FROM events")
        row = await here.run()
        assert (row["state"], "SwitchRefused" in row["error"]) == ("running", True)
    assert await here.events() == before
    await here.say(level(60, updated=5, item=7_000))
    assert (await here.succeeded())["equal"] == EVENTS


async def test_nothing_is_told_while_it_is_filled(here: Site) -> None:
    """Its projecting raises no list, asks for no read, reports no drift: all of that is the live projector's."""
    tables = ("collections", "refetches", "drift", "unraised", "unannounced", "events", "tickets", "inventory_levels")

    async def all_of_it() -> list[Any]:
        return [await here.rows(f"SELECT * FROM {table} ORDER BY 1") for table in tables]  # noqa: S608

    before = await all_of_it()
    during: list[Any] = []

    async def look() -> None:
        during.extend(await all_of_it())

    here.shelf.before[6] = look
    here.shelf.put(replace(product(0, updated=100), title="New"))
    await here.succeeded()
    assert during == before


async def test_rules_that_changed_make_a_rebuild_due_once_everything_was_read(here: Site) -> None:
    old, new = making(Rules(), "EUR"), making(Rules(few_left_pieces=3), "EUR")
    assert await Due(here.runs, old, automatically=True).rebuild_due() is None
    assert await Due(here.runs, new, automatically=True).rebuild_due() is None  # nothing was read whole yet
    await here.rows(
        "INSERT INTO runs (kind, asked_by, state, finished_at) VALUES ('backfill', 'start', 'succeeded', now())"
    )
    assert await Due(here.runs, old, automatically=True).rebuild_due() is None
    assert await Due(here.runs, new, automatically=False).rebuild_due() is not None
    await Due(here.runs, new, automatically=True).step()
    assert [row["asked_by"] for row in await here.rows("SELECT asked_by FROM runs WHERE kind = 'rebuild'")] == ["start"]
    await here.succeeded(rules=Rules(few_left_pieces=3))
    assert await Due(here.runs, new, automatically=True).rebuild_due() is None


async def test_a_rebuild_that_failed_is_not_begun_anew_at_every_look(here: Site) -> None:
    await here.rows(
        "INSERT INTO runs (kind, asked_by, state, finished_at) VALUES ('backfill', 'start', 'succeeded', now())"
    )
    await here.rows(
        "INSERT INTO runs (kind, asked_by, state, finished_at) VALUES ('rebuild', 'start', 'failed', now())"
    )
    due = Due(here.runs, making(Rules(), "USD"), automatically=True)
    assert await due.rebuild_due() is not None
    await due.step()
    assert [row["state"] for row in await here.rows("SELECT state FROM runs WHERE kind = 'rebuild'")] == ["failed"]


async def test_readers_notice_nothing(here: Site) -> None:
    """Statements prepared before are used after; alone, in transactions, one document and whole lists."""
    settings = PostgresSettings(postgres_dsn=here.dsn, postgres_pool_size=6)  # type: ignore[arg-type]
    mapped = Rules(event_metafields={**Rules().event_metafields, "subtitle": "custom.sub"})
    here.shelf.put(*(product(number, metafields={"custom.sub": "New"}) for number in range(EVENTS)))
    stop, newest, lists, waits = asyncio.Event(), dict[int, int](), [0], [0.0]
    one, arguments = numbered(READS.public_event, {"id": 0})
    assert arguments == [0]
    many = "SELECT c.revision, (SELECT count(*) FROM events WHERE status = 'active') AS found FROM collections AS c"

    async def read(connection: Any) -> None:
        for event_id in here.shelf.products:
            [row] = await connection.fetch(one, event_id)
            assert row["revision"] >= newest.get(event_id, 0)
            assert row["visible"]
            newest[event_id] = row["revision"]
        [row] = await connection.fetch(many)
        assert (row["revision"] >= lists[-1], row["found"]) == (True, EVENTS)
        lists.append(row["revision"])

    async def reader(pool: Pool, *, in_transaction: bool) -> None:
        while not stop.is_set():
            began = time.perf_counter()
            async with pool.acquire() as connection:
                if in_transaction:
                    async with connection.transaction():
                        await read(connection)
                else:
                    await read(connection)
            waits.append(time.perf_counter() - began)
            await asyncio.sleep(0)

    async with await connect_postgres(settings, "readers", role=READER_ROLE) as pool:
        readers = [asyncio.create_task(reader(pool, in_transaction=number % 2 == 0)) for number in range(4)]
        for rules in (mapped, Rules(), mapped):
            assert (await here.succeeded(rules=rules))["changed"] == EVENTS
        stop.set()
        await asyncio.gather(*readers)
    assert newest == await here.revisions()
    assert set(newest.values()) == {4}
    assert len(waits) > 20
    assert max(waits) < 1.0


async def test_two_rebuilds_under_a_flood_end_with_what_the_live_projector_says(here: Site) -> None:
    stop = asyncio.Event()

    async def flood() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            await asyncio.sleep(0.01)  # a flood of 800 changes a second, and not as many as this machine can make
            await here.bus.publish_all(
                [level(number % 90, updated=number, item=7_000 + each) for each in range(EVENTS)]
            )

    flooding = asyncio.create_task(flood())
    try:
        async with here.refetching():  # what is in doubt is asked of Shopify
            for _ in range(2):
                report = await here.succeeded()
                assert report["changed"] <= EVENTS
    finally:
        stop.set()
        await flooding
    await here.projected()
    newest = await here.rows(
        "SELECT t.available, l.available AS known FROM tickets t JOIN inventory_levels l USING (inventory_item_id)"
    )
    assert {row["available"] == row["known"] for row in newest} == {True}
    assert len(newest) == EVENTS
