"""What a mutation of ours answered is shown at once, hides nothing that it does not say, and repeats nothing."""

from dataclasses import replace

import orjson
import pytest
from products import JOB, PRODUCT, Product, Variant, at, by_answer, by_read, by_webhook, deletion

from shared.contracts import Origin
from syncer import changes
from syncer.heard import Absence, Unreadable, hear
from syncer.rules import Rules
from syncer.source import SourceVersion, missing, shown
from syncer.versions import NEVER, Known, judge, judge_answer
from syncer.webhook_payloads import MalformedPayload

RULES = Rules()


def seen(before, change):
    """The row after a webhook or a read; and why Shopify is asked."""
    sighting = changes.sighting(change, RULES)
    verdict = judge(before, sighting.product, sighting.version, sighting.is_read)
    return Known(verdict.product, sighting.version, deleted=False) if verdict.product else before, verdict.refetch


def answered(before, change):
    verdict = judge_answer(before, changes.answered(change, RULES))
    version = before.version if before else NEVER
    return Known(verdict.product, version, deleted=False) if verdict.product else before, verdict.refetch


def title(row):
    return shown(row.product).title


READ, _ = seen(None, by_read(Product(updated=10), seen=12))
EDITED = Product(updated=20, title="Edited")


def test_an_answer_is_shown_at_once_and_asks_for_nothing():
    row, refetch = answered(READ, by_answer(EDITED, seen=18.5))
    assert (title(row), shown(row.product).updated_at, refetch) == ("Edited", at(20), None)
    assert shown(row.product).variants == READ.product.variants
    assert shown(row.product).images == READ.product.images
    assert missing(row.product) is None


def test_the_row_is_as_old_as_the_rest_so_what_is_missing_is_not_hidden():
    """A reconcile compares the row's version with Shopify's `updated_at`."""
    row, _ = answered(READ, by_answer(EDITED, seen=18.5))
    assert row.version == READ.version


def test_a_webhook_between_brings_the_rest_and_does_not_take_the_answer_back():
    row, _ = answered(READ, by_answer(EDITED, seen=18.5))
    dearer = Product(updated=15, title="Somebody else's", variants=(Variant(price="99.00", updated=15),))
    row, _ = seen(row, by_webhook(dearer, seen=15.2))
    assert title(row) == "Edited"
    assert str(shown(row.product).variants[0].price) == "99.00"
    assert row.version.updated_at == at(15)


@pytest.mark.parametrize("triggered", [17.0, 20.4])
def test_the_webhook_of_the_same_edit_comes_second_and_only_takes_the_place_of_the_answer(triggered):
    row, _ = answered(READ, by_answer(EDITED, seen=18.5))
    before = shown(row.product)
    row, refetch = seen(row, by_webhook(EDITED, seen=triggered))
    assert (row.product.answer, refetch) == (None, None)
    assert shown(row.product).title == before.title
    assert row.version.updated_at == at(20)


@pytest.mark.parametrize("left", [18.5, 20.9])
def test_where_the_webhook_of_the_same_edit_came_first_the_answer_changes_nothing(left):
    row, _ = seen(READ, by_webhook(EDITED, seen=20.4))
    assert judge_answer(row, changes.answered(by_answer(EDITED, seen=left), RULES)) == (
        judge_answer(row, changes.answered(by_answer(replace(EDITED, updated=19, title="Older")), RULES))
    )
    assert answered(row, by_answer(EDITED, seen=left)) == (row, None)


def test_an_answer_twice_changes_nothing_and_asks_for_nothing():
    row, _ = answered(READ, by_answer(EDITED, seen=18.5))
    assert answered(row, by_answer(EDITED, seen=18.5)) == (row, None)


def test_another_edit_within_the_second_is_asked_about_and_the_later_one_is_shown():
    row, _ = seen(READ, by_webhook(replace(EDITED, title="Theirs"), seen=20.6))
    earlier, asked = answered(row, by_answer(EDITED, seen=20.1))
    later, asked_too = answered(row, by_answer(EDITED, seen=20.8))
    assert (title(earlier), title(later), asked, asked_too) == ("Theirs", "Edited", "tie", "tie")
    settled, refetch = seen(later, by_read(replace(EDITED, title="Theirs"), seen=21))
    assert (title(settled), refetch) == ("Theirs", None)


def test_a_webhook_that_differs_from_an_answer_of_its_second_is_asked_about():
    row, _ = answered(READ, by_answer(EDITED, seen=20.3))
    for triggered, shows in ((20.1, "Edited"), (20.6, "Theirs")):
        after, refetch = seen(row, by_webhook(replace(EDITED, title="Theirs"), seen=triggered))
        assert (title(after), refetch) == (shows, "tie")


def test_a_read_that_began_after_the_mutation_left_decides():
    row, _ = answered(READ, by_answer(EDITED, seen=20.3))
    row, refetch = seen(row, by_read(replace(EDITED, title="Theirs"), seen=20.4))
    assert (title(row), row.product.answer, refetch) == ("Theirs", None, None)


def test_an_older_answer_is_stale():
    row, _ = answered(READ, by_answer(EDITED, seen=18.5))
    assert answered(row, by_answer(replace(EDITED, updated=19, title="Before"), seen=30)) == (row, None)


def test_metafields_that_an_answer_leaves_out_are_as_they_were():
    with_subtitle = replace(EDITED, metafields={"event.subtitle": "New"})
    row, _ = answered(READ, by_answer(with_subtitle, seen=18.5))
    later = replace(EDITED, updated=22, title="Again")
    row, _ = answered(row, by_answer(later, seen=21, metafields=False))
    assert (title(row), shown(row.product).metafields) == ("Again", {"event.subtitle": "New"})


def test_metafields_of_which_more_pages_follow_were_not_said():
    change = by_answer(replace(EDITED, metafields={"event.subtitle": "New"}))
    body = orjson.loads(change.body)
    body["metafields"]["pageInfo"] = {"hasNextPage": True}
    cut = change.model_copy(update={"body": orjson.dumps(body)})
    assert changes.answered(change, RULES).answer.metafields == {"event.subtitle": "New"}
    assert changes.answered(cut, RULES).answer.metafields is None


def test_of_what_was_never_seen_all_the_rest_is_read_and_any_webhook_brings_more():
    row, refetch = answered(None, by_answer(EDITED, seen=18.5))
    assert (title(row), refetch, row.version) == ("Edited", "metafields", NEVER)
    row, refetch = seen(row, by_webhook(EDITED, seen=20.1, variant_metafields=True))
    assert (len(row.product.variants), row.product.answer) == (1, None)
    assert refetch == "tickets"


def test_an_answer_never_resurrects_what_was_deleted_it_asks():
    grave = Known(READ.product, SourceVersion(at(19), at(19)), deleted=True)
    assert answered(grave, by_answer(EDITED, seen=18.5)) == (grave, "deleted")
    assert answered(grave, by_answer(replace(EDITED, updated=18), seen=17)) == (grave, None)


def test_an_answer_that_cannot_be_read_is_refused_and_its_product_read_instead():
    change = by_answer(EDITED).model_copy(update={"body": b"{}"})
    heard = hear(change, RULES)
    assert heard.what == Unreadable(PRODUCT, at(20))
    assert isinstance(heard.refused, MalformedPayload)
    other = by_answer(replace(EDITED, id=7)).model_copy(update={"product_id": PRODUCT})
    assert isinstance(hear(other, RULES).refused, MalformedPayload)


def test_what_a_job_has_deleted_is_an_absence_and_the_job_is_known():
    gone = hear(deletion(PRODUCT, 5, Origin.COMMAND).model_copy(update={"caused_by": str(JOB)}), RULES)
    assert (gone.what, gone.job) == (Absence(PRODUCT, at(5)), JOB)
