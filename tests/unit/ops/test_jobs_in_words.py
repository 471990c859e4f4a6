"""Jobs as operators read of them: who dispatches, what waits, what to look at when nobody knows."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from ops import jobs_in_words
from ops.job import Call, Census, Dispatcher, Job, Story

AT = datetime(2026, 11, 23, 10, tzinfo=UTC)
ID = UUID("0199aaaa-0000-7000-8000-000000000001")


def dispatcher(**changes: Any) -> Dispatcher:
    known: dict[str, Any] = {"owner": "a1", "epoch": 7, "held": True, "expires_in": 12.0, "breaker_in": 0.0}
    return Dispatcher(**(known | {"breaker_reason": None, "latency": 2.0} | changes))


def story(**changes: Any) -> Story:
    known: dict[str, Any] = {
        "id": ID, "kind": "event.edit", "event_id": 42, "ticket_id": None, "command": {"title": "Late"}, "merged": None,
        "owner": "key:organizer", "state": "in_doubt", "superseded_by": None, "attempts": 1, "due_at": AT, "epoch": 3,
        "retried_from": 0, "waits_for": None, "waits_because": None, "error": None, "note": None, "cost": None,
        "observed_at": None,
        "visible_revision": None, "version": 1, "created_at": AT, "dispatched_at": AT, "finished_at": AT,
        "due_in": 0.0, "seconds": 2.0,
    }  # fmt: skip
    return Story(Job(**(known | changes)), [], [], None, deleted=False)


def test_who_dispatches_and_that_nobody_does() -> None:
    assert jobs_in_words.lease(dispatcher()) == "dispatched by a1 (epoch 7, its lease ends in 12 s)"
    assert jobs_in_words.lease(dispatcher(), 70) == "dispatched by a1 (pid 70, epoch 7, its lease ends in 12 s)"
    assert "nobody dispatches: the lease of a1 (epoch 7) is over" in jobs_in_words.lease(dispatcher(held=False))
    assert "is the writer running?" in jobs_in_words.lease(dispatcher(owner=None))


def test_a_breaker_is_spoken_of_only_while_it_is_open() -> None:
    assert jobs_in_words.breaker(dispatcher()) == ""
    assert jobs_in_words.breaker(dispatcher(breaker_in=5.0)) == "nothing is sent to Shopify for 5.0 s: it fails"


def call(number: int, **changes: Any) -> Call:
    known: dict[str, Any] = {
        "number": number, "document": "event_edit", "variables": {}, "retry": "natural", "epoch": 3, "sent_at": AT,
        "within": 10.0, "outcome": None, "answer": None, "cost": None, "answered_at": None, "gave_up_at": AT,
        "late": False, "discarded": False,
    }  # fmt: skip
    return Call(**(known | changes))


def outcomes(calls: list[Call], **changes: Any) -> list[object]:
    """The column of that name."""
    return [row[5] for row in jobs_in_words.calls(replace(story(**changes), calls=calls))]


def test_how_many_commands_wait_and_for_how_long() -> None:
    assert jobs_in_words.census(Census(9, 0, 21.0)) == "9 open, 0 in doubt, the oldest 21 s old"
    assert jobs_in_words.census(Census(0, 2, None)) == "0 open, 2 in doubt"


def test_of_a_call_without_an_answer_it_is_said_what_came_of_it() -> None:
    assert outcomes([call(0)]) == ["no answer"]
    assert outcomes([call(0, gave_up_at=None)], state="dispatching") == ["unknown"]
    assert outcomes([call(0)], state="succeeded") == ["no answer; found done when read back"]
    assert outcomes([call(0)], state="succeeded", note="seen") == ["no answer; found done, or see the note"]
    repeated = [call(0), call(1, outcome="done")]
    assert outcomes(repeated, state="succeeded") == ["no answer; repeated as 1", "done"]


def test_what_is_wanted_is_shown_as_json_where_it_is_no_text() -> None:
    tickets = {"tickets": [{"name": "VIP", "sold_out": True}], "title": "Late"}
    assert jobs_in_words.asked(story(command=tickets)) == [
        ("tickets", '[{"name":"VIP","sold_out":true}]', "-"),
        ("title", "Late", "-"),
    ]


def test_what_a_job_waits_for_is_said_in_short_and_in_its_own_words() -> None:
    waits = {"state": "dispatching", "finished_at": None, "due_in": 12.0, "waits_for": "unknown_outcome"}
    told = story(**waits, waits_because="Shopify gave no answer within 10 s")
    assert dict(jobs_in_words.facts(told))["waits"] == "Shopify gave no answer within 10 s; next look in 12 s"
    assert jobs_in_words.state(told.job) == "dispatching, waits for what was sent 12 s"
    away = story(state="queued", finished_at=None, waits_for="shopify", waits_because="HTTP 503")
    assert dict(jobs_in_words.facts(away))["waits"] == "HTTP 503; it is tried again soon"
    assert jobs_in_words.state(away.job) == "queued, waits for Shopify"


@pytest.mark.parametrize(
    ("changes", "look"),
    [
        ({}, "/admin/products/42, whether it is as wanted above"),
        ({"kind": "ticket.edit", "ticket_id": 420}, "/admin/products/42/variants/420, whether it is as wanted"),
        ({"kind": "event.delete"}, "whether /admin/products/42 is gone"),
        (
            {"kind": "ticket.create", "command": {"name": "VIP"}},
            f"a variant VIP whose metafield understudy.job is {ID}",
        ),
    ],
)
def test_who_has_to_decide_is_told_where_to_look(changes: dict[str, Any], look: str) -> None:
    said = "\n".join(jobs_in_words.advice(story(**changes)))
    assert look in said
    assert f"understudy jobs resolve {ID} --as succeeded --note" in said
    assert f"understudy jobs retry {ID}" in said


@pytest.mark.parametrize("state", ["queued", "dispatching", "succeeded", "cancelled", "superseded"])
def test_where_nothing_has_to_be_done_nothing_is_advised(state: str) -> None:
    assert jobs_in_words.advice(story(state=state)) == []


def test_a_parked_event_says_when_it_goes_on() -> None:
    told = dict(jobs_in_words.facts(story(state="dispatching", finished_at=None, due_in=12.0)))
    assert told["event parked"] == "until 2026-11-23 10:00:00 UTC, 12 s more"
    assert "readers" not in told
    assert dict(jobs_in_words.facts(story(state="succeeded")))["readers"].startswith("don't see it yet")
