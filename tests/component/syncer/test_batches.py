"""A batch of changes in one transaction: one revision for each event, the same content, nobody waits for another."""

import asyncio
import random
from dataclasses import replace

import orjson
import pytest
from products import ITEM, PRODUCT, VARIANT, Product, Variant, at, by_read, by_webhook, deletion, level
from waiting import eventually

from shared.contracts import Origin
from shared.errors import Occupied
from shared.postgres import transaction
from syncer.announcer import Said, _announcements
from syncer.store import SQL, Store
from syncer.webhook_payloads import MalformedPayload


async def test_a_hundred_sales_of_one_event_make_one_revision(books):
    await books.project(by_read(Product()))
    sold = await books.project_at_once(*(level(100 - n, updated=n) for n in range(1, 101)))
    assert [(each.outcome, each.revision, each.changed) for each in sold] == [("projected", 2, True)] * 100
    event = await books.event(PRODUCT)
    assert (event["revision"], event["available"], event["sold"]) == (2, 0, 100)


async def test_a_sale_writes_nothing_that_lists_show(books):
    await books.project(by_read(Product()))
    before = await books.event(PRODUCT)
    await books.project(level(60, updated=5))
    after = await books.event(PRODUCT)
    assert (after["revision"], after["available"], after["sold"]) == (2, 60, 40)
    assert orjson.loads(after["document"])["available"] == 60
    assert (await books.row("SELECT available, sold, capacity FROM tickets")) == {
        "available": 60,
        "sold": 40,
        "capacity": 100,
    }
    for column in ("item", "manage_item", "listed_at", "listed_revision", "search", "data", "availability", "capacity"):
        assert after[column] == before[column]


async def test_what_ends_as_it_began_raises_nothing(books):
    await books.project(by_read(Product()), level(100, updated=4))
    before = await books.event(PRODUCT)
    there_and_back = await books.project_at_once(level(60, updated=5), level(100, updated=6))
    assert not any(each.changed for each in there_and_back)
    assert (await books.event(PRODUCT))["revision"] == before["revision"]


async def test_tables_are_the_same_in_batches_as_one_by_one(books, pool):
    """The fold is proven on its own; this is what it reads and writes."""
    random_order = random.Random(3)  # noqa: S311 (an order, not a secret)
    changes = []
    for n in range(40):
        product = PRODUCT + n % 4
        variants = tuple(
            Variant(id=VARIANT + 10 * (n % 4) + v, item=ITEM + 10 * (n % 4) + v, position=v + 1, quantity=n)
            for v in range(1 + n % 3)
        )
        one = Product(id=product, updated=n // 3, title=f"Title {n % 5}", variants=variants)
        changes.append(by_read(one, seen=n) if n % 3 else by_webhook(one, seen=n))
        changes.append(level(n, updated=n // 2, seen=n + 0.5, item=ITEM + 10 * (n % 4) + n % 2, location=1 + n % 2))
    changes.append(deletion(PRODUCT + 3, seen=99))
    random_order.shuffle(changes)
    for change in changes:
        await books.project(change)
    one_by_one = await content(books)
    async with transaction(pool) as connection:
        await connection.execute("TRUNCATE events, tickets, inventory_levels, inventory_items, refetches")
    fresh = replace(books, store=Store(pool, books.store.rules, "EUR"))
    while changes:
        size = random_order.randrange(1, 30)
        await fresh.project_at_once(*changes[:size])
        changes = changes[size:]
    assert await content(fresh) == one_by_one


async def content(books):
    """Everything but what counts and dates our own writes."""
    events = await books.rows(
        "SELECT id, title, status, available, sold, capacity, availability, source_version, data, data_complete,"
        " deleted_at IS NOT NULL AS gone FROM events ORDER BY id"
    )
    for event in events:
        if event["gone"]:
            events[events.index(event)] = {"id": event["id"], "gone": True, "version": event["source_version"]}
    tickets = await books.rows("SELECT * FROM tickets ORDER BY id")
    levels = await books.rows("SELECT * FROM inventory_levels ORDER BY 1, 2")
    items = await books.rows("SELECT * FROM inventory_items ORDER BY 1")
    return events, tickets, levels, items


async def test_lists_are_raised_once_for_a_batch(books):
    before = await books.collection()
    made = await books.project_at_once(*(by_read(Product(id=n, variants=())) for n in range(1, 31)))
    assert {each.events_revision for each in made} == {before + 1}
    assert await books.collection() == before + 1


async def test_a_malformed_change_is_refused_alone_and_what_it_was_about_is_asked_for(books):
    good, bad, other = await books.project_at_once(
        by_read(Product()), by_webhook(Product(id=7), title=None), level(60, updated=5)
    )
    assert (good.changed, other.changed, bad.outcome) == (True, True, "refused")
    assert isinstance(bad.error, MalformedPayload)
    assert (good.error, other.error) == (None, None)
    assert await books.wanted() == {("product", 7): "malformed"}


async def test_stock_that_comes_before_its_product_in_one_batch_finds_it(books):
    await books.project_at_once(level(60, updated=5), by_webhook(Product(updated=4)))
    assert (await books.document(PRODUCT))["available"] == 60
    assert ("inventory_item", ITEM) not in await books.wanted()


async def test_an_event_that_another_process_is_at_comes_again_and_the_others_do_not_wait(books, pool):
    await books.project_at_once(by_read(Product()), by_read(Product(id=1, variants=())))
    async with transaction(pool) as other:
        await other.fetch(SQL.lock_events, [PRODUCT])
        async with asyncio.timeout(2):
            held, free, stock = await books.project_at_once(
                by_read(Product(updated=5, title="Held"), seen=6),
                by_read(Product(id=1, updated=5, title="Free", variants=()), seen=6),
                level(1, updated=9),
            )
    assert isinstance(held.error, Occupied)
    assert isinstance(stock.error, Occupied)
    assert (free.error, free.changed) == (None, True)
    assert (await books.event(PRODUCT))["title"] == "Jazz Night"
    assert (await books.event(1))["title"] == "Free"


async def test_stock_whose_product_another_process_stores_right_now_comes_again_and_finds_it(books, pool):
    async with transaction(pool) as other:
        await other.fetch(SQL.lock_events, [PRODUCT])
        await other.fetch(SQL.meet_items, [ITEM], [PRODUCT])
        coming = asyncio.create_task(books.project_at_once(level(60, updated=5)))
        waiting = (
            "SELECT 1 AS one FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        await eventually(lambda: books.rows(waiting))
    [stock] = await coming
    assert isinstance(stock.error, Occupied)
    assert await books.wanted() == {}
    assert (await books.project(level(60, updated=5))).outcome == "no_event"


async def test_two_processes_with_overlapping_batches_end_with_the_same(books, pool):
    stores = [books.store, Store(pool, books.store.rules, "EUR")]
    changes = [
        by_webhook(Product(id=PRODUCT + n % 12, updated=n, title=f"T{n}", variants=one(n % 12))) for n in range(120)
    ]
    changes += [level(500 - n, updated=n, item=ITEM + n % 12) for n in range(120)]
    random.Random(5).shuffle(changes)  # noqa: S311 (an order, not a secret)

    async def work(store: Store) -> None:
        while changes:
            batch = [changes.pop() for _ in range(min(25, len(changes)))]
            while batch:
                made = await store.project(batch)
                batch = [change for change, each in zip(batch, made, strict=True) if each.error is not None]

    async with asyncio.timeout(60):
        await asyncio.gather(*(work(store) for store in stores * 2))
    rows = await books.rows("SELECT id, title, available FROM events")
    ends = {row["id"]: (row["title"], row["available"]) for row in rows}
    assert ends == {PRODUCT + n % 12: (f"T{n}", 500 - n) for n in range(108, 120)}


def one(number: int) -> tuple[Variant, ...]:
    return (Variant(id=VARIANT + number, item=ITEM + number),)


async def test_a_transaction_that_fails_leaves_nothing_of_the_batch(books, monkeypatch):
    await books.project(by_read(Product()))
    before = await books.everything()
    monkeypatch.setattr("syncer.store.SQL", type("Broken", (), {**vars(SQL), "raise_events": "SELECT 1 / 0"}))
    with pytest.raises(Exception, match="division by zero"):
        await books.project_at_once(level(1, updated=5), by_read(Product(id=1, variants=())))
    assert await books.everything() == before


async def test_what_a_reconcile_mends_is_drift_in_the_same_transaction(books):
    await books.project(by_read(Product()))
    mended = by_read(Product(updated=9, title="Edited"), seen=10).model_copy(update={"origin": Origin.RECONCILE})
    await books.project_at_once(level(60, updated=5), mended)
    [row] = await books.rows("SELECT event_id, field FROM drift WHERE field = 'title'")
    assert row == {"event_id": PRODUCT, "field": "title"}


# What is said of it


def said(books_made, changes):
    return [Said(each, change) for each, change in zip(books_made, changes, strict=True)]


async def test_an_event_is_announced_once_as_of_the_earliest_change_that_is_visible_now(books):
    await books.project(by_read(Product()))
    changes = [level(100 - n, updated=n) for n in range(1, 20)]
    [announcement] = _announcements(said(await books.project_at_once(*changes), changes))
    assert (announcement.revision, announcement.seen_at) == (2, at(1))


async def test_whose_job_it_was_is_not_lost_in_a_batch(books):
    await books.project(by_read(Product()))
    changes = [
        by_read(Product(updated=n, title=f"T{n}"), seen=n).model_copy(update={"origin": origin, "caused_by": job})
        for n, origin, job in ((1, Origin.COMMAND, "job-1"), (2, Origin.COMMAND, "job-2"), (3, Origin.WEBHOOK, None))
    ]
    announced = _announcements(said(await books.project_at_once(*changes), changes))
    assert {(each.caused_by, each.revision) for each in announced} == {("job-1", 2), ("job-2", 2)}
    assert len({each.id for each in announced}) == 2
    assert {each.seen_at for each in announced} == {at(1)}
