"""The parts of live streams that decide: ids, the ring, rounds, what was asked, how it is spelled, half-made sends."""

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from read_api.live import frames
from read_api.live.asking import wish
from read_api.live.fan_out import handings
from read_api.live.ids import EPOCH, EventId, incarnation
from read_api.live.push import begin
from read_api.live.ring import MOST_PURGES, Announcement, Ring
from read_api.live.rounds import MOST_TAGS as MOST_TAGS_OF_A_ROUND
from read_api.live.rounds import Round
from read_api.live.stream import Stream
from read_api.live.subscribers import Subscribers
from shared.problems import Problem

BORN = 1_795_405_563_411_174
ids = st.builds(EventId, st.integers(0, 10**18 - 1), st.integers(0, 10**19 - 1))
tags = st.sampled_from(["events", *(f"event:{number}" for number in range(1, 6))])
purges = st.lists(st.tuples(tags, st.integers(1, 50)), min_size=1, max_size=2).map(tuple)
told = st.lists(st.tuples(purges, st.booleans()), max_size=30)


def announcements(said: list[tuple[tuple[tuple[str, int], ...], bool]], first: int = 11) -> list[Announcement]:
    """Numbered as a stream would, with holes: what we can't read has numbers, too."""
    return [Announcement(first + 2 * place, changed, visible) for place, (changed, visible) in enumerate(said)]


@given(ids)
def test_an_id_is_read_as_it_was_written(event_id: EventId):
    assert EventId.parse(str(event_id)) == event_id


@given(st.text())
def test_whatever_is_sent_as_an_id_is_an_id_or_none(text: str):
    parsed = EventId.parse(text)
    assert parsed is None or str(parsed).isascii()


@given(st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 (hypothesis adds the zone)
def test_no_two_microseconds_are_one_incarnation(created: datetime):
    assert EPOCH + timedelta(microseconds=incarnation(created)) == created


@given(told, st.integers(1, 40), st.integers(8, 80), st.booleans(), st.none() | st.frozensets(tags))
def test_a_replay_is_the_latest_of_all_that_was_missed_or_a_reset(said, most, known, drafts, wanted):
    ring = Ring(most)
    ring.begin(EventId(BORN, 10))
    heard = announcements(said)
    for announcement in heard:
        ring.add(announcement)
    replay = ring.since(EventId(BORN, known), wanted, drafts=drafts)
    newest = heard[-1].sequence if heard else 10
    forgotten = heard[-most - 1].sequence if len(heard) > most else 10
    if not forgotten <= known <= newest:
        assert replay is None
        return
    expected: dict[str, int] = {}
    for announcement in heard:
        if announcement.sequence > known and (announcement.visible or drafts):
            for tag, revision in announcement.purges:
                if wanted is None or tag in wanted:
                    expected[tag] = max(expected.get(tag, 0), revision)
    assert replay == expected


@given(told)
def test_the_id_that_anyone_is_given_moves_only_with_what_anyone_may_hear(said):
    ring = Ring(1000)
    ring.begin(EventId(BORN, 10))
    for announcement in announcements(said):
        before = ring.latest(drafts=False)
        ring.add(announcement)
        assert (ring.latest(drafts=False) != before) == announcement.visible
        assert ring.latest(drafts=True) == EventId(BORN, announcement.sequence)


def test_another_incarnation_and_an_empty_ring_know_nothing():
    ring = Ring(10)
    assert ring.latest(drafts=True) is None
    assert ring.since(EventId(BORN, 0), None, drafts=True) is None
    ring.begin(EventId(BORN, 10))
    assert ring.since(EventId(BORN + 1, 10), None, drafts=True) is None
    assert ring.since(None, None, drafts=True) is None
    assert ring.since(EventId(BORN, 10), None, drafts=True) == {}


def test_more_than_a_frame_holds_is_a_reset():
    ring = Ring(1000)
    ring.begin(EventId(BORN, 0))
    for number in range(1, MOST_PURGES + 2):
        ring.add(Announcement(number, ((f"event:{number}", 1),), visible=True))
    assert ring.since(EventId(BORN, 0), None, drafts=False) is None
    assert len(ring.since(EventId(BORN, 1), None, drafts=False) or {}) == MOST_PURGES
    assert ring.since(EventId(BORN, 0), frozenset({"event:7"}), drafts=False) == {"event:7": 1}


def stream(wanted: frozenset[str] | None, *, organizer: bool = False) -> Stream:
    async def send(_: Any) -> None:
        raise AssertionError("nothing is sent here")

    return Stream(send, wanted, organizer=organizer, client="", on_caught_up=lambda _: None)


@given(told, st.lists(st.none() | st.frozensets(tags, min_size=1), max_size=6), st.booleans())
def test_a_round_hands_everyone_the_latest_of_what_they_asked_for_and_may_hear(said, wishes, drafts):
    told_now = Round()
    named = EventId(BORN, 99)
    for announcement in announcements(said):
        told_now.add(announcement, {True: named, False: named})
    streams = [stream(wanted) for wanted in wishes]
    subscribers = Subscribers()
    for each in streams:
        subscribers.add(each)
    latest: dict[str, int] = {}
    for changed, visible in said:
        for tag, revision in changed if visible or drafts else ():
            latest[tag] = max(latest.get(tag, 0), revision)
    handed = list(handings(told_now, subscribers, named, drafts=drafts))
    assert len({id(to) for to, _ in handed}) == len(handed)
    by_stream = {id(to): message["body"] for to, message in handed}
    for each in streams:
        expected = {tag: at for tag, at in latest.items() if each.tags is None or tag in each.tags}
        body = by_stream.get(id(each), b"")
        assert body.count(b"event: purge") == len(expected)
        assert all(f'{{"tag":"{tag}","revision":{at}}}'.encode() in body for tag, at in expected.items())
        assert body.count(b"id: ") == bool(expected)
        subscribers.remove(each)
    assert len(subscribers) == 0
    assert list(subscribers) == []


def test_in_a_flood_who_hears_everything_drops_everything_and_others_hear_their_own():
    named = EventId(BORN, 1)
    flood, subscribers = Round(), Subscribers()
    everything, one = stream(None), stream(frozenset({"event:1"}))
    for each in (everything, one):
        subscribers.add(each)
    for number in range(1, MOST_PURGES + 2):
        flood.add(Announcement(number, ((f"event:{number}", 1),), visible=True), {True: named, False: named})
    handed = {to: message["body"] for to, message in handings(flood, subscribers, named, drafts=False)}
    assert handed == {everything: frames.reset(named), one: frames.purges([("event:1", 1)], named)}
    for number in range(1, MOST_TAGS_OF_A_ROUND + 2):
        flood.add(Announcement(number, ((f"event:{number}", 1),), visible=True), {True: named, False: named})
    assert len(flood.all) <= MOST_TAGS_OF_A_ROUND + 2, "bounded"
    handed = {to: message["body"] for to, message in handings(flood, subscribers, named, drafts=False)}
    assert set(handed.values()) == ({frames.reset(named)} if flood.overflown else set(handed.values()))


def test_frames_are_spelled_as_the_standard_says():
    named = EventId(7, 3)
    assert frames.purges([("events", 5), ("event:42", 17)], named) == (
        b'event: purge\ndata: {"tag":"events","revision":5}\n\n'
        b'event: purge\ndata: {"tag":"event:42","revision":17}\nid: 7-3\n\n'
    )
    assert frames.reset(named) == b"event: reset\ndata: {}\nid: 7-3\n\n"
    assert frames.live(named) == b"event: live\ndata: {}\nid: 7-3\n\n"
    assert frames.heartbeat(named) == b":\nid: 7-3\n\n"
    assert frames.heartbeat(None) == b":\n\n"
    assert frames.retry(1.5) == b"retry: 1500\n\n"


@given(st.lists(st.integers(1, 2**63 - 1), min_size=1, max_size=100))
def test_a_list_of_tags_is_read(numbers):
    asked = wish(("tags=events," + ",".join(f"event%3A{number}" for number in numbers[:99])).encode(), None)
    assert asked.tags == {"events", *(f"event:{number}" for number in numbers[:99])}


@given(st.binary(max_size=60))
def test_whatever_is_asked_is_read_or_refused(query: bytes):
    with contextlib.suppress(Problem):
        asked = wish(query, None)
        assert asked.tags is None or 1 <= len(asked.tags) <= 100


def test_the_header_wins_over_the_query_and_an_empty_one_is_none():
    assert wish(b"last_event_id=1-1", "1-2").known == EventId(1, 2)
    assert wish(b"last_event_id=1-1", None).known == EventId(1, 1)
    assert not wish(b"last_event_id=", None).comes_back
    nonsense = wish(b"", "nonsense")
    assert (nonsense.comes_back, nonsense.known) == (True, None)


async def test_a_send_that_is_over_at_once_needs_no_task():
    sent = []

    async def send() -> None:
        sent.append(1)

    assert begin(send()) is None
    assert sent == [1]


async def test_a_send_that_waits_is_finished_by_whoever_awaits_the_rest():
    room: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    sent = []

    async def send() -> None:
        sent.append(await room)
        await asyncio.sleep(0)
        sent.append("done")

    rest = begin(send())
    assert rest is not None
    task = asyncio.ensure_future(rest)
    room.set_result("room")
    await task
    assert sent == ["room", "done"]


async def test_a_cancelled_rest_cancels_what_it_waits_for():
    room: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    ended = []

    async def send() -> None:
        try:
            await room
        finally:
            ended.append(True)

    rest = begin(send())
    assert rest is not None
    task = asyncio.ensure_future(rest)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert room.cancelled()
    assert ended == [True]


async def test_what_a_send_raises_is_raised():
    async def send() -> None:
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        begin(send())
