"""Jobs as operators read of them: who dispatches, what waits, what to look at when nobody knows."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from ops import jobs_in_words
from ops.job import Dispatcher, Job, Story

AT = datetime(2026, 11, 23, 10, tzinfo=UTC)
ID = UUID("0199aaaa-0000-7000-8000-000000000001")


def dispatcher(**changes: Any) -> Dispatcher:
    known: dict[str, Any] = {"owner": "a1", "epoch": 7, "held": True, "expires_in": 12.0, "breaker_in": 0.0}
    return Dispatcher(**(known | {"breaker_reason": None, "latency": 2.0} | changes))


def story(**changes: Any) -> Story:
    known: dict[str, Any] = {
        "id": ID, "kind": "event.edit", "event_id": 42, "ticket_id": None, "command": {"title": "Late"}, "merged": None,
        "owner": "key:organizer", "state": "in_doubt", "superseded_by": None, "attempts": 1, "due_at": AT, "epoch": 3,
        "retried_from": 0, "error": None, "note": None, "cost": None, "observed_at": None,
        "visible_revision": None, "version": 1, "created_at": AT, "dispatched_at": AT, "finished_at": AT,
        "due_in": 0.0, "seconds": 2.0,
    }  # fmt: skip
    return Story(Job(**(known | changes)), [], [], None, deleted=False)


def test_who_dispatches_and_that_nobody_does() -> None:
    assert jobs_in_words.lease(dispatcher()) == "dispatched by a1 (epoch 7, its lease ends in 12 s)"
    assert "nobody dispatches: the lease of a1 (epoch 7) is over" in jobs_in_words.lease(dispatcher(held=False))
    assert "is the writer running?" in jobs_in_words.lease(dispatcher(owner=None))


def test_a_breaker_is_spoken_of_only_while_it_is_open() -> None:
    assert jobs_in_words.breaker(dispatcher()) == ""
    assert jobs_in_words.breaker(dispatcher(breaker_in=5.0)) == "nothing is sent to Shopify for 5.0 s: it fails"


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
