"""Every effect of a job stands in a revision, written with the projection; whoever made that revision."""

from dataclasses import replace
from uuid import UUID

import orjson
import pytest
from our_edits import OurEdits
from products import PRODUCT, Product, at, by_answer, by_read, by_webhook, deletion
from stage import TICKETS, next_second, staged

from shared.contracts import Origin
from shared.postgres import transaction
from syncer import effects
from syncer.announcer import Said, _announcements
from syncer.effects import Cleaner, Effect
from syncer.rules import Rules
from syncer.store import Store
from syncer.webhook_payloads import MalformedPayload

EDITED = Product(updated=20, title="Edited")
A, B = UUID(int=1), UUID(int=2)


@pytest.fixture
async def seen(books):
    """An event at revision 1."""
    await books.project(by_read(Product(updated=10), seen=12))
    return books


async def standing(books):
    """By job: the revision, and whether its batch has made that."""
    rows = await books.rows("SELECT job_id, event_id, revision, made FROM effects")
    assert {row["event_id"] for row in rows} <= {PRODUCT}
    return {row["job_id"]: (row["revision"], row["made"]) for row in rows}


async def test_an_answer_makes_a_revision_and_the_webhook_that_follows_none(seen):
    made = await seen.project(by_answer(EDITED, seen=18.5, job=A))
    assert (made.outcome, made.revision, made.refetch) == ("projected", 2, None)
    assert await standing(seen) == {A: (2, True)}
    after = await seen.project(by_webhook(EDITED, seen=20.2))
    assert (after.outcome, after.changed, after.refetch) == ("unchanged", False, None)
    assert await seen.wanted() == {}
    assert (await seen.event(PRODUCT))["source_version"][0] == at(20)


async def test_an_answer_that_comes_after_its_webhook_changes_nothing_and_its_effect_stands(seen):
    await seen.project(by_webhook(EDITED, seen=20.2))
    before = await seen.everything()
    answered = await seen.project(by_answer(EDITED, seen=18.5, job=A))
    assert (answered.changed, answered.refetch) == (False, None)
    assert await seen.everything() == before
    assert await seen.wanted() == {}
    assert await standing(seen) == {A: (2, False)}


async def test_a_stale_answer_stands_in_what_is_newer(seen):
    await seen.project(by_webhook(replace(EDITED, updated=30), seen=30))
    assert (await seen.project(by_answer(EDITED, seen=18.5, job=A))).outcome == "stale"
    assert await standing(seen) == {A: (2, False)}


async def test_in_a_batch_every_job_stands_in_its_one_revision_and_is_named_with_it(seen):
    changes = [
        by_webhook(replace(EDITED, updated=30), seen=30),
        by_answer(EDITED, seen=18.5, job=A),
        by_answer(replace(EDITED, updated=40, title="Last"), seen=38, job=B),
    ]
    projected = await seen.project_at_once(*changes)
    assert [each.outcome for each in projected] == ["projected", "stale", "projected"]
    assert await standing(seen) == {A: (2, True), B: (2, True)}
    said = [Said(each, change) for each, change in zip(projected, changes, strict=True) if each.changed]
    assert {(each.caused_by, each.revision) for each in _announcements(said)} == {(str(A), 2), (str(B), 2)}


async def test_an_effect_that_is_told_again_stands_where_the_event_stands_now(seen):
    answer = by_answer(EDITED, seen=18.5, job=A)
    await seen.project(answer)
    [first] = await seen.rows("SELECT at FROM effects")
    await seen.project(by_webhook(replace(EDITED, updated=30, title="Newer"), seen=30))
    await seen.project(answer)
    assert await standing(seen) == {A: (3, True)}
    assert (await seen.row("SELECT at FROM effects"))["at"] > first["at"]


@pytest.mark.parametrize("left", [25, 11])
async def test_what_a_job_has_deleted_is_gone_whatever_the_clocks_say(seen, left):
    await seen.project(by_webhook(EDITED, seen=20.2))
    gone = deletion(PRODUCT, left, Origin.COMMAND).model_copy(update={"caused_by": str(A)})
    assert (await seen.project(gone)).outcome == "deleted"
    assert (await seen.project(gone)).outcome == "stale"
    assert (await seen.event(PRODUCT))["deleted_at"] is not None
    assert await standing(seen) == {A: (3, True)}
    assert await seen.wanted() == {}


async def test_an_answer_of_what_was_never_seen_is_shown_and_the_rest_is_read(books):
    made = await books.project(by_answer(EDITED, seen=18.5, job=A))
    assert (made.outcome, made.refetch) == ("projected", "metafields")
    document = await books.document(PRODUCT)
    assert (document["title"], document["tickets"], document["data_complete"]) == ("Edited", [], False)
    await books.project(by_read(EDITED, seen=21))
    assert (await books.document(PRODUCT))["data_complete"] is True
    assert await standing(books) == {A: (1, True)}


async def test_an_answer_that_makes_an_event_of_a_product_or_none_of_it_is_for_a_read_to_say(pool, books):
    books.store = Store(pool, Rules(product_types=frozenset({"music"})), "EUR")
    await books.project(by_answer(replace(EDITED, type="merch"), job=B))
    assert await standing(books) == {}
    await books.project(by_read(Product(updated=10), seen=12))
    answered = await books.project(by_answer(replace(EDITED, type="merch"), seen=18.5, job=A))
    assert (answered.changed, answered.refetch) == (False, "no_event")
    assert await books.wanted() == {("product", PRODUCT): "no_event"}


async def test_a_cause_that_is_no_job_is_nobodys_business(seen):
    await seen.project(by_answer(EDITED, seen=18.5, job="somebody"))
    assert await standing(seen) == {}


async def test_an_answer_that_cannot_be_read_has_no_effect_to_tell_of(seen):
    broken = by_answer(EDITED, job=A).model_copy(update={"body": orjson.dumps({"id": 1})})
    with pytest.raises(MalformedPayload):
        await seen.project(broken)
    assert await seen.wanted() == {("product", PRODUCT): "malformed"}
    assert await standing(seen) == {}


async def test_effects_are_dropped_when_nobody_asks_about_them_any_more(seen, monkeypatch):
    async with transaction(seen.pool) as connection:
        await effects.put(connection, [Effect(UUID(int=number), PRODUCT, 1, made=False) for number in range(5)])
        await connection.execute("UPDATE effects SET at = now() - interval '9 days' WHERE job_id <> $1", UUID(int=0))
    monkeypatch.setattr(effects, "DROPPED_AT_ONCE", 3)
    cleaner = Cleaner(seen.pool)
    assert [await cleaner.step(), await cleaner.step()] == [True, False]
    assert set(await standing(seen)) == {UUID(int=0)}


async def test_an_answer_hides_no_lost_webhook_from_a_reconcile(pool):
    """Somebody else's price was lost, our title was answered; the product's own time is that of our edit."""
    async with staged(pool) as stage:
        made = await stage.shop.create("Jazz Night", TICKETS)
        await stage.backfill()
        await next_second()
        await stage.shop.edit(made["id"], variants=[{"id": made["variants"][0]["id"], "price": "99.00"}])
        await next_second()
        answer = await OurEdits(stage.client).edit(made["id"], title="Edited")
        await stage.lose()
        await stage.wire.publish(answer)
        before = await stage.sql("SELECT title, price FROM events JOIN tickets ON event_id = events.id")
        assert [(row["title"], str(row["price"])) for row in before] == [("Edited", "25.000")]
        await next_second()
        await stage.reconcile()
        after = await stage.sql("SELECT title, price FROM events JOIN tickets ON event_id = events.id")
        assert [(row["title"], str(row["price"])) for row in after] == [("Edited", "99.000")]
        drifted = {field for _, field in await stage.named()}
        assert "price" in drifted
        assert "title" not in drifted, "what was answered is no drift"
