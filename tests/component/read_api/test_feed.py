"""The feed hears every announcement, in order, over every interruption, and says when it can't."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from announcing import announce
from nats.js import JetStreamContext
from projected import Event, Shop
from waiting import eventually

from read_api.feed import SILENCE, Feed, Position
from sandbox.servers import Nats
from shared.contracts import EventProjectedV1
from shared.provision import provision
from shared.settings import NatsSettings
from shared.topology import PROJECTIONS


@dataclass
class Ear:
    """A listener that remembers."""

    revisions: list[int] = field(default_factory=list)
    late: list[int] = field(default_factory=list)
    sequences: list[int] = field(default_factory=list)
    interruptions: int = 0
    resumptions: list[bool] = field(default_factory=list)

    def heard(self, event: EventProjectedV1, *, late: bool, sequence: int) -> None:
        self.revisions.append(event.revision)
        self.sequences.append(sequence)
        if late:
            self.late.append(event.revision)

    def interrupted(self) -> None:
        self.interruptions += 1

    def resumed(self, *, missed: bool) -> None:
        self.resumptions.append(missed)


@pytest.fixture
async def ear(bus: Nats, jetstream: JetStreamContext) -> AsyncIterator[tuple[Ear, Feed]]:
    await jetstream.stream_info(PROJECTIONS.name)
    listener = Ear()
    feed = Feed(NatsSettings(nats_url=bus.url), [listener])
    feed.start()
    await eventually(lambda: feed.live)
    yield listener, feed
    await feed.close()


def announcement(revision: int, age: timedelta = timedelta()) -> EventProjectedV1:
    now = datetime.now(UTC)
    return EventProjectedV1(
        id=f"42-{revision}-{now.timestamp()}", source="syncer", subject="event/42", time=now, event_id=42,
        revision=revision, visible=True, seen_at=now - age,
    )  # fmt: skip


async def test_announcements_are_heard_in_order_from_now_on(bus: Nats, jetstream: JetStreamContext):
    await announce(jetstream, announcement(1))
    listener = Ear()
    feed = Feed(NatsSettings(nats_url=bus.url), [listener])
    feed.start()
    await eventually(lambda: feed.live)
    for revision in range(2, 300):
        await announce(jetstream, announcement(revision))
    await eventually(lambda: len(listener.revisions) == 298)
    assert listener.revisions == list(range(2, 300))
    assert listener.late == []
    await feed.close()


async def test_a_killed_server_costs_no_announcement(bus: Nats, jetstream: JetStreamContext, ear):
    listener, feed = ear
    for revision in range(1, 6):
        await announce(jetstream, announcement(revision))
    await eventually(lambda: listener.revisions == [1, 2, 3, 4, 5])
    for revision in (10, 20, 30):
        bus.kill()
        await eventually(lambda: not feed.live)
        bus.start()
        await announce(jetstream, announcement(revision))
        await eventually(lambda: feed.live, within=10)
        await announce(jetstream, announcement(revision + 1))
    await eventually(lambda: listener.revisions[-1] == 31, within=10)
    assert listener.revisions == [1, 2, 3, 4, 5, 10, 11, 20, 21, 30, 31]
    assert listener.interruptions == 3
    assert listener.resumptions == [False] * 4


async def test_a_deleted_consumer_is_noticed_and_replaced(jetstream: JetStreamContext, ear):
    listener, _ = ear
    await announce(jetstream, announcement(1))
    await eventually(lambda: listener.revisions == [1])
    for consumer in await jetstream.consumers_info(PROJECTIONS.name):
        await jetstream.delete_consumer(PROJECTIONS.name, consumer.name)
    await announce(jetstream, announcement(2))
    await eventually(lambda: listener.revisions == [1, 2], within=10)
    assert listener.late == [2]
    assert listener.interruptions == 1


async def test_a_stream_that_was_made_anew_is_a_gap(bus: Nats, jetstream: JetStreamContext, ear):
    listener, feed = ear
    for revision in range(1, 4):
        await announce(jetstream, announcement(revision))
    await eventually(lambda: len(listener.revisions) == 3)
    await jetstream.delete_stream(PROJECTIONS.name)
    await eventually(lambda: not feed.live, within=10)
    await provision(NatsSettings(nats_url=bus.url))
    await eventually(lambda: feed.live, within=10)
    assert listener.resumptions == [False, True]
    await announce(jetstream, announcement(9))
    await eventually(lambda: listener.revisions == [1, 2, 3, 9])


async def test_announcements_that_expired_meanwhile_are_a_gap(jetstream: JetStreamContext, ear):
    listener, _ = ear
    await announce(jetstream, announcement(1))
    await eventually(lambda: listener.revisions == [1])
    for consumer in await jetstream.consumers_info(PROJECTIONS.name):
        await jetstream.delete_consumer(PROJECTIONS.name, consumer.name)
    for revision in (2, 3):
        await announce(jetstream, announcement(revision))
    await jetstream.purge_stream(PROJECTIONS.name)
    await eventually(lambda: listener.resumptions == [False, True], within=10)
    await announce(jetstream, announcement(4))
    await eventually(lambda: listener.revisions[-1] == 4)


async def test_a_paused_server_is_noticed(bus: Nats, ear):
    listener, feed = ear
    bus.pause()
    try:
        await eventually(lambda: not feed.live, within=10)
    finally:
        bus.resume()
    await eventually(lambda: feed.live, within=10)
    assert listener.interruptions == 1


@dataclass
class Clock:
    """The process's own, which may be put forward: as the real one is for a process that was stopped."""

    ahead: float = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


async def test_a_process_that_slept_knows_when_it_wakes(bus: Nats, jetstream: JetStreamContext):
    listener, clock = Ear(), Clock()
    feed = Feed(NatsSettings(nats_url=bus.url), [listener], clock)
    feed.start()
    await eventually(lambda: feed.live)
    assert clock() - feed.heard_at < SILENCE
    clock.ahead += SILENCE
    assert clock() - feed.heard_at >= SILENCE, "before anything else had a turn"
    await announce(jetstream, announcement(1))
    await eventually(lambda: listener.resumptions == [False, False])
    await eventually(lambda: listener.revisions == [1])
    assert (listener.interruptions, listener.late) == (1, [1])
    await feed.close()


async def test_an_idle_feed_stays_live_and_says_when_it_heard_last(jetstream: JetStreamContext, ear):
    listener, feed = ear
    for _ in range(5):
        before = feed.heard_at
        await eventually(lambda before=before: feed.heard_at > before, within=SILENCE)
    assert listener.interruptions == 0
    await announce(jetstream, announcement(1))
    await announce(jetstream, announcement(2))
    await eventually(lambda: listener.sequences == [1, 2])
    stream = await jetstream.stream_info(PROJECTIONS.name)
    assert feed.position == Position(stream.created, 2)


async def test_a_loop_that_was_blocked_is_a_gap(jetstream: JetStreamContext, ear):
    listener, feed = ear
    await announce(jetstream, announcement(1))
    await eventually(lambda: listener.revisions == [1])
    threading.Event().wait(SILENCE + 0.2)
    assert time.monotonic() - feed.heard_at >= SILENCE
    await eventually(lambda: listener.resumptions == [False, False])
    await announce(jetstream, announcement(2))
    await eventually(lambda: listener.revisions == [1, 2])


async def test_what_is_no_contract_of_ours_stops_nothing(jetstream: JetStreamContext, ear):
    listener, feed = ear
    await jetstream.publish("projections.event.42", b"nonsense")
    await jetstream.publish("projections.event.42", b"", headers={"ce-type": EventProjectedV1.TYPE})
    await announce(jetstream, announcement(1))
    await eventually(lambda: listener.revisions == [1])
    assert feed.live


async def test_a_feed_waits_for_its_stream(tmp_path: Path):
    with Nats(tmp_path / "empty") as empty:
        settings = NatsSettings(nats_url=empty.url)
        feed = Feed(settings, [])
        feed.start()
        await provision(settings)
        await eventually(lambda: feed.live, within=10)
        await feed.close()


async def test_the_status_knows_how_long_changes_take_to_be_visible(
    serve, shop: Shop, bus: Nats, jetstream: JetStreamContext
):
    await shop.save(Event(42), Event(43, complete=False), Event(44, status="draft"))
    await shop.connection.execute(
        "INSERT INTO runs (kind, asked_by, state, done, expected) VALUES ('backfill', 'start', 'running', 3, 5)"
    )
    await shop.connection.execute(
        "INSERT INTO refetches (resource, id, reason, seen_at) VALUES ('product', 1, 'tie', now())"
    )
    async with serve(nats_url=bus.url) as api:
        await eventually(lambda: all_well(api))
        await announce(jetstream, await shop.announcement(Event(42), age=timedelta(seconds=2)))

        async def measured() -> dict:
            told = (await api.get("/v1/status")).json()
            return told if told["change_to_visible_ms"]["samples"] else {}

        status = await eventually(measured)
        assert 2000 <= status["change_to_visible_ms"]["p50"] < 7000
        assert (status["events"], status["incomplete"], status["refetches_pending"]) == (2, 1, 1)
        assert (status["backfill"]["products"], status["backfill"]["failed"]) == (3, False)
        assert status["last_change_at"].endswith("Z")
        bus.kill()
        await eventually(lambda: says_nats(api))
        assert (await api.get("/v1/events/42")).status_code == 200
        bus.start()
        await eventually(lambda: all_well(api), within=10)


async def test_the_status_is_counted_once_for_everyone_who_asks(api: httpx2.AsyncClient):
    first = await api.get("/v1/status")
    answers = await asyncio.gather(*(api.get("/v1/status") for _ in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert first.headers["Cache-Control"] == "no-store"


async def all_well(api: httpx2.AsyncClient) -> bool:
    return (await api.get("/v1/status")).json()["degraded"] == []


async def says_nats(api: httpx2.AsyncClient) -> bool:
    return (await api.get("/v1/status")).json()["degraded"] == ["nats"]
