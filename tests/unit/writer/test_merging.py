"""Edits that stand right behind each other become one call; what it brings about is what all of them would have."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from writer.job import Job, State
from writer.merging import MERGEABLE, MOST, group

EVENT = 42
KINDS = ("event.edit", "ticket.edit", "event.publish", "event.archive", "ticket.create", "event.delete")


def job(number: int, kind: str = "event.edit", *, ticket: int | None = None, alone: bool = False, **fields: Any) -> Job:
    return Job(UUID(int=number), number, EVENT, kind, EVENT, ticket, fields, None, State.QUEUED, alone, None)


@st.composite
def queues(draw: st.DrawFn) -> list[Job]:
    count = draw(st.integers(1, 12))
    numbers = itertools.count(1)
    return [
        job(
            next(numbers),
            draw(st.sampled_from(KINDS)),
            ticket=draw(st.sampled_from((7, 8))),
            alone=draw(st.integers(0, 9)) == 0,
            **draw(st.dictionaries(st.sampled_from("abc"), st.integers(0, 3), max_size=3)),
        )
        for _ in range(count)
    ]


def carried_out(commands: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What is left when one edit after the other is made."""
    fields: dict[str, Any] = {}
    for command in commands:
        fields |= command
    return fields


@given(queues())
def test_a_group_brings_about_what_its_commands_would_have_one_after_the_other(queue: list[Job]) -> None:
    found = group(queue)
    members = [*found.superseded, found.leader]
    wanted = found.leader.command if found.merged is None else found.merged
    assert wanted == carried_out([each.command for each in members])


@given(queues())
def test_a_group_is_the_head_of_the_queue_and_nothing_is_overtaken(queue: list[Job]) -> None:
    found = group(queue)
    members = [*found.superseded, found.leader]
    assert members == queue[: len(members)]
    assert len({(each.kind, each.ticket_id) for each in members}) == 1


@given(queues())
def test_what_is_to_be_tried_alone_is_and_only_edits_are_merged(queue: list[Job]) -> None:
    found = group(queue)
    if found.superseded:
        assert found.leader.kind in MERGEABLE
        assert not any(each.alone for each in (*found.superseded, found.leader))


@given(queues())
def test_nothing_that_could_go_along_is_left_behind(queue: list[Job]) -> None:
    found = group(queue)
    taken = len(found.superseded) + 1
    if taken < len(queue) and found.leader.kind in MERGEABLE and not found.leader.alone:
        following = queue[taken]
        alike = (following.kind, following.ticket_id) == (found.leader.kind, found.leader.ticket_id)
        assert following.alone or not alike


def test_ten_edits_are_one_call_and_a_publish_behind_them_waits() -> None:
    queue = [*(job(number, title=f"#{number}") for number in range(1, 11)), job(11, "event.publish")]
    found = group(queue)
    assert found.leader is queue[9]
    assert found.superseded == tuple(queue[:9])
    assert found.merged == {"title": "#10"}


def test_a_publish_between_two_edits_keeps_them_apart() -> None:
    queue = [job(1, title="a"), job(2, "event.publish"), job(3, title="b")]
    assert group(queue).leader is queue[0]
    assert group(queue).superseded == ()


def test_edits_of_two_tickets_are_two_calls() -> None:
    queue = [job(1, "ticket.edit", ticket=7, price="1.00"), job(2, "ticket.edit", ticket=8, price="2.00")]
    assert group(queue).leader is queue[0]


@pytest.mark.parametrize("length", [1, MOST, MOST + 5])
def test_a_group_is_bounded(length: int) -> None:
    found = group([job(number, title=str(number)) for number in range(1, length + 1)])
    assert len(found.superseded) + 1 == min(length, MOST)
