"""A revision is raised where readers would see a difference, and nowhere else."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from products import ITEM, Product, Variant, at, by_read

from syncer import changes
from syncer.projections import Facts, Stock, project
from syncer.revisions import Standing, revise
from syncer.rules import Rules

LATER, NOW = at(9999), at(100)


def event_of(product=None, available=100, complete=True, observed=None):
    seen = changes.sighting(by_read(product or Product()), Rules()).product
    stock = {ITEM: (Stock(1, available, None, None),)}
    return project(seen, Facts(stock, observed or {seen.variants[0].id: 100}, "EUR"), Rules(), complete)


def standing_of(event, deleted=False):
    first = revise(None, event, NOW)
    return Standing(first.edition, first.documents, event.description_html, visible=True, deleted=deleted)


def revised(change_to, before=None):
    return revise(standing_of(before or event_of()), change_to, LATER)


def test_what_was_never_seen_gets_revision_one():
    first = revise(None, event_of(), NOW)
    assert (first.edition.revision, first.edition.listed_revision, first.changed, first.listed) == (1, 1, True, True)


def test_a_duplicate_raises_nothing():
    """Promise P4."""
    again = revised(event_of())
    assert (again.changed, again.listed, again.edition.revision) == (False, False, 1)
    assert again.documents == standing_of(event_of()).documents


def test_a_sale_raises_the_event_and_no_list():
    sold = revised(event_of(available=60))
    assert (sold.changed, sold.listed, sold.edition.revision, sold.edition.listed_revision) == (True, False, 2, 1)
    assert sold.documents.item == standing_of(event_of()).documents.item


def test_the_sale_that_changes_the_word_raises_the_lists():
    sold = revised(event_of(available=5))
    assert (sold.listed, sold.edition.listed_revision) == (True, 2)


def test_a_sale_whose_rest_must_still_be_read_raises_no_list():
    incomplete = revised(event_of(available=60, complete=False))
    assert (incomplete.changed, incomplete.listed) == (True, False)


def test_the_time_alone_raises_the_event_only():
    touched = revised(event_of(Product(updated=50)))
    assert (touched.changed, touched.listed) == (True, False)


def test_a_description_that_nobody_lists_raises_the_lists_because_search_finds_it():
    described = revised(event_of(Product(html="<p>other</p>")))
    assert (described.changed, described.listed) == (True, True)


@pytest.mark.parametrize(
    "edit",
    [
        {"title": "New"}, {"handle": "new"}, {"status": "draft"}, {"tags": ("new",)}, {"type": "theatre"},
        {"images": ()}, {"metafields": {"event.venue_city": "Köln"}}, {"metafields": {"event.starts_at": "2027-01-01"}},
        {"variants": (Variant(price="30.00"),)},
    ],
)  # fmt: skip
def test_whatever_lists_show_filter_or_sort_by_raises_them(edit):
    changed = revised(event_of(Product(updated=50, **edit)))
    assert (changed.listed, changed.edition.listed_revision, changed.edition.listed_at) == (True, 2, at(50))


def test_what_comes_back_after_a_deletion_raises_everything_even_unchanged():
    back = revise(standing_of(event_of(), deleted=True), event_of(), LATER)
    assert (back.changed, back.listed, back.edition.revision) == (True, True, 2)


def test_the_revision_and_the_time_of_an_edition_are_in_its_documents():
    changed = revised(event_of(Product(title="New")))
    assert '"revision":2' in changed.documents.document
    assert changed.edition.synced_at == LATER


@given(st.lists(st.tuples(st.sampled_from(["A", "B"]), st.integers(0, 20), st.booleans()), min_size=1, max_size=10))
def test_revisions_grow_by_one_exactly_where_a_document_differs(steps):
    standing = None
    for title, available, complete in steps:
        event = event_of(Product(title=title), available, complete)
        made = revise(standing, event, LATER)
        if standing is not None:
            shown = replace(made.edition, revision=standing.edition.revision, synced_at=standing.edition.synced_at)
            assert made.edition.revision - standing.edition.revision == int(made.changed)
            assert made.changed == (made.documents != standing.documents)
            assert made.listed <= made.changed
            assert shown.listed_revision <= made.edition.revision
        standing = Standing(made.edition, made.documents, event.description_html, visible=True, deleted=False)
