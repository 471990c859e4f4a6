"""Live jobs: what becomes of a command is told to whoever may see it, over every interruption, or `reset`."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import announcing
import httpx2
import orjson
import pytest
from event_streams import listening
from fastapi import FastAPI
from nats.js import JetStreamContext
from projected import STATIC_KEYS
from waiting import eventually

from read_api.app import create_app
from read_api.live.jobs_feed import JobsFeed
from read_api.settings import ReadApiSettings
from sandbox.servers import Nats
from shared.auth import mint
from shared.contracts import EventProjectedV1, JobChangedV1
from shared.provision import provision
from shared.settings import NatsSettings
from shared.topology import JOBS, address

Serving = Callable[..., AbstractAsyncContextManager[FastAPI]]
MINTED = {
    "ann": mint("ann", ["events:write"]),
    "bob": mint("bob", ["events:write", "events:read"]),
    "desk": mint("desk", ["jobs:read", "events:read"]),
    "reader": mint("onlyreads", ["events:read"]),
}
TOKEN = {name: {"Authorization": f"Bearer {key}"} for name, (key, _) in MINTED.items()}
KEYS = ",".join([STATIC_KEYS, *(entry for _, entry in MINTED.values())])
ANN, BOB = "key:ann", "key:bob"  # as a job names its owner


def job_id(number: int) -> str:
    return f"01990000-0000-7000-8000-{number:012d}"


@pytest.fixture
def serving(settings: Callable[..., ReadApiSettings], bus: Nats, jetstream: JetStreamContext) -> Serving:
    """The app itself, which hears of projections."""
    assert jetstream is not None  # the streams are there

    @asynccontextmanager
    async def running(**changes: Any) -> AsyncIterator[FastAPI]:
        app = create_app(settings(**{"nats_url": bus.url, "auth_static_keys": KEYS} | changes))
        async with app.router.lifespan_context(app):
            await eventually(lambda: says_live(app))
            yield app

    return running


async def says_live(app: FastAPI) -> bool:
    async with listening(app) as stream:
        return stream.names == ["live"]


async def say(jetstream: JetStreamContext, number: int, version: int, status: str, owner: str = ANN) -> None:
    job = job_id(number)
    said = JobChangedV1(
        id=f"job:{job}:{version}", source="writer", subject=f"job/{job}", time=datetime.now(UTC), job_id=job,
        owner=owner, state=status, version=version, body=orjson.dumps({"job_id": job, "status": status, "cost": None}),
    )  # fmt: skip
    stream, subject = address(said)
    await jetstream.publish(subject, said.body, stream=stream.name, headers=said.headers())


async def announce(jetstream: JetStreamContext, event_id: int, revision: int) -> None:
    now = datetime.now(UTC)
    message = EventProjectedV1(
        id=f"{event_id}-{revision}", source="syncer", subject=f"event/{event_id}", time=now,
        event_id=event_id, revision=revision, visible=True, seen_at=now,
    )  # fmt: skip
    await announcing.announce(jetstream, message)


async def test_a_job_is_told_to_whoever_may_see_it_and_asked_for_it(serving: Serving, jetstream: JetStreamContext):
    named = f"/v1/changes?jobs={job_id(1)},{job_id(2)}"
    async with (
        serving() as app,
        listening(app, "/v1/changes?jobs=all", TOKEN["ann"]) as own,
        listening(app, named, TOKEN["ann"]) as some,
        listening(app, "/v1/changes?jobs=all", TOKEN["desk"]) as every,
        listening(app, named + "&tags=event:42", TOKEN["desk"]) as both,
        listening(app, "/v1/changes?jobs=all&tags=all", TOKEN["bob"]) as other,
        listening(app) as anyone,
    ):
        assert own.names == ["live"]
        assert [heard.data for heard in both.heard] == [{"of": "tags"}, {"of": "jobs"}]
        await say(jetstream, 1, 1, "succeeded")
        await eventually(lambda: some.jobs == [(job_id(1), "succeeded")])
        await say(jetstream, 2, 1, "failed", owner=BOB)
        await say(jetstream, 3, 1, "queued", owner=ANN)
        await announce(jetstream, 42, 17)
        await eventually(lambda: own.jobs == [(job_id(1), "succeeded"), (job_id(3), "queued")])
        await eventually(lambda: every.jobs[1:] == [(job_id(2), "failed"), (job_id(3), "queued")])
        await eventually(lambda: both.jobs == [(job_id(1), "succeeded"), (job_id(2), "failed")])
        await eventually(lambda: other.jobs == [(job_id(2), "failed")])
        await eventually(lambda: both.purged == other.purged == anyone.purged == [("event:42", 17)])
        assert some.jobs == [(job_id(1), "succeeded")], "the other is not its own"
        assert (own.purged, every.purged, some.purged) == ([], [], [])
        assert anyone.names == ["live", "purge"]
        assert next(heard for heard in every.heard if heard.event == "job").data["cost"] is None


async def test_who_comes_back_to_another_replica_hears_how_its_job_ended(serving: Serving, jetstream: JetStreamContext):
    target = f"/v1/changes?tags=event:42&jobs={job_id(1)}"
    async with serving() as first, listening(first, target, TOKEN["desk"]) as stream:
        await say(jetstream, 1, 1, "queued")
        await announce(jetstream, 42, 1)
        await eventually(lambda: (stream.jobs, stream.purged) == ([(job_id(1), "queued")], [("event:42", 1)]))
        known = stream.last_id
    await say(jetstream, 1, 2, "dispatching")
    await say(jetstream, 2, 1, "queued")
    await announce(jetstream, 42, 2)
    await say(jetstream, 1, 3, "succeeded")
    async with serving() as second:  # nobody asked it for jobs until now
        back = {"Last-Event-ID": known, **TOKEN["desk"]}
        await eventually(lambda: purge_replayed(second))
        async with listening(second, target, back) as stream:
            assert (stream.jobs, stream.purged) == ([(job_id(1), "succeeded")], [("event:42", 2)])
            assert (stream.states("jobs"), stream.states("tags")) == (["live"], ["live"])
            newest = stream.last_id
        async with listening(second, f"{target}&last_event_id={newest}", TOKEN["desk"]) as stream:
            assert stream.names == ["live", "live"]
        for of_no_use in ("nonsense", "1-1.j1-1", newest.partition(".")[2], newest.partition(".")[0]):
            async with listening(second, f"{target}&last_event_id={of_no_use}", TOKEN["desk"]) as stream:
                jobs, tags = stream.states("jobs"), stream.states("tags")
                assert (jobs == ["live"]) == (of_no_use in newest and of_no_use.startswith("j")), of_no_use
                assert (tags == ["live"]) == (of_no_use in newest and not of_no_use.startswith("j")), of_no_use


async def purge_replayed(app: FastAPI) -> bool:
    async with listening(app) as stream:
        return stream.last_id.endswith("-2")


REFUSED = (
    ("?jobs=all", None, 401), ("?jobs=all", "reader", 403), ("?jobs=all&tags=events", "ann", 403),
    ("?tags=events", "ann", 403), ("", "ann", 403), ("?jobs=", "ann", 400), ("?jobs=1", "ann", 400),
    (f"?jobs={job_id(1)},all", "ann", 400), (f"?jobs={job_id(1)},", "ann", 400),
    (f"?jobs={job_id(1)}&jobs=all", "ann", 400), (f"?jobs={job_id(1)}%0A", "ann", 400),
    ("?jobs=" + ",".join(map(job_id, range(101))), "ann", 400), (f"?jobs={job_id(1).upper()}0", "ann", 400),
    ("?jobs=all&owner=key:bob", "ann", 400), ("?jobs=all&tags=", "ann", 400),
    ("?jobs=all", "ann", 200), ("?jobs=" + "%2C".join(map(job_id, range(100))), "ann", 200), ("?jobs=all", "desk", 200),
)  # fmt: skip


async def test_who_may_not_see_jobs_or_is_not_understood_is_refused(serving: Serving):
    async with serving() as app:
        for query, who, status in REFUSED:
            async with listening(app, f"/v1/changes{query}", TOKEN[who] if who else {}) as stream:
                assert stream.status == status, (query, who)
                if status in (401, 403):
                    assert stream.headers["Www-Authenticate"].startswith("Bearer ")
                if status == 403:
                    needed = "jobs:read" if who == "reader" else "events:read"
                    assert f'scope="{needed}"' in stream.headers["Www-Authenticate"]


async def test_jobs_that_cannot_be_heard_degrade_no_purge(serving: Serving, bus: Nats, jetstream: JetStreamContext):
    async with (
        serving() as app,
        listening(app, "/v1/changes?tags=all&jobs=all", TOKEN["desk"]) as both,
        listening(app, "/v1/changes?jobs=all", TOKEN["ann"]) as jobs,
        listening(app) as anyone,
    ):
        await say(jetstream, 1, 1, "queued")
        await eventually(lambda: len(jobs.jobs) == len(both.jobs) == 1)
        known = jobs.last_id
        await jetstream.delete_stream(JOBS.name)
        await eventually(lambda: jobs.states("jobs") == both.states("jobs") == ["live", "degraded"], within=10)
        await announce(jetstream, 42, 1)
        await eventually(lambda: both.purged == anyone.purged == [("event:42", 1)])
        await eventually(lambda: degraded(app, ["jobs"]))
        await provision(NatsSettings(nats_url=bus.url))
        anew = ["live", "degraded", "reset", "live"]
        await eventually(lambda: jobs.states("jobs") == both.states("jobs") == anew, within=10)
        await say(jetstream, 1, 2, "succeeded")
        await eventually(lambda: jobs.jobs[-1] == both.jobs[-1] == (job_id(1), "succeeded"))
        assert both.states("tags") == ["live"]
        assert anyone.names == ["live", "purge"]
        async with listening(app, "/v1/changes?jobs=all", {"Last-Event-ID": known, **TOKEN["ann"]}) as back:
            assert back.names == ["reset", "live"]
        await eventually(lambda: degraded(app, []))


async def degraded(app: FastAPI, parts: list[str]) -> bool:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://api") as client:
        told = (await client.get("/v1/status")).json()["degraded"]
        return [part for part in told if part not in ("postgres", "redis")] == parts


async def test_a_flood_of_jobs_neither_delays_nor_resets_purges(serving: Serving, jetstream: JetStreamContext):
    async with (
        serving() as app,
        listening(app, "/v1/changes?tags=all&jobs=all", TOKEN["desk"]) as both,
        listening(app, f"/v1/changes?jobs={job_id(7)}", TOKEN["ann"]) as one,
        listening(app) as anyone,
    ):
        flood = asyncio.create_task(say_many(jetstream, 2_000))
        slowest, revision = 0.0, 0
        while not flood.done():
            revision += 1
            await announce(jetstream, 42, revision)
            stored = time.monotonic()
            await eventually(lambda revision=revision: anyone.purged[-1:] == [("event:42", revision)])
            slowest = max(slowest, time.monotonic() - stored)
        await flood
        await say(jetstream, 7, 2, "succeeded")
        await eventually(lambda: one.jobs[-1:] == [(job_id(7), "succeeded")])
        await eventually(lambda: both.purged[-1:] == [("event:42", revision)])
        assert set(anyone.names) == {"live", "purge"}
        assert set(both.states("tags")) == set(one.states("jobs")) == {"live"}
        if "reset" not in both.states("jobs"):  # on a machine too slow for a flood
            await eventually(lambda: {job for job, _ in both.jobs} == {job_id(number) for number in range(2_000)})
        assert slowest < 1.0, "this process says 2,000 jobs itself, meanwhile"


async def say_many(jetstream: JetStreamContext, count: int, at_once: int = 50) -> None:
    for first in range(0, count, at_once):
        await asyncio.gather(*(say(jetstream, number, 1, "queued") for number in range(first, first + at_once)))


async def test_a_process_nobody_asks_for_jobs_does_not_follow_them(
    serving: Serving, bus: Nats, jetstream: JetStreamContext
):
    async with serving() as app:
        assert await jetstream.consumers_info(JOBS.name) == []
        async with listening(app, "/v1/changes?jobs=all", TOKEN["ann"]) as stream:
            assert stream.names == ["live"]
            assert len(await jetstream.consumers_info(JOBS.name)) == 1

    class Ear:
        def heard(self, said: JobChangedV1, /, *, late: bool, sequence: int) -> None: ...
        def interrupted(self) -> None: ...
        def resumed(self, *, missed: bool) -> None: ...

    forgotten: list[bool] = []
    feed = JobsFeed(NatsSettings(nats_url=bus.url), Ear(), lambda: False, lambda: forgotten.append(True), linger=0.1)
    for times in (1, 2):
        await feed.ready()
        assert feed.live
        await eventually(lambda times=times: len(forgotten) == times and not feed.live)
    await feed.close()
    await feed.ready()
    assert feed.following is None
