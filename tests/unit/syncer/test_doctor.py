"""What the doctor makes of the facts: each judge by itself."""

from datetime import UTC, date, datetime, timedelta

import pytest

from shared.metafields import EVENT_FIELDS, TICKET_FIELDS
from syncer.doctor import access, api_version, clocks, definitions, places, repairs, traffic
from syncer.doctor.clocks import Ahead, ahead, narrowed
from syncer.doctor.definitions import Definition
from syncer.doctor.findings import named, span
from syncer.doctor.places import Place
from syncer.doctor.repairs import Course
from syncer.doctor.traffic import Heard, Newest, Queue, Stuck
from syncer.rules import Rules

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


# Words


def test_a_sentence_names_a_few_things_and_counts_the_rest():
    assert named([]) == ""
    assert named(["a"]) == "a"
    assert named("abc") == "a, b and c"
    assert named("abcdefghijkl") == "a, b, c, d, e, f, g, h and 4 more"


@pytest.mark.parametrize(
    ("seconds", "words"), [(45, "45 s"), (600, "10 min"), (3 * 3600, "3 h"), (5 * 86400, "5 days")]
)
def test_a_span_is_said_in_words(seconds, words):
    assert span(seconds) == words


# Scopes


def test_who_may_write_may_read():
    granted = {"write_products", "write_inventory", "read_locations", "write_publications"}
    assert [found.state for found in access.findings(granted)] == ["ok"]


def test_a_scope_that_we_read_by_is_a_failure_and_none_is_wanted_for_writing():
    [missing] = access.findings({"read_products", "read_inventory"})
    assert missing.state == "failed"
    assert "read_locations" in missing.says
    assert "read_products" not in missing.says
    assert [found.state for found in access.findings(access.FOR_READING)] == ["ok"]


# API version

SUPPORTED = {"2026-01": True, "2026-04": True, "2026-07": True, "2026-10": True, "2027-01": False, "unstable": False}


def version(asked="2026-10", answered="same", today=date(2026, 11, 22)):
    return api_version.finding(asked, asked if answered == "same" else answered, SUPPORTED, today)


def test_a_version_lives_twelve_months():
    assert api_version.ends("2026-10") == date(2027, 10, 1)
    assert api_version.ends("2026-01") == date(2027, 1, 1)
    assert api_version.ends("2026-12") == date(2027, 12, 1)
    assert api_version.ends("unstable") is None


def test_a_supported_version_says_until_when():
    assert version().state == "ok"
    assert "2027-10-01" in version().says


def test_a_version_that_is_about_to_end_is_a_warning_that_names_the_newest():
    found = version("2026-01")
    assert (found.state, "in 40 days" in found.says, "2026-10" in str(found.todo)) == ("warning", True, True)


@pytest.mark.parametrize(
    ("asked", "answered", "state"),
    [
        ("2025-10", "2026-01", "failed"),  # it fell forward
        ("2025-10", None, "failed"),
        ("2027-01", "2027-01", "failed"),  # a candidate
        ("unstable", "unstable", "warning"),
    ],
)
def test_another_version_than_a_supported_one_is_not_ok(asked, answered, state):
    assert version(asked, answered).state == state


# Clocks


def test_a_clock_that_shows_whole_seconds_is_known_to_within_one_and_the_journey():
    asked, heard = NOW, NOW + timedelta(seconds=0.2)
    assert ahead(asked, NOW, heard, timedelta(seconds=1)) == Ahead(-0.2, 1.0)


def test_several_readings_narrow_it_down():
    assert narrowed([Ahead(-0.2, 1.0), Ahead(-0.9, 0.3)]) == Ahead(-0.2, 0.3)
    assert narrowed([]) is None
    assert narrowed([Ahead(0, 1), Ahead(5, 6)]) == Ahead(5, 6)  # somebody set it


@pytest.mark.parametrize(
    ("least", "most", "state", "words"),
    [
        (-0.2, 1.0, "ok", "within 1.0 s"),
        (-3.0, 3.0, "ok", "within 3.0 s"),  # a slow answer proves nothing
        (2.5, 3.5, "warning", "2.5 s ahead"),
        (-4.0, -3.0, "warning", "3.0 s behind"),
        (61.0, 62.0, "failed", "61.0 s ahead"),
    ],
)
def test_only_what_is_sure_is_held_against_a_clock(least, most, state, words):
    found = clocks.finding("clock_shopify", "Shopify", Ahead(least, most), clocks.SHOPIFY)
    assert found.state == state
    assert words in found.says


def test_a_clock_that_says_nothing_is_a_warning():
    assert clocks.finding("clock_shopify", "Shopify", None, "").state == "warning"


# Location

BOX_OFFICE, OUTLET, CLOSED = Place(1, "Box Office", True), Place(2, "Outlet", True), Place(3, "Closed", False)


@pytest.mark.parametrize(
    ("told", "known", "state"),
    [
        (1, [BOX_OFFICE, CLOSED], "ok"),
        (3, [BOX_OFFICE, CLOSED], "failed"),
        (9, [BOX_OFFICE, CLOSED], "failed"),
        (None, [BOX_OFFICE, CLOSED], "ok"),
        (None, [BOX_OFFICE, OUTLET], "ok"),
        (None, [CLOSED], "ok"),
    ],
)
def test_a_location_that_is_named_must_be_there_and_active(told, known, state):
    assert places.finding(told, known).state == state


def test_what_is_not_there_says_what_is():
    assert "Box Office (1) and Outlet (2)" in places.finding(9, [BOX_OFFICE, OUTLET, CLOSED]).says
    assert "Box Office (1) and Outlet (2)" in places.finding(None, [BOX_OFFICE, OUTLET, CLOSED]).says


# Metafields

WELL = [
    Definition(owner, f"{namespace}.{name}", definitions.TYPES.get(name, definitions.TEXT)[0])
    for owner, namespace, names in (("PRODUCT", "event", EVENT_FIELDS), ("PRODUCTVARIANT", "ticket", TICKET_FIELDS))
    for name in names
]


def test_every_field_defined_as_we_read_it_is_well():
    assert [found.state for found in definitions.findings(Rules(), WELL)] == ["ok"]


def test_what_is_not_defined_is_said_with_the_type_to_define():
    [found] = definitions.findings(
        Rules(), [one for one in WELL if one.name not in ("event.starts_at", "ticket.visible")]
    )
    assert found.state == "warning"
    assert "products: event.starts_at (date_time); variants: ticket.visible (boolean)" in found.says


def test_a_type_that_does_not_fit_is_said():
    odd = [Definition("PRODUCTVARIANT", "ticket.capacity", "number_decimal")]
    [found] = definitions.findings(Rules(), [*(one for one in WELL if one.name != "ticket.capacity"), *odd])
    assert (found.state, "number_decimal" in found.says, "number_integer" in str(found.todo)) == ("warning", True, True)


def test_a_definition_of_the_other_owner_does_not_count():
    moved = [Definition("PRODUCT", "ticket.capacity", "number_integer")]
    [found] = definitions.findings(Rules(), [*(one for one in WELL if one.name != "ticket.capacity"), *moved])
    assert "variants: ticket.capacity" in found.says


# The bus and the tables


@pytest.mark.parametrize(
    ("queue", "state"),
    [
        (Queue(0, 0, None), "ok"),
        (Queue(5000, 64, 3.0), "ok"),
        (Queue(1, 0, None), "ok"),
        (Queue(3, 1, 61.0), "warning"),
        (Queue(0, 1, 901.0), "failed"),
    ],
)
def test_a_queue_is_judged_by_how_long_its_oldest_waits(queue, state):
    assert traffic.of_queue(queue).state == state


def test_dead_letters_are_a_warning():
    assert traffic.of_dead_letters(0).state == "ok"
    found = traffic.of_dead_letters(2)
    assert (found.state, found.says) == ("warning", "2 messages were given up within 30 days.")


def test_reads_that_keep_failing_are_said_with_their_error():
    [found] = traffic.of_refetches(Stuck(2, NOW - HOUR, "ShopifyUnavailable()", 0), NOW)
    assert (found.state, "60 min" in found.says, "ShopifyUnavailable" in found.says) == ("warning", True, True)
    assert [found.state for found in traffic.of_refetches(Stuck(0, None, None, 3), NOW)] == ["warning"]
    assert [found.state for found in traffic.of_refetches(Stuck(0, None, None, 0), NOW)] == ["ok"]


def seen(*origins):
    return [Heard(origin, NOW - HOUR) for origin in origins]


@pytest.mark.parametrize(
    ("edited_before", "heard", "state", "words"),
    [
        (HOUR, seen("webhook"), "ok", "by its webhook"),
        (HOUR, seen("webhook", "refetch", "reconcile"), "ok", "by its webhook"),
        (HOUR, seen("backfill"), "ok", "by a backfill"),
        (HOUR, seen("reconcile"), "warning", "not by a webhook"),
        (HOUR - MINUTE, seen("webhook"), "failed", "has not come in"),  # of an edit before
        (HOUR, [], "failed", "has not come in"),
        (MINUTE, [], "ok", "on its way"),
        (8 * DAY, [], "ok", "older than"),
    ],
)
def test_the_last_edit_must_have_come_in(edited_before, heard, state, words):
    found = traffic.of_webhooks(Newest(42, NOW - edited_before), heard, NOW, 7 * DAY)
    assert found.state == state
    assert words in found.says


def test_an_empty_shop_is_no_silent_one():
    assert traffic.of_webhooks(None, [], NOW, 7 * DAY).state == "ok"


@pytest.mark.parametrize(
    ("course", "state"),
    [
        (Course(NOW, None), "ok"),
        (Course(None, "under way"), "warning"),
        (Course(None, None), "warning"),
        (Course(NOW, None, NOW, "ExportTruncated: 3 are missing"), "warning"),
        (Course(None, None, NOW, "ExportTruncated: 3 are missing"), "warning"),
    ],
)
def test_the_shop_must_have_been_read_whole(course, state):
    assert repairs.of_backfill(course).state == state


@pytest.mark.parametrize(
    ("ended_before", "whole_before", "state"),
    [
        (10 * MINUTE, DAY, "ok"),
        (50 * MINUTE, DAY, "ok"),  # it takes its time
        (HOUR + MINUTE, DAY, "warning"),
        (None, DAY, "warning"),
        (None, 10 * MINUTE, None),  # it is not due yet
        (None, None, None),  # nothing was read yet
    ],
)
def test_a_comparison_that_is_overdue_is_a_warning(ended_before, whole_before, state):
    course = Course(None if ended_before is None else NOW - ended_before, None)
    whole_at = None if whole_before is None else NOW - whole_before
    found = repairs.of_reconcile("window", course, 30 * MINUTE, whole_at, NOW)
    assert (found and found.state) == state


def test_drift_that_was_repaired_is_said_and_only_much_of_it_is_a_warning():
    [little] = repairs.of_drift({"missed": (12, 4), "tie": (1, 1)}, events=100)
    assert (little.state, "13 fields" in little.says, "missed 12, tie 1" in little.says) == ("ok", True, True)
    [much] = repairs.of_drift({"missed": (40, 20)}, events=100)
    assert much.state == "warning"
    assert [found.state for found in repairs.of_drift({}, 100)] == ["ok"]
