"""What is purged next: everything heard is purged, twice, in the end, in any order, whatever fails."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncer.purger.gaps import Known, Missed, Stream, missed
from syncer.purger.plan import MAX_TAGS, Backlog, Escalate, Everything, Rest, Scope, Some

INTERVAL, REPEAT_AFTER, BATCH = 1.0, 10.0, 3
PLENTY = 10_000


@dataclass
class Edge:
    """A purger's loop without its waiting, and what the provider heard of it."""

    affordable: int = PLENTY
    now: float = 0.0
    backlog: Backlog[int] = field(default_factory=lambda: Backlog(INTERVAL, REPEAT_AFTER))
    heard: dict[int, tuple[tuple[str, ...], float]] = field(default_factory=dict)
    released: list[int] = field(default_factory=list)
    purged: list[tuple[float, Some | Everything]] = field(default_factory=list)
    owed: bool = False  # as the table says

    def hear(self, *tags: str) -> int:
        number = len(self.heard)
        self.heard[number] = (tags, self.now)
        self.release(self.backlog.hear(tags, number, self.now))
        return number

    def release(self, messages: list[int]) -> None:
        """Whatever is released is purged already, twice, or owed in the table, or borne by a later message."""
        self.released += messages
        borne = {tag for number, (tags, _) in self.heard.items() if number not in self.released for tag in tags}
        for message in messages:
            tags, at = self.heard[message]
            for tag in tags:
                assert self.owed or tag in borne or len(self.purges_of(tag, at)) > 1, (message, tag)

    def purges_of(self, tag: str, since: float) -> list[float]:
        """When it was purged that were at or after then; the repeat counts if it was late enough."""
        times = [at for at, call in self.purged if at >= since and (isinstance(call, Everything) or tag in call.tags)]
        return times[:1] + [at for at in times[1:] if at >= times[0] + REPEAT_AFTER]

    def step(self, *, fails: bool = False, meanwhile: tuple[str, ...] = ()) -> bool:
        """False: there is nothing to do yet."""
        match self.backlog.next(self.now, BATCH, self.affordable):
            case Rest():
                return False
            case Escalate():
                self.owed = True
                self.release(self.backlog.owe(Scope.OURS, self.now))
            case call:
                began = self.now
                self.backlog.begin(call)
                self.now += 0.01
                for tag in meanwhile:
                    self.hear(tag)
                if fails:
                    self.release(self.backlog.failed(call))
                else:
                    self.purged.append((began, call))
                    self.release(self.backlog.accepted(call, began))
                    self.owed = self.owed and not self.backlog.settled
        return True

    def finish(self) -> None:
        """Until nothing is left to do."""
        for _ in range(10_000):
            if self.step():
                continue
            rest = self.backlog.next(self.now, BATCH, self.affordable)
            assert isinstance(rest, Rest)
            if rest.until == float("inf"):
                return
            self.now = rest.until
        raise AssertionError("it never ends")


TAGS = st.sampled_from(["a", "b", "c", "d", "e", "f"])
ACTIONS = st.lists(
    st.one_of(
        st.lists(TAGS, min_size=0, max_size=2).map(lambda tags: ("hear", tuple(tags))),
        st.floats(0, 6).map(lambda seconds: ("wait", seconds)),
        st.tuples(st.booleans(), st.lists(TAGS, max_size=2)).map(lambda how: ("step", how)),
        st.sampled_from(Scope).map(lambda scope: ("owe", scope)),
    ),
    max_size=60,
)


@settings(max_examples=500)
@given(ACTIONS, st.sampled_from([0, 2, 5, PLENTY]))
def test_all_that_was_heard_is_purged_twice_whatever_fails_and_nothing_is_released_before(actions, affordable):
    edge = Edge(affordable)
    for name, what in actions:
        match name, what:
            case "hear", tags:
                edge.hear(*tags)
            case "wait", seconds:
                edge.now += seconds
            case "owe", scope:
                edge.owed = True
                edge.release(edge.backlog.owe(scope, edge.now))
            case "step", (fails, meanwhile):
                edge.step(fails=fails, meanwhile=tuple(meanwhile))
    edge.finish()
    assert sorted(edge.released) == sorted(edge.heard), "each message is released once"
    for tags, at in edge.heard.values():
        for tag in tags:
            assert len(edge.purges_of(tag, at)) > 1, (tag, at, edge.purged)
    assert edge.backlog.settled
    assert not edge.owed
    assert len(edge.backlog) == 0
    assert edge.backlog.oldest() is None


@given(st.lists(st.floats(0, 0.5), min_size=1, max_size=100))
def test_no_tag_is_purged_twice_within_the_interval(pauses):
    """A sold-out wave is one purge an interval, and the last one serves what was heard last."""
    edge = Edge()
    for pause in pauses:
        edge.hear("event:1")
        edge.step()
        edge.now += pause
    edge.finish()
    times = [at for at, _ in edge.purged]
    assert all(later - before >= INTERVAL - 1e-9 for before, later in pairwise(times))
    assert times[0] == 0.0, "the first one waits for nothing"


@given(st.permutations(range(6)))
def test_the_order_in_which_announcements_come_is_irrelevant(order):
    tags = [("a",), ("b", "x"), ("a", "x"), ("c",), ("b",), ("c", "x")]
    edge = Edge()
    for number in order:
        edge.hear(*tags[number])
    edge.finish()
    assert {tag for _, call in edge.purged if isinstance(call, Some) for tag in call.tags} == {"a", "b", "c", "x"}
    assert sorted(edge.released) == list(range(6))


def test_a_hundred_changes_of_one_event_hold_one_message():
    edge = Edge()
    for _ in range(100):
        edge.hear("event:1")
    assert edge.released == list(range(99))


def test_a_message_is_held_while_one_of_its_tags_needs_it():
    edge = Edge()
    edge.hear("event:1", "events")
    edge.hear("event:1")
    assert edge.released == [], "nobody else says that the lists changed"
    edge.hear("event:2", "events")
    assert edge.released == [0]


def test_a_draft_is_purged_nowhere():
    edge = Edge()
    edge.hear()
    assert edge.released == [0]
    assert isinstance(edge.backlog.next(0.0, BATCH, PLENTY), Rest)


def test_who_has_waited_longest_comes_first_and_repeats_fill_the_rest():
    edge = Edge()
    edge.hear("old")
    edge.step()
    edge.now = 20.0
    for tag in ("z", "y"):
        edge.hear(tag)
        edge.now += 1
    assert edge.backlog.next(edge.now, BATCH, PLENTY) == Some(("z", "y", "old"))


def test_what_the_quota_can_not_work_off_in_time_is_purged_as_a_whole():
    edge = Edge(affordable=4)
    for number in range(5):
        edge.hear(f"event:{number}")
    assert edge.backlog.next(0.0, BATCH, 4) == Escalate(5)
    edge.finish()
    assert [call for _, call in edge.purged] == [Everything(Scope.OURS)] * 2


def test_one_batch_is_never_too_much():
    edge = Edge(affordable=0)
    for number in range(BATCH):
        edge.hear(f"event:{number}")
    assert isinstance(edge.backlog.next(0.0, BATCH, 0), Some)


def test_memory_is_bounded_whatever_is_heard():
    edge = Edge()
    for number in range(MAX_TAGS + 1):
        edge.backlog.hear([f"event:{number}"], number, 0.0)
    assert isinstance(edge.backlog.next(0.0, BATCH, MAX_TAGS * 2), Escalate)
    edge.backlog.owe(Scope.OURS, 0.0)
    assert len(edge.backlog) == 0
    assert edge.backlog.hear(["event:1"], -1, 0.0) == [-1], "while everything is owed, nothing is held"


def test_what_is_heard_while_everything_is_being_purged_is_purged_afterwards():
    edge = Edge()
    edge.owed = True
    edge.backlog.owe(Scope.WHOLE, 0.0)
    edge.step(meanwhile=("late",))
    edge.step()
    assert [call for _, call in edge.purged] == [Everything(Scope.WHOLE), Some(("late",))]


def test_its_age_is_that_of_the_oldest_announcement_that_no_purge_served():
    edge = Edge()
    edge.hear("a")
    edge.now = 5.0
    edge.hear("b")
    edge.step(fails=True)
    assert edge.backlog.oldest() == 0.0, "a purge that failed served nobody"
    edge.backlog.owe(Scope.OURS, edge.now)
    assert edge.backlog.oldest() == 0.0, "nor did the word that everything must go"
    edge.step(fails=True)
    assert edge.backlog.oldest() == 0.0
    edge.step()
    assert edge.backlog.oldest() is None, "a repeat is no debt to readers"


CREATED = datetime(2026, 11, 1, tzinfo=UTC)
STREAM = Stream(CREATED, 100, 200)


@pytest.mark.parametrize(
    ("known", "found"),
    [
        (Known("edge", CREATED, 150), None),
        (Known("edge", CREATED, 99), None),
        (Known("edge", CREATED, 200), None),
        (Known("edge", CREATED, 98), Missed(Scope.OURS, "behind")),
        (Known("edge", CREATED, 201), Missed(Scope.OURS, "stream")),
        (Known("edge", datetime(2026, 10, 1, tzinfo=UTC), 150), Missed(Scope.OURS, "stream")),
        (Known("other", CREATED, 150), Missed(Scope.WHOLE, "changed")),
        (Known(None, None, 0), Missed(Scope.WHOLE, "first")),
    ],
)
def test_whatever_may_have_been_missed_makes_everything_owed(known, found):
    assert missed(known, "edge", STREAM) == found


def test_an_idle_stream_that_forgot_what_was_purged_is_no_gap():
    assert missed(Known("edge", CREATED, 200), "edge", Stream(CREATED, 201, 200)) is None
