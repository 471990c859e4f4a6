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
from read_api.live.circles import Circle
from read_api.live.fan_out import handings
from read_api.live.ids import EPOCH, OF_NO_STREAM, EventId, incarnation
from read_api.live.purges import Purges, purges_of
from read_api.live.push import begin
from read_api.live.ring import MOST_PURGES, Ring
from read_api.live.rounds import MOST_TAGS as MOST_TAGS_OF_A_ROUND
from read_api.live.rounds import Notice, Round
from read_api.live.stream import Stream
from read_api.live.subscribers import Subscribers
from shared.contracts import EventProjectedV1
from shared.problems import Problem

BORN = 1_795_405_563_411_174
ids = st.builds(EventId, st.integers(0, 10**18 - 1), st.integers(0, 10**19 - 1))
tags = st.sampled_from(["events", *(f"event:{number}" for number in range(1, 6))])
purges = st.lists(st.tuples(tags, st.integers(1, 50)), min_size=1, max_size=2).map(tuple)
told = st.lists(purges, max_size=30)


def announcements(said: list[Purges], first: int = 11) -> list[tuple[int, Purges]]:
    """Numbered as a stream would, with holes: what we can't read, and what others may hear of, has numbers, too."""
    return [(first + 2 * place, changed) for place, changed in enumerate(said)]


@given(ids)
def test_an_id_is_read_as_it_was_written(event_id: EventId):
    assert EventId.parse(str(event_id)) == event_id


@given(st.text())
def test_whatever_is_sent_as_an_id_is_an_id_or_one_of_no_stream(text: str):
    parsed = EventId.parse(text)
    assert parsed == EventId(OF_NO_STREAM, 0) or (str(parsed).isascii() and parsed.incarnation >= 0)


@given(st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 (hypothesis adds the zone)
def test_no_two_microseconds_are_one_incarnation(created: datetime):
    assert EPOCH + timedelta(microseconds=incarnation(created)) == created


@given(told, st.integers(1, 40), st.integers(8, 80), st.none() | st.frozensets(tags))
def test_a_replay_is_the_latest_of_all_that_was_missed_or_a_reset(said, most, known, wanted):
    ring = Ring(most)
    ring.begin(EventId(BORN, 10))
    heard = announcements(said)
    for sequence, changed in heard:
        ring.add(sequence, changed)
    newest = heard[-1][0] if heard else 10
    assert ring.latest() == EventId(BORN, newest)
    replay = ring.since(EventId(BORN, known), wanted)
    forgotten = heard[-most - 1][0] if len(heard) > most else 10
    if not forgotten <= known <= newest:
        assert replay is None
        return
    expected: dict[str, int] = {}
    for sequence, changed in heard:
        for tag, revision in changed if sequence > known else ():
            if wanted is None or tag in wanted:
                expected[tag] = max(expected.get(tag, 0), revision)
    assert replay == expected


def announced(visible: bool, events_revision: int | None) -> EventProjectedV1:
    now = datetime.now(UTC)
    return EventProjectedV1(
        id="1", source="syncer", subject="event/42", time=now, seen_at=now,
        event_id=42, revision=17, visible=visible, events_revision=events_revision,
    )  # fmt: skip


def test_of_a_draft_anyone_is_told_no_more_than_that_lists_have_changed():
    assert purges_of(announced(visible=False, events_revision=None), drafts=False) == ()
    assert purges_of(announced(visible=False, events_revision=7), drafts=False) == (("events", 7),)
    for visible, drafts in ((True, False), (True, True), (False, True)):
        assert purges_of(announced(visible, None), drafts=drafts) == (("event:42", 17),)
        assert purges_of(announced(visible, 7), drafts=drafts) == (("event:42", 17), ("events", 7))


def test_another_incarnation_and_an_empty_ring_know_nothing():
    ring = Ring(10)
    assert ring.latest() is None
    assert ring.since(EventId(BORN, 0), None) is None
    ring.begin(EventId(BORN, 10))
    assert ring.since(EventId(BORN + 1, 10), None) is None
    assert ring.since(EventId.parse("nonsense"), None) is None
    assert ring.since(EventId(BORN, 10), None) == {}


def test_more_than_a_frame_holds_is_a_reset():
    ring = Ring(1000)
    ring.begin(EventId(BORN, 0))
    for number in range(1, MOST_PURGES + 2):
        ring.add(number, ((f"event:{number}", 1),))
    assert ring.since(EventId(BORN, 0), None) is None
    assert len(ring.since(EventId(BORN, 1), None) or {}) == MOST_PURGES
    assert ring.since(EventId(BORN, 0), frozenset({"event:7"})) == {"event:7": 1}


def stream(wanted: frozenset[str] | None) -> Stream:
    async def send(_: Any) -> None:
        raise AssertionError("nothing is sent here")

    return Stream(send, wanted, circle=Circle.PUBLIC, ends_at=None, on_caught_up=lambda _: None)


@given(told.filter(bool), st.lists(st.none() | st.frozensets(tags, min_size=1), max_size=6))
def test_a_round_hands_everyone_the_latest_of_what_they_asked_for(said, wishes):
    named = EventId(BORN, 99)
    told_now = Round(named)
    for _, changed in announcements(said):
        told_now.add(changed, named)
    streams = [stream(wanted) for wanted in wishes]
    subscribers = Subscribers()
    for each in streams:
        subscribers.add(each)
    latest: dict[str, int] = {}
    for changed in said:
        for tag, revision in changed:
            latest[tag] = max(latest.get(tag, 0), revision)
    handed = list(handings(told_now, subscribers))
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


def test_a_notice_is_for_everyone():
    subscribers = Subscribers()
    streams = {stream(None), stream(frozenset({"event:1"}))}
    for each in streams:
        subscribers.add(each)
    handed = {to: message["body"] for to, message in handings(Notice(frames.DEGRADED, None), subscribers)}
    assert handed == dict.fromkeys(streams, frames.DEGRADED)


def test_in_a_flood_who_hears_everything_drops_everything_and_others_hear_their_own():
    named = EventId(BORN, 1)
    flood, subscribers = Round(named), Subscribers()
    everything, one = stream(None), stream(frozenset({"event:1"}))
    for each in (everything, one):
        subscribers.add(each)
    for number in range(1, MOST_PURGES + 2):
        flood.add(((f"event:{number}", 1),), named)
    handed = {to: message["body"] for to, message in handings(flood, subscribers)}
    assert handed == {everything: frames.reset(named), one: frames.purges([("event:1", 1)], named)}
    for number in range(1, MOST_TAGS_OF_A_ROUND + 3):
        flood.add(((f"event:{number}", 1),), named)
    assert len(flood.changed) <= MOST_TAGS_OF_A_ROUND + 2, "bounded"
    handed = {to: message["body"] for to, message in handings(flood, subscribers)}
    assert handed == dict.fromkeys((everything, one), frames.reset(named))


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
    assert wish(b"last_event_id=", None).known is None
    assert wish(b"", "nonsense").known == EventId(OF_NO_STREAM, 0), "it comes back, though nobody knows from where"


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
