"""Live streams: what has changed is told at once, to whoever may hear it; and who missed something is told so."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import announcing
import pytest
from event_streams import listening
from fastapi import FastAPI
from nats.js import JetStreamContext
from projected import NOT_ALLOWED, ORGANIZER
from waiting import eventually

from read_api.app import create_app
from read_api.settings import ReadApiSettings
from sandbox.servers import Nats
from shared.contracts import EventProjectedV1
from shared.provision import provision
from shared.settings import NatsSettings
from shared.topology import PROJECTIONS

Serving = Callable[..., AbstractAsyncContextManager[FastAPI]]


@pytest.fixture
def serving(settings: Callable[..., ReadApiSettings], bus: Nats, jetstream: JetStreamContext) -> Serving:
    """The app itself, whose feed is live (`live=False`: perhaps not)."""
    assert jetstream is not None  # the streams are there

    @asynccontextmanager
    async def running(live: bool = True, **changes: Any) -> AsyncIterator[FastAPI]:
        app = create_app(settings(**{"nats_url": bus.url} | changes))
        async with app.router.lifespan_context(app):
            if live:
                await eventually(lambda: says_live(app))
            yield app

    return running


async def says_live(app: FastAPI) -> bool:
    async with listening(app) as stream:
        return stream.names == ["live"]


async def announce(jetstream: JetStreamContext, event_id: int, revision: int, **said: Any) -> None:
    now = datetime.now(UTC)
    message = EventProjectedV1(
        id=f"{event_id}-{revision}-{now.timestamp()}", source="syncer", subject=f"event/{event_id}", time=now,
        event_id=event_id, revision=revision, seen_at=now, **({"visible": True} | said),
    )  # fmt: skip
    await announcing.announce(jetstream, message)


async def test_a_purge_is_heard_by_those_who_asked_for_its_tag(serving: Serving, jetstream: JetStreamContext):
    async with (
        serving() as app,
        listening(app, "/v1/changes?tags=event:42") as one,
        listening(app, "/v1/changes?tags=events,event%3A7") as lists,
        listening(app) as everything,
    ):
        await announce(jetstream, 42, 17)
        await announce(jetstream, 7, 3, events_revision=100)
        await announce(jetstream, 42, 18)
        await eventually(lambda: one.purged == [("event:42", 17), ("event:42", 18)])
        await eventually(lambda: lists.purged == [("event:7", 3), ("events", 100)])
        await eventually(lambda: len(everything.purged) == 4)
        assert one.status == 200
        assert one.headers["Content-Type"] == "text/event-stream"
        assert one.headers["Cache-Control"] == "no-store, no-transform"
        assert one.headers["X-Accel-Buffering"] == "no"
        assert one.headers["Access-Control-Allow-Origin"] == "*"
        assert "Content-Length" not in one.headers
        assert one.body.startswith(b"retry: ")
        assert one.names[0] == "live"
        purges = [heard for heard in lists.heard if heard.event == "purge"]
        assert [heard.id is None for heard in purges] == [True, False], "an id stands for all of its announcement"


async def test_who_comes_back_to_another_replica_hears_the_latest_of_what_it_missed(
    serving: Serving, jetstream: JetStreamContext
):
    async with serving() as first:
        async with listening(first, "/v1/changes?tags=event:42,event:7") as stream:
            await announce(jetstream, 42, 1)
            await eventually(lambda: stream.purged == [("event:42", 1)])
            known = stream.last_id
        for revision in range(2, 6):
            await announce(jetstream, 42, revision)
        await announce(jetstream, 7, 9)
        await announce(jetstream, 8, 1)
    async with serving() as second:  # which was not there when it was announced
        back = {"Last-Event-ID": known}
        await eventually(lambda: replayed(second, "/v1/changes?tags=event:42,event:7", back))
        async with listening(second, f"/v1/changes?tags=event:42,event:7&last_event_id={known}") as stream:
            assert sorted(stream.purged) == [("event:42", 5), ("event:7", 9)]
            assert stream.names == ["purge", "purge", "live"]
            newest = stream.last_id
        async with listening(second, "/v1/changes", {"Last-Event-ID": newest}) as stream:
            assert stream.names == ["live"]


async def replayed(app: FastAPI, target: str, headers: dict[str, str]) -> bool:
    async with listening(app, target, headers) as stream:
        return sorted(stream.purged) == [("event:42", 5), ("event:7", 9)]


async def test_an_id_that_tells_nothing_is_answered_with_a_reset(serving: Serving, jetstream: JetStreamContext):
    async with serving(sse_replay=3) as app:
        async with listening(app) as stream:
            oldest = stream.last_id
            for revision in range(1, 6):
                await announce(jetstream, 42, revision)
            await eventually(lambda: stream.purged[-1:] == [("event:42", 5)])
            incarnation, sequence = stream.last_id.split("-")
        of_another = f"{int(incarnation) - 1}-{sequence}"
        in_future = f"{incarnation}-{int(sequence) + 1}"
        for told in (oldest, of_another, in_future, "nonsense", "1-2-3", "-", f"{incarnation}-0{sequence}"):
            async with listening(app, headers={"Last-Event-ID": told}) as stream:
                assert stream.names == ["reset", "live"], told
        async with listening(app, headers={"Last-Event-ID": f"{incarnation}-{int(sequence) - 3}"}) as stream:
            assert stream.names == ["purge", "live"]


async def test_drafts_are_told_to_organizers_only(serving: Serving, jetstream: JetStreamContext):
    async with (
        serving(sse_heartbeat=1) as app,
        listening(app, "/v1/changes?tags=event:42,event:43,events") as anonymous,
        listening(app) as everyone,
        listening(app, headers=ORGANIZER) as organizer,
    ):
        start = anonymous.last_id
        await announce(jetstream, 42, 1, visible=False)
        await announce(jetstream, 42, 2, visible=False)
        await eventually(lambda: organizer.purged[-1:] == [("event:42", 2)])  # together, or one after the other
        beats = len(everyone.heard)
        await eventually(lambda: len(everyone.heard) > beats, saying="a heartbeat after the drafts")
        assert (anonymous.purged, everyone.purged) == ([], [])
        assert {heard.id for heard in everyone.heard} == {start}, "nor do heartbeats tell that there was something"
        await announce(jetstream, 43, 1)
        await eventually(lambda: anonymous.purged == everyone.purged == [("event:43", 1)])
        async with listening(app, headers={"Last-Event-ID": start}) as back:
            assert back.purged == [("event:43", 1)]
        async with listening(app, headers={"Last-Event-ID": start} | ORGANIZER) as back:
            assert sorted(back.purged) == [("event:42", 2), ("event:43", 1)]
        of_a_draft = f"{start.partition('-')[0]}-{int(start.partition('-')[2]) + 4}"
        await announce(jetstream, 42, 3, visible=False)
        await eventually(lambda: organizer.last_id == of_a_draft)
        async with listening(app, headers={"Last-Event-ID": of_a_draft}) as guessing:
            assert guessing.names == ["reset", "live"], "as for an id that was never given"


async def test_whoever_bears_it_a_new_revision_of_the_lists_is_told_to_everyone(
    serving: Serving, jetstream: JetStreamContext
):
    async with serving() as app, listening(app) as anyone, listening(app, headers=ORGANIZER) as organizer:
        start = anyone.last_id
        await announce(jetstream, 42, 2, visible=False, events_revision=7)
        await eventually(lambda: anyone.purged == [("events", 7)])
        await eventually(lambda: organizer.purged == [("event:42", 2), ("events", 7)])
        async with listening(app, headers={"Last-Event-ID": start}) as back:
            assert back.purged == [("events", 7)]


async def test_a_token_that_proves_too_little_is_refused(serving: Serving):
    async with serving(live=False) as app:
        for token, status in (
            ("Bearer us_wrong_key", 401), ("Bearer ", 401), ("Basic dTpw", 401), ("", 401),
            (NOT_ALLOWED["Authorization"], 403),
        ):  # fmt: skip
            async with listening(app, headers={"Authorization": token}) as stream:
                assert stream.status == status, token
                assert stream.headers["Www-Authenticate"].startswith("Bearer ")
                assert stream.headers["Cache-Control"] == "no-store"


NOT_UNDERSTOOD = (
    "tags=", "tags=event:", "tags=event:0", "tags=event:042", "tags=Event:42", "tags=event:42,,events", "tags=job:1",
    "tags=event:99999999999999999999", "tags=events&tags=event:42", "tag=events", "tags=events&x=1", "tags=%FF",
    "tags=" + ",".join(f"event:{number}" for number in range(1, 102)), "tags=events&" + "x" * 5000,
    "tags=events&access_token=x",
)  # fmt: skip


async def test_a_question_that_is_not_understood_is_refused(serving: Serving):
    async with serving(live=False) as app:
        for query in NOT_UNDERSTOOD:
            async with listening(app, f"/v1/changes?{query}") as stream:
                assert stream.status == 400, query
                assert stream.headers["Content-Type"] == "application/problem+json"


async def test_methods_and_bodies_that_mean_nothing_here(serving: Serving):
    async with serving(live=False) as app:
        async with listening(app, method="POST") as stream:
            assert stream.status == 405
        async with listening(app, headers={"Content-Length": "5"}) as stream:
            assert stream.status == 400
        async with listening(app, method="HEAD") as stream:
            assert (stream.status, stream.body) == (200, b"")
            assert stream.headers["Content-Type"] == "text/event-stream"
            await asyncio.wait_for(stream.over.wait(), timeout=5)


async def test_a_killed_server_is_told_and_costs_nothing(serving: Serving, bus: Nats, jetstream: JetStreamContext):
    async with serving() as app, listening(app) as stream:
        await announce(jetstream, 42, 1)
        await eventually(lambda: stream.names == ["live", "purge"])
        bus.kill()
        await eventually(lambda: stream.names[-1] == "degraded")
        async with listening(app, headers={"Last-Event-ID": stream.last_id}) as back:
            assert back.names == ["degraded"]
            bus.start()
            await announce(jetstream, 42, 2)
            await eventually(lambda: back.purged == stream.purged[1:] == [("event:42", 2)], within=10)
            assert back.names == ["degraded", "live", "purge"]
        assert stream.names == ["live", "purge", "degraded", "live", "purge"]


async def test_a_gap_is_a_reset(serving: Serving, bus: Nats, jetstream: JetStreamContext):
    async with serving() as app, listening(app) as stream:
        await announce(jetstream, 42, 1)
        await eventually(lambda: stream.purged == [("event:42", 1)])
        before = stream.last_id
        await jetstream.delete_stream(PROJECTIONS.name)
        await eventually(lambda: stream.names[-1] == "degraded", within=10)
        await provision(NatsSettings(nats_url=bus.url))
        await eventually(lambda: stream.names[-3:] == ["degraded", "reset", "live"], within=10)
        async with listening(app, headers={"Last-Event-ID": before}) as back:
            assert back.names == ["reset", "live"]


async def test_who_comes_while_nothing_is_known_is_reset_when_something_is(serving: Serving, bus: Nats):
    bus.kill()
    async with serving(live=False) as app, listening(app, headers={"Last-Event-ID": "1-1"}) as stream:
        assert stream.names == ["degraded"]
        bus.start()
        await eventually(lambda: stream.names == ["degraded", "reset", "live"], within=15)


async def test_a_client_that_falls_behind_is_reset_and_one_that_stays_behind_is_dropped(
    serving: Serving, jetstream: JetStreamContext
):
    async with (
        serving(sse_patience=0.5, sse_heartbeat=1) as app,
        listening(app) as slow,
        listening(app) as stuck,
        listening(app) as reader,
    ):
        slow.reading.clear()
        stuck.reading.clear()
        for revision in (1, 2, 3):
            await announce(jetstream, 42, revision)
            await eventually(lambda revision=revision: reader.purged[-1:] == [("event:42", revision)])
        slow.reading.set()
        await eventually(lambda: slow.names == ["live", "purge", "reset", "live"], saying="what it missed is one reset")
        await asyncio.wait_for(stuck.over.wait(), timeout=5)
        assert not slow.over.is_set()
        assert not reader.over.is_set()


async def test_only_so_many_streams_are_open(serving: Serving):
    async with serving(sse_max_streams=2, live=False) as app:
        async with listening(app) as one, listening(app) as two, listening(app) as three:
            assert (one.status, two.status, three.status) == (200, 200, 503)
            assert int(three.headers["Retry-After"]) > 0
        async with listening(app) as again:
            assert again.status == 200
    async with serving(sse_max_streams_per_client=1, live=False) as app, listening(app), listening(app) as second:
        assert second.status == 503


async def test_a_service_that_stops_ends_its_streams(serving: Serving):
    async with serving(live=False) as app:
        streams = listening(app), listening(app, headers=ORGANIZER)
        opened = [await stream.__aenter__() for stream in streams]
    for stream, opening in zip(opened, streams, strict=True):
        assert stream.over.is_set()
        await opening.__aexit__(None, None, None)
