"""A floor only ever rises, and what is remembered is bounded."""

from datetime import UTC, datetime

from read_api.floors import MAX, Floors
from shared.contracts import EventProjectedV1
from shared.tags import EVENTS


def announced(event_id: int, revision: int, events_revision: int | None = None) -> EventProjectedV1:
    now = datetime.now(UTC)
    return EventProjectedV1(
        id=f"{event_id}-{revision}", source="syncer", subject=f"event/{event_id}", time=now, event_id=event_id,
        revision=revision, events_revision=events_revision, visible=True, seen_at=now,
    )  # fmt: skip


def test_a_floor_is_the_highest_revision_heard_or_answered():
    floors = Floors()
    assert floors.of("event:42") == 0
    floors.heard(announced(42, 3), late=False, sequence=1)
    assert floors.of("event:42") == 3
    floors.lift("event:42", 5)
    floors.heard(announced(42, 4), late=False, sequence=1)
    assert floors.of("event:42") == 5
    assert floors.of("event:43") == 0


def test_a_late_announcement_counts_as_any_other():
    floors = Floors()
    floors.heard(announced(42, 3, events_revision=9), late=True, sequence=1)
    assert (floors.of("event:42"), floors.of(EVENTS)) == (3, 9)


def test_the_lists_rise_only_when_one_changed():
    floors = Floors()
    floors.heard(announced(42, 3, events_revision=9), late=False, sequence=1)
    floors.heard(announced(42, 4), late=False, sequence=1)
    assert floors.of(EVENTS) == 9


def test_an_interruption_lowers_no_floor():
    floors = Floors()
    floors.heard(announced(42, 3), late=False, sequence=1)
    floors.interrupted()
    floors.resumed(missed=True)
    assert floors.of("event:42") == 3


def test_what_was_used_longest_ago_is_forgotten_first():
    floors = Floors(most=3)
    for tag in ("a", "b", "c"):
        floors.lift(tag, 1)
    floors.of("a")
    floors.lift("b", 1)  # no higher, and used all the same
    floors.lift("d", 1)
    assert [floors.of(tag) for tag in ("a", "b", "c", "d")] == [1, 1, 0, 1]


def test_ids_that_do_not_exist_take_no_room():
    floors = Floors(most=1)
    floors.lift("event:1", 7)
    for number in range(2, 1000):
        floors.lift(f"event:{number}", 0)
        assert floors.of(f"event:{number}") == 0
    assert floors.of("event:1") == 7


def test_no_more_than_the_bound_are_kept():
    floors = Floors()
    for number in range(MAX + 1000):
        floors.lift(f"event:{number}", 1)
    assert sum(floors.of(f"event:{number}") for number in range(MAX + 1000)) == MAX
