"""The hub of the live streams, driven step by step: who comes, who goes, who falls behind, and what they are told."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from waiting import eventually

from read_api.feed import Position
from read_api.live.asking import Wish
from read_api.live.circles import Circle
from read_api.live.endpoint import HEAD, EventStream
from read_api.live.frames import heartbeat
from read_api.live.hub import TOKEN_AGE, Hub, age
from read_api.live.ids import EventId, incarnation
from read_api.live.ring import MOST_PURGES
from read_api.live.rounds import MOST_TAGS
from read_api.live.settings import LiveSettings
from read_api.live.stream import Stream
from read_api.live.streams import SLICE, Streams
from read_api.live.watch import Watch
from read_api.live.wheel import Wheel
from shared.auth import Principal
from shared.contracts import EventProjectedV1
from shared.problems import Problem
from shared.settings import NatsSettings

BORN = datetime(2026, 1, 1, tzinfo=UTC)
REBORN = datetime(2026, 1, 2, tzinfo=UTC)
NOWHERE = NatsSettings(nats_url="nats://127.0.0.1:9")
ORGANIZER = Principal("ann", frozenset({"events:read"}))
EVERYTHING = Wish(None)


class DrivenFeed:
    """As much of a feed as the hub looks at, to be driven by a test."""

    def __init__(self) -> None:
        self.look_back = 0
        self.live = True
        self.position = Position(BORN, 10)


class Client:
    """Who reads as long as `reading` is set, and whose connection raises what it is `broken` by."""

    def __init__(self) -> None:
        self.body = b""
        self.over = False
        self.broken: Exception | None = None
        self.reading = asyncio.Event()
        self.reading.set()

    async def send(self, message: Any) -> None:
        if self.broken is not None:
            raise self.broken
        if not self.reading.is_set():
            await self.reading.wait()
        if message["type"] == "http.response.body":
            self.body += message["body"]
            self.over |= not message["more_body"]

    @property
    def told(self) -> list[str]:
        """Events, a purge by its tag; a heartbeat is none."""
        heard = []
        for block in self.body.decode().split("\n\n"):
            name = block.partition("event: ")[2].partition("\n")[0]
            heard += [block.partition('"tag":"')[2].partition('"')[0] if name == "purge" else name] if name else []
        return heard

    @property
    def last_id(self) -> str:
        return self.body.decode().rpartition("id: ")[2].strip()


@pytest.fixture
def feed() -> DrivenFeed:
    return DrivenFeed()


@pytest.fixture
def live(feed: DrivenFeed) -> Callable[..., Hub]:
    """A hub whose feed is live, not started: tests have it do what is due."""

    def made(**settings: Any) -> Hub:
        hub = Hub(LiveSettings(**settings), feed, NOWHERE)  # type: ignore[arg-type]
        hub.resumed(missed=False)
        return hub

    return made


async def tell(hub: Hub) -> None:
    """All that is due, without the pause after a flood."""
    for teller in hub._tellers.values():
        while teller._queue:
            what, _ = teller._queue[0]
            if not getattr(what, "flood", False):
                await teller.step()
                continue
            step = asyncio.create_task(teller.step())
            await eventually(lambda teller=teller, what=what: teller.told == what.named)
            step.cancel()


def said(hub: Hub, event_id: int, sequence: int, *, visible: bool = True, events: int | None = None) -> None:
    now = datetime.now(UTC)
    event = EventProjectedV1(
        id=str(sequence), source="syncer", subject=f"event/{event_id}", time=now, seen_at=now,
        event_id=event_id, revision=sequence, visible=visible, events_revision=events,
    )  # fmt: skip
    hub.heard(event, late=False, sequence=sequence)


def named(sequence: int, born: datetime = BORN) -> str:
    return str(EventId(incarnation(born), sequence))


@contextmanager
def joined(hub: Hub, wish: Wish = EVERYTHING, organizer: Principal | None = None) -> Iterator[tuple[Client, Stream]]:
    client = Client()
    stream = hub.join(client.send, wish, organizer)
    try:
        yield client, stream
    finally:
        hub.leave(stream)


async def test_streams_that_leave_while_a_round_is_told_are_not_kept_as_behind(live):
    hub = live(sse_patience=0.1)
    await tell(hub)
    clients = [Client() for _ in range(3 * SLICE)]
    for client in clients:
        client.reading.clear()
        hub.join(client.send, EVERYTHING, None)
    said(hub, 42, 11)
    step = asyncio.create_task(hub._tellers[Circle.PUBLIC].step())
    await asyncio.sleep(0)  # a slice of it, then others have a turn
    assert not step.done()
    assert len(hub._streams._behind) == len(clients)
    hub._streams.drop_slow(time.monotonic() + 1)
    await step
    assert (hub.open, hub._streams._behind, hub._streams._mortal) == (0, set(), set())


async def test_a_flood_of_drafts_is_silent_for_anonymous_clients(live):
    hub = live()
    await tell(hub)
    with joined(hub) as (anyone, _), joined(hub, organizer=ORGANIZER) as (organizer, _):
        for sequence in range(11, 11 + MOST_PURGES + 50):
            said(hub, sequence, sequence, visible=False)
        said(hub, 999, 500)
        await tell(hub)
        assert anyone.told == ["live", "event:999"]
        assert organizer.told == ["live", "reset"]
        for sequence in range(501, 501 + MOST_TAGS + 10):
            said(hub, sequence, sequence, visible=False)
        await tell(hub)
        assert anyone.told == ["live", "event:999"]
        assert anyone.last_id == named(500)
        said(hub, 999, 9000)
        said(hub, 7, 9001, visible=False, events=3)
        await tell(hub)
        assert anyone.told == ["live", "event:999", "event:999", "events"]


async def test_a_flood_of_drafts_holds_up_nothing_that_anonymous_clients_hear(live):
    hub = live()
    hub.start()
    try:
        with joined(hub) as (anyone, _), joined(hub, organizer=ORGANIZER) as (organizer, _):
            for sequence in range(11, 11 + MOST_PURGES + 50):
                said(hub, sequence, sequence, visible=False)
            await eventually(lambda: organizer.told[-1] == "reset")
            began = time.monotonic()
            said(hub, 999, 500)
            await eventually(lambda: anyone.told[-1] == "event:999")
            assert time.monotonic() - began < 0.5, "organizers are in the pause after a flood"
            assert "event:999" not in organizer.told
    finally:
        await hub.close()


async def test_who_was_behind_is_told_how_things_stand(live, feed):
    hub = live()
    await tell(hub)
    with joined(hub) as (client, _):
        for is_live, state in ((False, "degraded"), (True, "live")):
            client.reading.clear()
            said(hub, 42, 11)
            await tell(hub)  # on its way
            feed.live = is_live
            if is_live:
                hub.resumed(missed=False)
            else:
                hub.interrupted()
            await tell(hub)  # missed
            client.reading.set()
            await eventually(lambda state=state: client.told[-3:] == ["event:42", "reset", state])


async def test_who_was_behind_before_anything_was_known_is_told_that_nothing_is(feed):
    feed.live = False
    hub = Hub(LiveSettings(), feed, NOWHERE)
    client = Client()
    client.reading.clear()
    stream = hub.join(client.send, EVERYTHING, None)
    hub.interrupted()
    await tell(hub)
    client.reading.set()
    await eventually(lambda: client.told == ["degraded", "degraded"])
    hub.leave(stream)


async def test_no_heartbeat_takes_an_id_back_to_before_a_gap(live, feed):
    hub = live()
    await tell(hub)
    with joined(hub) as (client, stream):
        said(hub, 42, 11)
        await tell(hub)
        feed.position = Position(REBORN, 3)
        hub.interrupted()
        hub.resumed(missed=True)
        await tell(hub)
        assert client.told == ["live", "event:42", "degraded", "reset", "live"]
        await hub._watch.step([stream])
        assert client.body.endswith(heartbeat(EventId(incarnation(REBORN), 3)))


async def test_the_id_that_anyone_is_given_moves_only_with_what_anyone_may_hear(live):
    hub = live()
    public, sequence = 10, 10
    for visible, events in ((False, None), (True, None), (False, None), (False, 7), (True, 8), (False, None)):
        sequence += 1
        said(hub, 42, sequence, visible=visible, events=events)
        public = sequence if visible or events else public
        await tell(hub)
        with joined(hub) as (anyone, one), joined(hub, organizer=ORGANIZER) as (organizer, other):
            for _ in ("welcome", "heartbeat"):
                assert (anyone.last_id, organizer.last_id) == (named(public), named(sequence))
                await hub._watch.step([one, other])


async def test_neither_end_of_what_can_be_replayed_tells_of_drafts(live):
    hub = live(sse_replay=2)
    await tell(hub)
    said(hub, 42, 11)
    for sequence in range(12, 20):
        said(hub, sequence, sequence, visible=False)
    await tell(hub)
    outcomes = {}
    for sequence in range(9, 21):
        for organizer in (None, ORGANIZER):
            wish = Wish(None, EventId.parse(named(sequence)))
            with joined(hub, wish, organizer) as (client, _):
                outcomes[sequence, organizer is not None] = client.told[0]
    assert [at for at in range(9, 21) if outcomes[at, False] != "reset"] == [10, 11]
    assert [at for at in range(9, 21) if outcomes[at, True] != "reset"] == [17, 18, 19]


async def test_a_stream_whose_sending_fails_in_an_unknown_way_ends_alone(live):
    hub = live()
    await tell(hub)
    with joined(hub) as (poisoned, bad), joined(hub) as (client, good):
        poisoned.broken = ValueError("no server raises this")
        await hub._watch.step([bad, good])
        assert (bad.open, good.open) == (False, True)
        said(hub, 42, 11)
        await tell(hub)
        assert client.told == ["live", "event:42"]
        assert hub.open == 1


async def test_a_watch_that_failed_once_goes_on():
    wheel = Wheel(0.01, tick=0.01)
    streams = Streams(wheel, lambda _: b"")
    client = Client()
    stream = streams.join(client.send, None, b"", circle=Circle.PUBLIC, ends_at=None)
    asked = 0

    def told() -> dict[Circle, EventId | None]:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise ValueError("once")
        return {Circle.PUBLIC: EventId(7, 3)}

    task = asyncio.create_task(Watch(wheel, streams, told, patience=1).run())
    try:
        await eventually(lambda: client.body.endswith(heartbeat(EventId(7, 3))))
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        streams.leave(stream)


async def answering(hub: Hub, send: Callable[[Any], Awaitable[None]], *, head: bool = False) -> None:
    """One request of a client that stays until its stream is over."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    scope = {"type": "http", "client": ("192.0.2.1", 1), HEAD: head}
    await EventStream(hub, EVERYTHING, None)(scope, receive, send)


async def test_who_is_let_in_while_the_service_stops_is_let_out_at_once(live):
    hub = live()
    client = Client()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            hub.stop()  # in the very moment in which the server takes the headers
        await client.send(message)

    await answering(hub, send)
    assert client.over
    assert hub.open == 0
    with pytest.raises(Problem):
        await answering(hub, client.send)


@pytest.mark.parametrize("limit", ["sse_max_streams", "sse_max_streams_per_client"])
async def test_a_place_is_taken_before_the_first_byte_and_given_back_however_it_ends(live, limit):
    hub = live(**{limit: 2})
    slow, client = Client(), Client()
    slow.reading.clear()
    waiting = [asyncio.create_task(answering(hub, slow.send, head=head)) for head in (False, True)]
    await asyncio.sleep(0)  # both wait for their headers to be taken
    with pytest.raises(Problem) as refused:
        await answering(hub, client.send)
    assert refused.value.status == 503
    waiting[0].cancel()
    slow.reading.set()
    await asyncio.gather(*waiting, return_exceptions=True)
    slow.broken = OSError("gone")
    for _ in range(3):
        with pytest.raises(OSError, match="gone"):
            await answering(hub, slow.send)
    await answering(hub, client.send)
    assert not hub.places._per_client


async def test_a_stream_ends_when_its_token_does(live):
    hub = live()
    await tell(hub)
    soon = Principal("ann", ORGANIZER.scopes, expires_at=time.time() + 0.05)
    late = Principal("ann", ORGANIZER.scopes, expires_at=time.time() + 10 * TOKEN_AGE)
    assert age(soon) <= 0.05
    assert age(late) == age(ORGANIZER) == TOKEN_AGE
    with joined(hub, organizer=soon) as (expiring, _), joined(hub, organizer=late) as (other, _), joined(hub):

        async def over() -> bool:
            await hub._watch.step([])  # whose turn it is on the wheel says nothing of whose time is over
            return expiring.over

        await eventually(over)
        assert not other.over
        assert hub.open == 2
