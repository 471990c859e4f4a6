"""What becomes of changes in the tables: nothing lost, nothing older, nothing twice, in any order and at once."""

import asyncio
import random
from dataclasses import replace

import pytest
from products import ITEM, LOCATION, PRODUCT, VARIANT, Product, Variant, at, by_read, by_webhook, deletion, level, many

from shared.contracts import InventoryItemChangedV1, Origin
from shared.postgres import transaction
from syncer import rows
from syncer.fold import STRANGER_DELAY
from syncer.projections import Facts, project
from syncer.revisions import revise
from syncer.rows import LostGuard, Put
from syncer.rules import Rules
from syncer.store import Store
from syncer.webhook_payloads import MalformedPayload


async def test_a_product_becomes_an_event_with_its_tickets(books):
    made = await books.project(by_read(Product(metafields={"event.venue_city": "Köln"})))
    assert (made.outcome, made.revision, made.changed, made.visible, made.refetch) == ("projected", 1, True, True, None)
    event = await books.event(PRODUCT)
    assert (event["title"], event["venue_city"], event["available"], event["data_complete"]) == (
        "Jazz Night",
        "Köln",
        100,
        True,
    )
    ticket = await books.row("SELECT * FROM tickets")
    assert (ticket["event_id"], ticket["available"], ticket["capacity_source"]) == (PRODUCT, 100, "observed")
    assert await books.wanted() == {}


async def test_a_webhook_alone_is_shown_at_once_and_the_rest_is_asked_for(books):
    made = await books.project(by_webhook(Product()))
    assert (made.changed, made.refetch) == (True, "tickets")
    assert (await books.document(PRODUCT))["data_complete"] is False
    assert await books.wanted() == {("product", PRODUCT): "tickets"}
    await books.project(by_read(Product(), seen=1))
    assert (await books.document(PRODUCT))["data_complete"] is True


async def test_stock_that_comes_after_its_product_is_added_up(books):
    await books.project(by_read(Product()))
    sold = await books.project(level(60, updated=5))
    assert (sold.outcome, sold.revision, sold.events_revision) == ("projected", 2, None)
    ticket = (await books.document(PRODUCT))["tickets"][0]
    assert (ticket["available"], ticket["sold"], ticket["capacity"]) == (60, 40, 100)


async def test_stock_that_comes_before_its_product_is_kept_and_its_product_looked_for(books):
    stranger = await books.project(level(60, updated=5))
    assert (stranger.outcome, stranger.changed) == ("stranger", False)
    assert await books.wanted() == {("inventory_item", ITEM): "stranger"}
    await books.project(by_webhook(Product(updated=4)))
    assert (await books.document(PRODUCT))["available"] == 60


async def test_stock_that_is_older_than_what_is_known_changes_nothing(books):
    await books.project(by_read(Product()), level(60, updated=5))
    before = await books.everything()
    older = await books.project(level(99, updated=4, seen=99))
    assert (older.outcome, older.changed) == ("unchanged", False)
    assert await books.everything() == before


async def test_stock_of_two_locations_adds_up_and_a_location_that_ends_leaves(books):
    await books.project(by_read(Product()), level(20, updated=5, location=2))
    assert (await books.document(PRODUCT))["available"] == 120
    await books.project(level(None, updated=None, seen=6.5, location=2))
    document = await books.document(PRODUCT)
    assert document["available"] == 100
    assert [each["location_id"] for each in document["tickets"][0]["locations"]] == [str(LOCATION)]


async def test_a_ticket_that_is_stocked_nowhere_any_more_is_sold_out(books):
    await books.project(by_read(Product()), level(None, updated=None, seen=6.5))
    document = await books.document(PRODUCT)
    assert (document["available"], document["availability"]) == (0, "sold_out")


async def test_a_location_that_comes_back_within_the_second_is_asked_about(books):
    await books.project(by_read(Product()), level(None, updated=None, seen=6.2))
    back = await books.project(level(70, updated=6, seen=6.8))
    assert back.refetch == "stock tie"
    assert (await books.document(PRODUCT))["available"] == 70


async def test_a_level_that_a_read_no_longer_shows_is_stocked_no_more(books):
    await books.project(by_read(Product(variants=(Variant(levels={1: (5, 0, 5), 2: (7, 0, 7)}),))))
    await books.project(by_read(Product(updated=3, variants=(Variant(levels={1: (5, 0, 5)}, quantity=5),)), seen=4))
    assert (await books.document(PRODUCT))["available"] == 5
    await books.project(level(9, updated=1, location=2, seen=5))
    assert (await books.document(PRODUCT))["available"] == 14


async def test_a_duplicate_changes_no_row_and_asks_for_nothing(books):
    """Promise P4, for every kind of change."""
    changes = [
        by_webhook(Product()),
        by_read(Product(updated=2)),
        level(60, updated=5),
        deletion(PRODUCT + 1, seen=9),
        by_webhook(Product(updated=7, title="New", variants=(Variant(updated=0),))),
    ]
    for change in changes:
        await books.project(change)
        before, wanted = await books.everything(), await books.wanted()
        for _ in range(3):
            again = await books.project(change)
            assert not again.changed
        after = await books.everything()
        for event in (*before["events"], *after["events"]):
            event.pop("xmin", None)
        assert after == before
        assert await books.wanted() == wanted


async def test_a_late_retry_with_the_original_payload_changes_nothing(books):
    original = by_webhook(Product(), seen=0.5)
    await books.project(original, by_read(Product(updated=9, title="Edited")))
    before = await books.everything()
    retried = await books.project(original)
    assert (retried.outcome, retried.changed, retried.refetch) == ("stale", False, None)
    assert await books.everything() == before


async def test_a_tie_is_shown_provisionally_and_a_read_decides(books):
    await books.project(by_read(Product(updated=5), seen=5.1))
    tied = await books.project(by_webhook(Product(updated=5, title="Second"), seen=5.3))
    assert (tied.changed, tied.refetch) == (True, "tie")
    refetch = await books.row("SELECT * FROM refetches")
    assert refetch["seen_at"] == at(5.3)
    await books.project(by_read(Product(updated=5, title="First"), seen=5.31))
    assert (await books.event(PRODUCT))["title"] == "First"


async def test_a_stock_tie_is_answered_by_a_read_that_is_newer_than_both(books):
    """Even with a clock behind Shopify's: the read is stored as seen after the later of the two."""
    await books.project(by_read(Product()), level(60, updated=5, seen=5.9))
    tied = await books.project(level(61, updated=5, seen=5.1))
    assert (tied.refetch, (await books.document(PRODUCT))["available"]) == ("stock tie", 60)
    assert (await books.row("SELECT seen_at FROM refetches"))["seen_at"] == at(5.9)


# Deletion


async def test_a_deleted_event_stays_deleted_whatever_older_changes_say(books):
    await books.project(by_read(Product()))
    gone = await books.project(deletion(seen=10))
    assert (gone.outcome, gone.deleted, gone.visible, gone.changed) == ("deleted", True, True, True)
    before = await books.everything()
    for late in (by_webhook(Product(updated=9), seen=99), by_read(Product(updated=9), seen=99), level(3, 11)):
        assert not (await books.project(late)).changed
    after = await books.everything()
    assert (after["events"], after["tickets"]) == (before["events"], [])
    assert await books.wanted() == {}


async def test_a_deletion_of_what_was_never_seen_is_remembered(books):
    gone = await books.project(deletion(seen=10))
    assert (gone.outcome, gone.changed) == ("deleted", False)
    created = await books.project(by_webhook(Product(updated=9)))
    assert not created.changed
    assert (await books.event(PRODUCT))["deleted_at"] is not None


async def test_a_deletion_that_seems_older_than_what_is_known_is_asked_about(books):
    """Its trigger may have whole seconds, or come of another clock of Shopify's: it must not be dropped in silence."""
    await books.project(by_read(Product(updated=5), seen=5.5))
    doubtful = await books.project(deletion(seen=5))
    assert (doubtful.outcome, doubtful.changed, doubtful.refetch) == ("stale", False, "deleted")
    assert await books.wanted() == {("product", PRODUCT): "deleted"}
    gone = await books.project(deletion(seen=9, origin=Origin.REFETCH))
    assert (gone.outcome, gone.deleted) == ("deleted", True)


async def test_an_absence_that_came_first_does_not_keep_the_product_out(books):
    """A read may lag behind: what it did not find, another may find, whatever our clock says."""
    await books.project(deletion(seen=100, origin=Origin.REFETCH))
    assert (await books.project(by_read(Product(updated=5), seen=101))).changed


async def test_a_metafield_of_any_length_is_shown_as_far_as_it_goes(books):
    long = {"event.category": "x" * 9_000, "event.venue_city": "ü" * 9_000}
    assert (await books.project(by_read(Product(metafields=long)))).changed
    assert len((await books.event(PRODUCT))["category"]) == 255


async def test_a_webhook_newer_than_the_deletion_asks_and_only_a_read_resurrects(books):
    await books.project(by_read(Product()), deletion(seen=10))
    asked = await books.project(by_webhook(Product(updated=11)))
    assert (asked.changed, asked.refetch, await books.wanted()) == (False, "deleted", {("product", PRODUCT): "deleted"})
    back = await books.project(by_read(Product(updated=11), seen=12))
    assert (back.outcome, back.revision, back.events_revision is not None) == ("projected", 3, True)
    assert len(await books.rows("SELECT * FROM tickets")) == 1


async def test_a_product_that_a_read_does_not_find_is_gone(books):
    await books.project(by_read(Product(updated=50), seen=51))
    lost = await books.project(deletion(seen=52, origin=Origin.REFETCH))
    assert (lost.outcome, lost.deleted) == ("deleted", True)
    assert not (await books.project(deletion(seen=53, origin=Origin.REFETCH))).changed


async def test_an_absence_that_was_read_before_what_is_known_was_seen_deletes_nothing(books):
    await books.project(by_read(Product(updated=50), seen=51))
    assert (await books.project(deletion(seen=50.5, origin=Origin.REFETCH))).outcome == "stale"
    assert (await books.event(PRODUCT))["deleted_at"] is None


# Tickets


async def test_a_product_with_150_variants_ends_with_150_tickets(books):
    first = await books.project(by_webhook(Product(variants=many(150))))
    assert (first.refetch, len(await books.rows("SELECT * FROM tickets"))) == ("variants", 100)
    await books.project(by_read(Product(variants=many(150)), seen=1))
    assert len((await books.document(PRODUCT))["tickets"]) == 150
    await books.project(by_webhook(Product(updated=5, variants=many(150), title="Edited")))
    document = await books.document(PRODUCT)
    assert (len(document["tickets"]), document["data_complete"], document["title"]) == (150, True, "Edited")


async def test_a_ticket_that_was_removed_is_gone_and_its_stock_with_it(books):
    await books.project(by_read(Product(variants=many(3))))
    await books.project(by_webhook(Product(updated=5, variants=many(2))))
    document = await books.document(PRODUCT)
    assert (len(document["tickets"]), document["available"]) == (2, 200)
    assert len(await books.rows("SELECT * FROM tickets")) == 2


async def test_the_highest_stock_ever_seen_is_remembered(books):
    await books.project(by_read(Product()), level(250, updated=3), level(40, updated=4))
    await books.project(by_webhook(Product(updated=5, variants=(Variant(quantity=40),))))
    ticket = (await books.document(PRODUCT))["tickets"][0]
    assert (ticket["capacity"], ticket["sold"], ticket["available"]) == (250, 210, 40)


async def test_the_largest_numbers_of_shopify_fit(books):
    most = 2**31 - 1
    huge = Variant(
        levels={1: (most, 0, most), 2: (most, 0, most)}, metafields={"ticket.capacity": str(most)}, quantity=most
    )
    await books.project(by_read(Product(id=2**63 - 1, variants=(replace(huge, id=2**63 - 1, item=2**63 - 1), huge))))
    await books.project(level(-5, updated=3, location=1), level(-5, updated=3, location=2))
    assert [each["sold"] for each in await books.rows("SELECT sold FROM tickets ORDER BY id")] == [most, 0]


async def test_a_description_of_any_size_and_kind_is_stored(books):
    words = " ".join(f"wört{number}" for number in range(200_000))
    for html in (words, "<a " * 40_000, "<![word[", "🎷" * 100_000, "x" * 1_000_000):
        moment = len(html)
        made = await books.project(by_webhook(Product(id=len(html), html=html, updated=moment)))
        assert made.changed


# Which products are events


async def test_a_product_that_is_no_event_leaves_no_trace_for_readers(books):
    choosy = replace_rules(books, Rules(product_types=frozenset({"music"})))
    assert (await choosy.project(by_webhook(Product(type="merch")))).outcome == "no_event"
    assert await books.rows("SELECT * FROM events") == []
    assert await books.wanted() == {}
    assert (await choosy.project(level(4, updated=1))).outcome == "no_event"


async def test_a_product_that_stops_being_an_event_is_gone_and_one_that_starts_again_is_back(books):
    choosy = replace_rules(books, Rules(product_types=frozenset({"music"})))
    await choosy.project(by_read(Product()))
    stopped = await choosy.project(by_webhook(Product(updated=5, type="merch")))
    assert (stopped.outcome, stopped.changed, stopped.deleted) == ("no_event", True, True)
    assert not (await choosy.project(by_webhook(Product(updated=4)))).changed
    assert (await choosy.project(by_webhook(Product(updated=9)))).refetch == "deleted"
    back = await choosy.project(by_read(Product(updated=9), seen=10))
    assert (back.outcome, (await books.event(PRODUCT))["deleted_at"]) == ("projected", None)


async def test_whether_a_product_is_an_event_may_tie_too(books):
    choosy = replace_rules(books, Rules(product_types=frozenset({"music"})))
    await choosy.project(by_read(Product(updated=5), seen=5.5))
    tied = await choosy.project(by_webhook(Product(updated=5, type="merch"), seen=5.2))
    assert (tied.outcome, await books.wanted()) == ("no_event", {("product", PRODUCT): "tie"})


def replace_rules(books, rules):
    return replace(books, store=Store(books.pool, rules, "EUR"))


# What can't be read


async def test_a_malformed_webhook_is_refused_and_its_product_read_instead(books):
    with pytest.raises(MalformedPayload, match="title"):
        await books.project(by_webhook(Product(), title=None))
    assert await books.wanted() == {("product", PRODUCT): "malformed"}


async def test_a_malformed_level_is_refused_and_its_item_looked_for(books):
    with pytest.raises(MalformedPayload, match="available"):
        await books.project(level(2**40, updated=1))
    assert await books.wanted() == {("inventory_item", ITEM): "malformed"}


async def test_an_edited_item_asks_for_its_product(books):
    await books.project(by_read(Product()))
    edited = InventoryItemChangedV1(**level(1, 0).model_dump(exclude={"location_id"}))
    assert (await books.project(edited)).refetch == "item edited"
    assert await books.wanted() == {("product", PRODUCT): "item edited"}


async def test_a_guard_that_refuses_writes_nothing(books):
    await books.project(by_read(Product(updated=9)), by_read(Product(id=1, updated=9, variants=())))
    async with transaction(books.pool) as connection:
        stored = await rows.get(connection, [PRODUCT, 1], rows.Parsed())
    before = await books.everything()
    edited = {event_id: put_of(row, "Edited", row.known.version) for event_id, row in stored.items()}
    from_the_past = stored[PRODUCT].known.version._replace(updated_at=at(1))
    edited[PRODUCT] = put_of(stored[PRODUCT], "Edited", from_the_past)
    with pytest.raises(LostGuard, match=str(PRODUCT)):
        async with transaction(books.pool) as connection:
            await rows.put(connection, list(edited.values()))
    assert await books.everything() == before


def put_of(row, title, version):
    product = row.known.product.model_copy(update={"title": title})
    event = project(product, Facts({}, {}, "EUR"), Rules(), complete=True)
    return Put(event, revise(row.standing, event, at(99)), version, product, row, shown=True)


# At once


def shuffle(changes, seed):
    random.Random(seed).shuffle(changes)  # noqa: S311 (an order, not a secret)


async def test_stock_and_product_at_once_lose_nothing(books):
    """Whoever comes first, the stock that was seen last is shown, and the title that was seen last."""
    for seed in range(12):
        product, item = PRODUCT + seed, ITEM + seed
        variant = Variant(id=VARIANT + seed, item=item, quantity=1)
        changes = [
            by_webhook(Product(id=product, updated=n, title=f"Title {n}", variants=(variant,))) for n in range(1, 6)
        ]
        changes += [level(100 - n, updated=n, item=item, location=place) for n in range(1, 6) for place in (1, 2)]
        shuffle(changes, seed)
        await asyncio.gather(*(books.project(change) for change in changes))
        document = await books.document(product)
        assert (document["title"], document["available"]) == ("Title 5", 190), seed


async def test_many_edits_at_once_raise_one_revision_each_and_end_with_the_newest(books):
    await books.project(by_read(Product()))
    changes = [by_webhook(Product(updated=n, title=f"Title {n}")) for n in range(1, 31)]
    shuffle(changes, 7)
    made = await asyncio.gather(*(books.project(change) for change in changes))
    raised = sorted(each.revision for each in made if each.changed)
    event = await books.event(PRODUCT)
    assert event["title"] == "Title 30"
    assert raised == list(range(2, event["revision"] + 1))
    lists = sorted(each.events_revision for each in made if each.events_revision is not None)
    assert lists == sorted(set(lists))
    assert await books.collection() == lists[-1]


async def test_events_at_once_do_not_wait_for_each_other_in_a_circle(books):
    changes = [
        by_webhook(Product(id=PRODUCT + n % 10, updated=n // 10, title=f"T{n}", variants=many(4))) for n in range(100)
    ]
    made = await asyncio.gather(*(books.project(change) for change in changes), return_exceptions=True)
    assert not [each for each in made if isinstance(each, Exception)]


async def test_deletion_and_edits_at_once_end_deleted(books):
    for seed in range(6):
        product = PRODUCT + seed
        changes = [by_webhook(Product(id=product, updated=n, variants=many(1))) for n in range(5)]
        changes += [deletion(product, seen=10)] * 2
        shuffle(changes, seed)
        await asyncio.gather(*(books.project(change) for change in changes))
        assert (await books.event(product))["deleted_at"] is not None


async def test_strangers_are_looked_for_a_little_later(books):
    await books.project(level(1, updated=1))
    row = await books.row("SELECT extract(epoch FROM due_at - asked_at)::float8 AS delay FROM refetches")
    assert row["delay"] == pytest.approx(STRANGER_DELAY, abs=0.5)


async def test_what_stands_is_said_once_more_and_drafts_to_organizers_only(books):
    await books.project(by_read(Product()), by_read(Product(id=1, status="draft", variants=())))
    standing = await books.store.standing([PRODUCT, 1, 2])
    shown, draft = standing[PRODUCT], standing[1]
    assert (shown.changed, shown.visible, shown.revision) == (True, True, 1)
    assert draft.visible is False
    assert 2 not in standing
