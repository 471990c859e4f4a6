"""L1 keeps within its bytes, answers only what nothing newer was heard of, and keeps what is used."""

import asyncio
import gc
import math
import time
import weakref
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from read_api.codings import Coding
from read_api.l1 import L1, MAX_ADDRESSES, OVERHEAD, Address, Entry
from read_api.representations import Bodies, Representation
from shared.contracts import EventProjectedV1
from shared.tags import EVENTS, Document, event_tag

ROOM = 40 * OVERHEAD


class Beating:
    """A feed of which a sign of life was heard just now."""

    @property
    def heard_at(self) -> float:
        return time.monotonic()


class Silent:
    heard_at = -math.inf


def announced(event_id: int, revision: int, events_revision: int | None = None) -> EventProjectedV1:
    now = datetime.now(UTC)
    return EventProjectedV1(
        id=f"{event_id}-{revision}", source="syncer", subject=f"event/{event_id}", time=now, event_id=event_id,
        revision=revision, events_revision=events_revision, visible=True, seen_at=now,
    )  # fmt: skip


def document(revision: int, size: int = 100) -> Document:
    return Document(revision, 200, b"x" * size)


def l1(room: int = ROOM) -> L1:
    return L1(room, Beating())


def represented(entry: Entry) -> Representation:
    return Representation(entry.document, "42:public:event", {}, {}, Bodies(entry.document.body))


def test_what_was_stored_is_answered_until_something_newer_is_heard_of():
    cache = l1()
    cache.store("event:42", "public:event", document(3), 0)
    cache.heard(announced(42, 3), late=False, sequence=1)
    entry = cache.get("event:42", "public:event")
    assert entry is not None
    assert entry.document.revision == 3
    cache.heard(announced(42, 4), late=False, sequence=2)
    assert cache.get("event:42", "public:event") is None


def test_a_sale_leaves_the_lists_and_the_other_events_alone():
    cache = l1()
    for tag in ("event:42", "event:43", EVENTS):
        cache.store(tag, "document", document(3), 0)
    cache.heard(announced(42, 4), late=False, sequence=1)
    assert cache.get("event:43", "document")
    assert cache.get(EVENTS, "document")
    cache.heard(announced(42, 5, events_revision=4), late=False, sequence=2)
    assert cache.get(EVENTS, "document") is None


def test_a_404_goes_when_the_event_appears():
    cache = l1()
    cache.store("event:42", "public:event", Document(0, 404, b""), 0)
    cache.heard(announced(42, 1), late=False, sequence=1)
    assert cache.get("event:42", "public:event") is None


def test_an_interruption_ends_every_answer_and_refuses_what_was_being_loaded():
    cache = l1()
    cache.store("event:42", "document", document(3), cache.generation)
    begun = cache.generation
    cache.interrupted()
    during = cache.generation
    cache.resumed(missed=False)
    assert cache.get("event:42", "document") is None
    for generation in (begun, during):
        assert cache.store("event:42", "document", document(3), generation) is None
    assert cache.store("event:42", "document", document(3), cache.generation)


def test_what_is_loaded_while_nothing_is_heard_is_a_spare():
    cache = l1()
    cache.store("event:42", "document", document(3), 0)
    cache._pulse = Silent()
    assert cache.store("event:42", "document", document(4), 0) is None
    assert cache.spare("event:42", "document", limit=60.0) == document(4)
    cache._pulse = Beating()
    assert cache.get("event:42", "document") is None


def test_while_nothing_is_heard_nothing_is_answered_and_nothing_stored():
    cache = l1()
    cache.store("event:42", "document", document(3), 0)
    cache._pulse = Silent()
    assert cache.get("event:42", "document") is None
    assert cache.store("event:43", "document", document(3), 0) is None


def test_what_is_stale_is_a_spare_for_as_long_as_it_may_be():
    cache = l1()
    cache.store("event:42", "document", document(3), 0)
    cache.heard(announced(42, 4), late=False, sequence=1)
    assert cache.spare("event:42", "document", limit=60.0) == document(3)
    assert cache.spare("event:42", "document", limit=-1.0) is None
    assert cache.spare("event:43", "document", limit=60.0) is None


def test_an_older_document_does_not_replace_a_fresh_one():
    cache = l1()
    cache.store("event:42", "document", document(4), 0)
    kept = cache.store("event:42", "document", document(3), 0)
    assert kept is not None
    assert kept.document.revision == 4


def test_one_document_may_not_drive_out_all_others():
    cache = l1()
    cache.store("event:42", "document", document(1), 0)
    assert cache.store("event:43", "document", document(1, ROOM // 4), 0) is None
    assert cache.get("event:42", "document")


def test_what_is_read_survives_a_crawl_through_what_is_asked_for_once():
    cache = l1()
    popular = [f"event:{number}" for number in range(5)]
    for tag in popular:
        cache.store(tag, "document", document(1), 0)
    for number in range(1000, 5000):
        cache.store(event_tag(number), "document", document(1), 0)
        assert cache.get(popular[number % 5], "document")
    assert cache.bytes <= ROOM


def test_what_was_evicted_is_gone_without_a_collector():
    """The collector looks rarely in a server: a circle would keep what was evicted for minutes, and by the gigabyte."""
    cache = l1()
    gone = []
    gc.disable()
    try:
        for number in range(200):
            entry = cache.store(event_tag(number), "document", document(1), 0)
            assert entry is not None
            entry.bodies = Bodies(entry.document.body)
            shown = Representation(entry.document, "x", {}, {}, entry.bodies)
            entry.shown["x"] = shown
            shown.make_ready(Coding.IDENTITY, entry.document.body)
            cache.point(f"/{number}", Address("/", entry, shown, None))
            gone.append(weakref.ref(shown))
            del entry, shown
        assert sum(each() is not None for each in gone) == len(cache) < 50
    finally:
        gc.enable()


def test_codings_are_counted_once_they_were_made():
    cache = l1()
    entry = cache.store("event:42", "document", document(1, 3000), 0)
    assert entry is not None
    before = cache.bytes
    entry.bodies = Bodies(entry.document.body)
    asyncio.run(entry.bodies.get(Coding.GZIP))
    for _ in range(2):
        cache.weigh(entry)
    assert cache.bytes - before == entry.bodies.coded > 0


def test_an_address_stands_as_long_as_its_entry_shows_the_same():
    cache = l1()
    entry = cache.store("event:42", "document", document(1), 0)
    assert entry is not None
    cache.point("/v1/events/42", Address("/v1/events/{event_id}", entry, represented(entry), None))
    assert cache.addresses["/v1/events/42"].stands
    cache.heard(announced(42, 2), late=False, sequence=1)
    assert not cache.addresses["/v1/events/42"].stands
    cache.store("event:42", "document", document(2), 0)
    assert not cache.addresses["/v1/events/42"].stands  # its bytes are those of the revision before


def test_an_address_that_was_named_by_another_document_falls_with_it():
    cache = l1()
    entry = cache.store("event:42", "document", document(1), 0)
    handle = cache.store(EVENTS, "handle:jazz", document(7), 0)
    assert entry is not None
    assert handle is not None
    cache.point("/jazz", Address("/{handle}", entry, represented(entry), (handle, handle.document)))
    assert cache.addresses["/jazz"].stands
    cache.heard(announced(43, 1, events_revision=8), late=False, sequence=1)
    cache.store(EVENTS, "handle:jazz", document(8), 0)  # it may name another event now
    assert not cache.addresses["/jazz"].stands


def test_spellings_of_one_question_are_bounded():
    cache = l1()
    entry = cache.store(EVENTS, "list", document(1), 0)
    assert entry is not None
    for number in range(1000):
        cache.point(("/v1/events", b"x" * number), Address("/v1/events", entry, represented(entry), None))
    assert len(cache.addresses) == MAX_ADDRESSES
    assert ("/v1/events", b"x" * 999) in cache.addresses
    assert cache.bytes < ROOM


class Bounded(RuleBasedStateMachine):
    """Whatever is stored, coded, addressed, heard and lost: the bytes are those of what is kept, within the room."""

    def __init__(self) -> None:
        super().__init__()
        self.cache = l1(ROOM)
        self.now: dict[int, int] = {}

    @rule(event=st.integers(1, 60), size=st.integers(0, 3000), behind=st.booleans())
    def store(self, event: int, size: int, behind: bool) -> None:
        revision = max(0, self.now.get(event, 0) - behind)
        if revision < self.now.get(event, 0):
            return  # the reader refuses it: below the floor
        self.cache.store(event_tag(event), "document", document(revision, size), self.cache.generation)

    @rule(event=st.integers(1, 60), size=st.integers(1, 3000))
    def code(self, event: int, size: int) -> None:
        entry = self.cache.get(event_tag(event), "document")
        if entry is not None:
            self.cache.grow(entry, size)

    @rule(event=st.integers(1, 60), spelling=st.integers(1, 40))
    def address(self, event: int, spelling: int) -> None:
        entry = self.cache.get(event_tag(event), "document")
        if entry is not None:
            self.cache.point(f"/{event}{'/' * spelling}", Address("/", entry, represented(entry), None))

    @rule(event=st.integers(1, 60))
    def hear(self, event: int) -> None:
        self.now[event] = self.now.get(event, 0) + 1
        self.cache.heard(announced(event, self.now[event]), late=False, sequence=1)

    @rule()
    def break_off(self) -> None:
        self.cache.interrupted()
        self.cache.resumed(missed=True)

    @invariant()
    def counts_what_it_keeps(self) -> None:
        entries = self.cache._entries
        assert self.cache.bytes == sum(entry.size for entry in entries.values()) <= ROOM
        addresses = {target for entry in entries.values() for target in entry.addresses}
        assert addresses == set(self.cache.addresses)
        fresh = {entry.key for kept in self.cache._fresh.values() for entry in kept}
        assert fresh == {key for key, entry in entries.items() if entry.fresh}

    @invariant()
    def answers_nothing_old(self) -> None:
        for event, revision in self.now.items():
            entry = self.cache.get(event_tag(event), "document")
            assert entry is None or entry.document.revision >= revision


TestBounded = Bounded.TestCase
TestBounded.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)


@given(st.lists(st.integers(0, 2000), max_size=200))
def test_no_room_keeps_nothing(sizes):
    cache = l1(0)
    for number, size in enumerate(sizes):
        assert cache.store(event_tag(number), "document", document(1, size), 0) is None
    assert cache.bytes == 0
