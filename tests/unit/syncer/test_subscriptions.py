"""What a good webhook subscription is, and what is done about the others."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pydantic import HttpUrl

from syncer.doctor.look import Look, Refusal, Search, findings
from syncer.doctor.subscriptions import FIELDS, TOPICS, Diagnosis, Fault, Subscription, diagnose, wanted
from syncer.rules import Rules

URL = HttpUrl("https://hooks.example/understudy/")
VERSION = "2026-10"
NEEDED = wanted(URL, Rules().namespaces())


def there(need, number=1, **changed):
    one = Subscription(
        id=f"gid://{number}", topic=need.enum, uri=need.uri, namespaces=need.namespaces, api_version=VERSION
    )
    return replace(one, **changed)


ALL_THERE = [there(need, number) for number, need in enumerate(NEEDED)]


def with_first(**changed):
    return diagnose(NEEDED, [replace(ALL_THERE[0], **changed), *ALL_THERE[1:]], VERSION)


def test_every_topic_goes_to_its_own_address_below_the_public_one():
    assert {each.topic for each in NEEDED} == set(TOPICS)
    assert NEEDED[0].uri == "https://hooks.example/understudy/webhooks/products/create"
    assert NEEDED[0].enum == "PRODUCTS_CREATE"


def test_only_products_carry_metafields():
    assert {each.topic for each in NEEDED if each.namespaces} == {"products/create", "products/update"}
    assert NEEDED[0].namespaces == {"event", "ticket"}


def test_without_an_address_none_is_wanted():
    assert wanted(None, ["event"]) == []


def test_when_all_are_good_nothing_is_to_be_done():
    diagnosis = diagnose(NEEDED, ALL_THERE, VERSION)
    assert diagnosis == Diagnosis(good=tuple(ALL_THERE))
    assert not diagnosis.todo
    assert not diagnosis.starving


def test_what_is_missing_is_created_and_has_starved_us():
    diagnosis = diagnose(NEEDED, ALL_THERE[1:], VERSION)
    assert diagnosis.create == (NEEDED[0],)
    assert diagnosis.starving == 1


def test_one_that_lacks_metafields_is_mended_in_place_keeps_those_of_others_and_starves_nobody():
    diagnosis = with_first(namespaces=frozenset({"event", "theirs"}))
    [mend] = diagnosis.mend
    assert (mend.found.id, mend.need.namespaces) == ("gid://0", {"event", "ticket", "theirs"})
    assert mend.in_place
    assert not diagnosis.starving  # what a body leaves out is read


def test_one_that_carries_more_than_we_need_is_good():
    assert not with_first(namespaces=NEEDED[0].namespaces | {"theirs"}).todo


def test_xml_is_mended_in_place_and_has_starved_us():
    diagnosis = with_first(format="XML")
    [mend] = diagnosis.mend
    assert (mend.faults, mend.in_place, diagnosis.starving) == ({Fault.FORMAT}, True, 1)


@pytest.mark.parametrize(
    "fields", [{"id", "updated_at"}, set(FIELDS["products/create"]) - {"updated_at"}, {"variants.price"}]
)
def test_fields_that_leave_out_what_we_read_take_a_new_subscription(fields):
    diagnosis = with_first(fields=frozenset(fields))
    [mend] = diagnosis.mend
    assert (mend.faults, mend.in_place, diagnosis.starving) == ({Fault.FIELDS}, False, 1)


def test_fields_that_hold_all_that_we_read_are_good():
    assert not with_first(fields=FIELDS["products/create"] | {"vendor"}).todo


def test_a_filter_at_our_address_takes_a_new_subscription():
    diagnosis = with_first(filter="variants.price:>=10.00")
    [mend] = diagnosis.mend
    assert (mend.faults, mend.in_place, diagnosis.starving) == ({Fault.FILTER}, False, 1)


def test_another_api_version_alone_is_dated_not_broken():
    diagnosis = with_first(api_version="2025-10")
    assert [mend.found.id for mend in diagnosis.dated] == ["gid://0"]
    assert (diagnosis.mend, diagnosis.starving, diagnosis.todo) == ((), 0, False)


@pytest.mark.parametrize(
    "uri",
    [
        NEEDED[0].uri + "/",
        NEEDED[0].uri.replace("hooks.example", "Hooks.Example:443"),
        NEEDED[0].uri + "?from=before",
    ],
)
def test_a_second_one_that_leads_to_the_same_place_is_a_double(uri):
    double = there(NEEDED[0], 99, uri=uri)
    diagnosis = diagnose(NEEDED, [*ALL_THERE, double], VERSION)
    assert diagnosis.doubles == (double,)
    assert diagnosis.todo


def test_what_leads_elsewhere_is_left_alone_and_replaces_nothing():
    elsewhere = [
        there(NEEDED[0], 0, uri="https://other.example/webhooks/products/create"),
        there(NEEDED[0], 98, uri="pubsub://project:topic"),
        there(NEEDED[0], 97, uri="https://hooks.example:99999/understudy"),
    ]
    diagnosis = diagnose(NEEDED, [*elsewhere, *ALL_THERE[1:]], VERSION)
    assert diagnosis.create == (NEEDED[0],)
    assert diagnosis.foreign == tuple(elsewhere)
    assert diagnosis.doubles == ()


def test_what_leads_to_our_host_where_nobody_listens_is_a_stray():
    stray = there(NEEDED[0], 99, topic="ORDERS_CREATE")
    assert diagnose(NEEDED, [*ALL_THERE, stray], VERSION).strays == (stray,)


# In words


def states(look):
    return [(found.state, found.says, found.todo) for found in findings(look)]


def test_what_was_missing_is_said_with_what_becomes_of_the_gap():
    before, after = diagnose(NEEDED, [], VERSION), diagnose(NEEDED, ALL_THERE, VERSION)
    search = Search(datetime(2026, 11, 22, 8, tzinfo=UTC), 7)
    [(state, says, todo)] = states(Look(len(NEEDED), before, after, search=search))
    assert (state, todo) == ("repaired", None)
    assert says.startswith("Registered products/create, products/update")
    assert "since 2026-11-22 08:00:00 UTC may have been missed; run 7 reconciles it" in says


def test_what_shopify_refuses_is_failed_in_its_words_with_what_to_do():
    nothing = diagnose(NEEDED, [], VERSION)
    refused = tuple(Refusal(need.topic, "Address protocol http:// is not supported") for need in NEEDED)
    [(state, says, todo)] = states(Look(len(NEEDED), nothing, nothing, refused))
    assert state == "failed"
    assert "Address protocol http:// is not supported" in says
    assert todo is not None
    assert "https" in todo


def test_foreign_ones_are_mentioned():
    well = diagnose(NEEDED, [*ALL_THERE, there(NEEDED[0], 99, uri="https://other.example/x")], VERSION)
    assert [state for state, _, _ in states(Look(len(NEEDED), well, well))] == ["ok", "ok"]
    assert "other.example" in states(Look(len(NEEDED), well, well))[1][1]


def test_that_nobody_registers_them_is_a_warning():
    [(state, says, _)] = states(Look(0))
    assert state == "warning"
    assert "WEBHOOK_PUBLIC_URL" in says
