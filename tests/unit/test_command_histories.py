"""The checker of commands finds every violation, and accuses nobody who is innocent."""

from dataclasses import dataclass, replace

import pytest
from command_histories import ADJUSTED, CREATED, DELETED, Became, Command, Deed, judge
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

EVENT, OTHER = "event:1", "event:2"


def edit(order: int, lane: str = EVENT, **asked: str) -> Command:
    return Command(f"job {order}", lane, (order,), lane, asked)


def deed(sequence: int, lane: str = EVENT, *, ours: bool = True, **says: str) -> Deed:
    return Deed(sequence, ours, lane, lane, says)


def done(*commands: Command, **others: Became) -> dict[str, Became]:
    return {command.job: Became("succeeded") for command in commands} | {
        name.replace("_", " "): became for name, became in others.items()
    }


def promises(commands: list[Command], became: dict[str, Became], *deeds: Deed, **options: object) -> list[str]:
    return [violation.promise for violation in judge(commands, became, deeds, **options)]  # type: ignore[arg-type]


A, B, C = edit(1, title="a"), edit(2, title="b"), edit(3, title="c")
SUPERSEDED = Became("superseded", "job 3")


def test_each_command_in_its_turn_is_innocent() -> None:
    assert promises([A, B], done(A, B), deed(1, title="a"), deed(2, title="b")) == []


def test_the_same_value_set_again_has_no_effect() -> None:
    assert promises([A, B], done(A, B), deed(1, title="a"), deed(2, title="a"), deed(3, title="b")) == []


def test_a_late_effect_that_brings_an_old_value_back_is_found() -> None:
    history = [deed(1, title="a"), deed(2, title="b"), deed(3, title="a")]
    assert "effect twice" in promises([A, B], done(A, B), *history)


def test_an_earlier_command_after_a_later_one_is_found() -> None:
    assert "overtaken" in promises([A, B], done(A, B), deed(1, title="b"), deed(2, title="a"))


def test_a_publish_that_overtakes_an_edit_is_found() -> None:
    publish = edit(2, status="active")
    assert "overtaken" in promises([A, publish], done(A, publish), deed(1, status="active"), deed(2, title="a"))


def test_the_effect_of_nobodys_command_is_found() -> None:
    assert promises([A], done(A), deed(1, title="a"), deed(2, title="z")) == ["effect of a command never accepted"]


def test_the_effect_of_a_command_that_was_cancelled_is_found() -> None:
    became = done(A, job_2=Became("cancelled"))
    assert promises([A, B], became, deed(1, title="a"), deed(2, title="b")) == ["effect of a command that is cancelled"]


def test_a_command_without_a_job_is_found_only_if_it_was_acknowledged() -> None:
    assert promises([A], {}) == ["vanished"]
    assert promises([replace(A, acknowledged=False)], {}) == []
    assert promises([replace(A, acknowledged=False)], {}, deed(1, title="a")) == ["effect of a command that is unknown"]


def test_a_success_without_an_effect_is_found() -> None:
    assert promises([A, B], done(A, B), deed(1, title="a")) == ["without effect"]


def test_a_success_is_innocent_when_its_value_stood_there() -> None:
    first, again = edit(1, status="active"), edit(2, status="active")
    assert promises([first, again], done(first, again), deed(1, status="active")) == []


def test_a_success_is_guilty_when_its_value_had_been_overwritten() -> None:
    on, off, again = edit(1, status="active"), edit(2, status="draft"), edit(3, status="active")
    history = [deed(1, status="active"), deed(2, status="draft")]
    assert promises([on, off, again], done(on, off, again), *history) == ["without effect"]
    assert promises([on, off, again], done(on, off, again), *history, deed(3, status="active")) == []


def test_a_failure_with_an_effect_is_found() -> None:
    assert promises([A], {A.job: Became("failed")}, deed(1, title="a")) == ["failed with effect"]
    assert promises([A], {A.job: Became("failed")}) == []


def test_what_is_still_open_at_the_end_is_found() -> None:
    assert promises([A], {A.job: Became("queued")}) == ["still queued"]
    assert promises([A], {A.job: Became("queued")}, settled=False) == []


def test_commands_that_were_taken_in_are_carried_whole() -> None:
    commands = [edit(1, title="a", subtitle="s"), edit(2, title="b"), edit(3, venue_name="v")]
    became = {"job 1": SUPERSEDED, "job 2": SUPERSEDED, "job 3": Became("succeeded")}
    assert promises(commands, became, deed(1, title="b", subtitle="s", venue_name="v")) == []
    assert promises(commands, became, deed(1, title="b", venue_name="v")) == ["without effect"]
    assert "what was superseded was carried" in promises(
        commands, became, deed(1, title="a", subtitle="s", venue_name="v")
    )


@pytest.mark.parametrize("named", [None, "job 1", "job 7"])
def test_who_is_superseded_by_nobody_is_found(named: str | None) -> None:
    became = {A.job: Became("superseded", named), B.job: Became("succeeded")}
    assert "superseded by none of its event" in promises([A, B], became, deed(1, title="b"))


def test_who_is_superseded_by_one_that_failed_is_found() -> None:
    became = {A.job: Became("superseded", B.job), B.job: Became("failed")}
    assert promises([A, B], became) == ["superseded by one that is failed"]


def test_who_is_superseded_by_one_of_another_event_is_found() -> None:
    elsewhere = edit(2, OTHER, title="b")
    became = {A.job: Became("superseded", elsewhere.job), elsewhere.job: Became("succeeded")}
    assert "superseded by none of its event" in promises([A, elsewhere], became, deed(1, OTHER, title="b"))


def test_who_is_superseded_past_another_command_is_found() -> None:
    publish, last = edit(2, status="active"), edit(3, subtitle="s")
    became = {A.job: Became("superseded", last.job), publish.job: Became("succeeded"), last.job: Became("succeeded")}
    history = [deed(1, status="active"), deed(2, title="a", subtitle="s")]
    assert promises([A, publish, last], became, *history) == ["moved past another"]
    overwriting = edit(3, title="c")
    assert promises([A, publish, overwriting], became, history[0], deed(2, title="c")) == []


def test_doubt_is_innocent_only_where_nobody_can_read() -> None:
    doubtful = {A.job: Became("in_doubt")}
    assert promises([A], doubtful) == ["in doubt, though it could be read"]
    assert promises([A], doubtful, deed(1, title="a")) == ["in doubt, though it could be read"]
    assert promises([A], doubtful, excused={A.job}) == []
    assert promises([A], doubtful, deed(1, ours=False, title="theirs")) == []
    assert promises([A], doubtful, deed(1, ours=False, created="merchant", title="theirs")) != []
    assert promises([A], doubtful, deed(1, ours=False, **{DELETED: "true"})) == []


def test_one_that_was_retried_may_have_two_effects_and_no_third() -> None:
    retried, became = replace(A, orders=(1, 3)), done(A, B)
    history = [deed(1, title="a"), deed(2, title="b"), deed(3, title="a")]
    assert promises([retried, B], became, *history) == []
    assert promises([retried, B], became, history[1], history[2]) == []
    assert "effect twice" in promises([retried, B], became, *history, deed(4, title="b"), deed(5, title="a"))


def test_stock_that_is_adjusted_twice_is_found() -> None:
    capacity = Command("job 1", EVENT, (1,), EVENT, {"capacity": "120"}, {ADJUSTED: "job 1"})
    adjust = Deed(1, True, EVENT, EVENT, {ADJUSTED: "job 1"}, anew=True)
    assert promises([capacity], done(capacity), adjust, deed(2, capacity="120")) == []
    assert "effect twice" in promises(
        [capacity], done(capacity), adjust, replace(adjust, sequence=2), deed(3, capacity="120")
    )


def test_what_is_created_twice_is_found() -> None:
    create = Command("job 1", EVENT, (1,), EVENT, {CREATED: "job 1", "title": "a"})
    first = Deed(1, True, EVENT, EVENT, {CREATED: "job 1", "title": "a"}, anew=True)
    second = Deed(2, True, OTHER, OTHER, {CREATED: "job 1", "title": "a"}, anew=True)
    assert promises([create], done(create), first) == []
    assert promises([create], done(create), first, second) == ["effect of a command never accepted"] * 2


def test_what_others_do_is_no_ones_fault() -> None:
    assert promises([A], done(A), deed(1, title="a"), deed(2, ours=False, title="z")) == []


# Histories that a correct writer could have left, and what is done to them

FEW = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow]
)
STATUSES = ("active", "draft", "archived")


@dataclass
class History:
    commands: list[Command]
    became: dict[str, Became]
    deeds: list[Deed]

    def promises(self) -> list[str]:
        return promises(self.commands, self.became, *self.deeds)

    def carrying(self) -> list[int]:
        """Deeds that say a value that only one command asked for: without them something is missing."""
        return [at for at, each in enumerate(self.deeds) if each.ours and {"title", "subtitle"} & set(each.says)]


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Lanes of edits, publishings and failures, some taken in by others, some sent again, woven into one another."""
    commands: list[Command] = []
    became: dict[str, Became] = {}
    lanes: list[list[dict[str, str]]] = []
    for number in range(draw(st.integers(1, 3))):
        lane, says = f"event:{number}", []
        for _ in range(draw(st.integers(1, 4))):
            says += _unit(draw, lane, commands, became)
        lanes.append(says)
    deeds: list[Deed] = []
    while any(lanes):
        at = draw(st.sampled_from([number for number, waiting in enumerate(lanes) if waiting]))
        deeds.append(Deed(len(deeds) + 1, True, f"event:{at}", f"event:{at}", lanes[at].pop(0)))
    return History(commands, became, deeds)


def _unit(draw: st.DrawFn, lane: str, commands: list[Command], became: dict[str, Became]) -> list[dict[str, str]]:
    """One more unit of a lane; what its calls say."""
    taken_in = draw(st.integers(0, 2)) if draw(st.booleans()) else 0
    unit: list[Command] = []
    for _ in range(taken_in + 1):
        order = len(commands) + 1
        if not taken_in and draw(st.integers(0, 3)) == 0:
            asked = {"status": draw(st.sampled_from(STATUSES))}
        else:
            fields = draw(st.sets(st.sampled_from(["title", "subtitle"]), min_size=1))
            asked = {name: f"{name} #{order}" for name in sorted(fields)}
        unit.append(edit(order, lane, **asked))
        commands.append(unit[-1])
    state = draw(st.sampled_from(["succeeded"] * 4 + ["failed", "cancelled"])) if not taken_in else "succeeded"
    for each in unit[:-1]:
        became[each.job] = Became("superseded", unit[-1].job)
    became[unit[-1].job] = Became(state)
    if state != "succeeded":
        return []
    carried: dict[str, str] = {}
    for each in unit:
        carried |= {name: str(value) for name, value in each.asked.items()}
    return [carried] * draw(st.sampled_from([1, 1, 1, 2, 3]))


@FEW
@given(histories())
def test_every_correct_history_is_innocent(history: History) -> None:
    assert history.promises() == []


@FEW
@given(histories(), st.data())
def test_every_effect_that_is_missing_is_found(history: History, data: st.DataObject) -> None:
    carrying = history.carrying()
    assume(carrying)
    at = data.draw(st.sampled_from(carrying))
    victim = history.deeds[at]
    history.deeds = [each for each in history.deeds if each.says != victim.says or each.lane != victim.lane]
    assert "without effect" in history.promises()


@FEW
@given(histories(), st.data())
def test_every_field_that_is_missing_is_found(history: History, data: st.DataObject) -> None:
    carrying = history.carrying()
    assume(carrying)
    victim = history.deeds[data.draw(st.sampled_from(carrying))]
    field = data.draw(st.sampled_from(sorted({"title", "subtitle"} & set(victim.says))))
    left = {name: value for name, value in victim.says.items() if name != field}
    history.deeds = [replace(each, says=left) if each.says == victim.says else each for each in history.deeds]
    assert "without effect" in history.promises()


@FEW
@given(histories(), st.data())
def test_every_effect_that_comes_again_after_a_later_one_is_found(history: History, data: st.DataObject) -> None:
    late = [
        at
        for at in history.carrying()
        if any(
            set(each.says) & set(history.deeds[at].says) and each.says != history.deeds[at].says
            for each in history.deeds[at:]
            if each.lane == history.deeds[at].lane
        )
    ]
    assume(late)
    again = history.deeds[data.draw(st.sampled_from(late))]
    history.deeds.append(replace(again, sequence=len(history.deeds) + 1))
    assert "effect twice" in history.promises()


@FEW
@given(histories(), st.data())
def test_every_swap_within_an_event_is_found(history: History, data: st.DataObject) -> None:
    pairs = [
        (one, two)
        for one in history.carrying()
        for two in history.carrying()
        if one < two
        and history.deeds[one].lane == history.deeds[two].lane
        and history.deeds[one].says != history.deeds[two].says
        and not any(each.says == history.deeds[one].says for each in history.deeds[:one])
        and not any(each.says == history.deeds[two].says for each in history.deeds[:two])
    ]
    assume(pairs)
    one, two = data.draw(st.sampled_from(pairs))
    first, second = history.deeds[one], history.deeds[two]
    history.deeds[one] = replace(second, sequence=first.sequence)
    history.deeds[two] = replace(first, sequence=second.sequence)
    assert {"overtaken", "effect twice"} & set(history.promises())


@FEW
@given(histories(), st.data())
def test_every_job_that_is_missing_or_left_open_is_found(history: History, data: st.DataObject) -> None:
    job = data.draw(st.sampled_from(history.commands)).job
    lost = {name: each for name, each in history.became.items() if name != job}
    assert "vanished" in promises(history.commands, lost, *history.deeds)
    stuck = {**history.became, job: Became("dispatching")}
    assert "still dispatching" in promises(history.commands, stuck, *history.deeds)


@FEW
@given(histories(), st.data())
def test_every_doubt_is_found(history: History, data: st.DataObject) -> None:
    succeeded = [each.job for each in history.commands if history.became[each.job].status == "succeeded"]
    assume(succeeded)
    history.became[data.draw(st.sampled_from(succeeded))] = Became("in_doubt")
    assert "in doubt, though it could be read" in history.promises()


@FEW
@given(histories(), st.data())
def test_every_lie_about_who_carried_a_command_is_found(history: History, data: st.DataObject) -> None:
    """A job that had an effect of its own says that another one carried it."""
    lanes = {each.lane for each in history.commands}
    alone = [
        each
        for each in history.commands
        if history.became[each.job].status == "succeeded"
        and {"title", "subtitle"} & set(each.asked)
        and not any(became.superseded_by == each.job for became in history.became.values())
    ]
    assume(alone and len(lanes) > 1)
    liar = data.draw(st.sampled_from(alone))
    others = [each.job for each in history.commands if each.lane != liar.lane]
    history.became[liar.job] = Became("superseded", data.draw(st.sampled_from(others)))
    assert "superseded by none of its event" in history.promises()
