"""What `understudy bench write` says of a run: points used while there was enough to do, and the order of effects."""

import pytest

from ops.bench.budget_use import Sample, use
from ops.bench.commanded import alike, apart, disorder

EVENTS = ["1", "2"]


def test_titles_and_states_take_turns_so_that_nothing_can_be_merged() -> None:
    made = [command.effect for command in apart(EVENTS, 10, "T") if command.event_id == "1"]
    assert made == [("title", "T 0"), ("status", "DRAFT"), ("title", "T 4"), ("status", "ARCHIVED"), ("title", "T 8")]
    assert [command.effect[0] for command in alike(EVENTS, 4, "T")] == ["title"] * 4


@pytest.mark.parametrize(
    ("happened", "late"),
    [
        (["T 0", "T 2", "T 4"], 0),
        (["T 4"], 0),  # the others were merged into it
        (["T 2", "T 0", "T 4"], 1),
        (["T 0", "T 4", "T 4"], 1),  # twice
        (["T 0", "another", "T 4"], 1),
        ([], 0),
    ],
)
def test_an_effect_is_out_of_order_when_a_later_one_came_before_it(happened: list[str], late: int) -> None:
    effects = {"1": [("title", title) for title in happened]}
    assert disorder(alike(EVENTS, 6, "T"), effects, finals={}) == late


def test_an_event_has_to_end_as_it_was_commanded_last() -> None:
    commands = apart(["1"], 4, "T")
    in_order = {"1": [command.effect for command in commands]}
    assert disorder(commands, in_order, finals={"1": {"title": "T 2", "status": "ARCHIVED"}}) == 0
    assert disorder(commands, in_order, finals={"1": {"title": "T 0", "status": "ARCHIVED"}}) == 1


def test_points_are_allowed_from_the_first_mutation_until_too_little_waits() -> None:
    samples = [
        Sample(0, 50, 100, 90),  # nothing sent yet: the time before does not count
        Sample(10, 50, 100, 90),
        Sample(11, 140, 20, 60),
        Sample(20, 230, 20, 5),
        Sample(30, 232, 100, 0),  # nothing left to do
    ]
    used = use(samples, rate=10, enough=5)
    assert (used.spent, used.allowed, used.seconds) == (180, 200, 10)
    assert used.percent == 90


def test_a_run_in_which_nothing_was_sent_has_no_figure() -> None:
    with pytest.raises(ValueError, match="no points were spent"):
        use([Sample(0, 5, 100, 9), Sample(1, 5, 100, 9)], rate=10, enough=1)
