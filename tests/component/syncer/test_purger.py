"""What was announced reaches the CDN: whatever is away, whoever dies, and within the provider's quota."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import asyncpg
import httpx2
import nats
import pytest
from cdn_apis import Api, Cloudflare, Fastly
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError
from prometheus_client import generate_latest
from waiting import eventually

from shared.bus import Bus, make_broker, running, stream_problem
from shared.contracts import EventProjectedV1
from shared.ending import end
from shared.loops import Loop
from shared.migrations import migrate
from shared.postgres import close, connect
from shared.provision import provision
from shared.settings import NatsSettings, PostgresSettings
from shared.topology import DEAD_LETTERS, PROJECTIONS, PURGER
from syncer import metrics
from syncer.purger import debts, shift
from syncer.purger.agent import LOCK, Purger
from syncer.purger.providers import Fleet, Quota
from syncer.purger.providers.cloudflare import Cloudflare as CloudflareEdge
from syncer.purger.record import Record
from syncer.purger.settings import CdnSettings

INTERVAL, REPEAT_AFTER = 0.05, 0.25  # seconds
numbers = itertools.count(1)


@dataclass
class System:
    """NATS and PostgreSQL with a purger or more, and what it has to do."""

    bus: Bus
    pool: "asyncpg.Pool[asyncpg.Record]"
    jetstream: JetStreamContext

    async def say(self, *event_ids: int, visible: bool = True, lists: bool = False) -> None:
        now = datetime.now(UTC)
        await self.bus.publish_all([
            EventProjectedV1(
                id=f"purger-test-{next(numbers)}", source="syncer", subject=f"event/{event_id}", time=now, seen_at=now,
                event_id=event_id, revision=1, events_revision=1 if lists else None, visible=visible,
            )
            for event_id in event_ids
        ])  # fmt: skip

    @asynccontextmanager
    async def purging(self, api: Api, **changes: Any) -> AsyncIterator[Loop]:
        """One replica."""
        given = {
            "cdn_interval": INTERVAL, "cdn_repeat_after": REPEAT_AFTER, "cdn_rate": 200, "cdn_burst": 50
        } | api.settings()  # fmt: skip
        settings = CdnSettings.model_validate(given | changes)
        loop = Loop("purger", Purger(settings, self.pool, self.bus).step, 0.1, longest_pause=0.2)
        loop.start()
        try:
            yield loop
        finally:
            await loop.stop()

    async def unacknowledged(self) -> int:
        info = await self.jetstream.consumer_info(PROJECTIONS.name, PURGER.durable)
        return (info.num_ack_pending or 0) + (info.num_pending or 0)

    async def is_idle(self) -> bool:
        return not await self.unacknowledged() and await self.row("owed") is None

    async def row(self, column: str) -> Any:
        return await self.pool.fetchval(f"SELECT {column} FROM purger")  # noqa: S608 (a name of this file)


@pytest.fixture
async def system(nats_url: str, database: str) -> AsyncIterator[System]:
    settings = NatsSettings(nats_url=nats_url)
    client = await nats.connect(nats_url)
    jetstream = client.jetstream()
    with suppress(NotFoundError):
        await jetstream.delete_stream(PROJECTIONS.name)
    await provision(settings)
    await migrate(database, "syncer")
    pool = await connect(PostgresSettings(postgres_dsn=database), "test")
    broker = make_broker(settings, "test")
    async with running(broker):
        await eventually(lambda: _answers(broker))
        yield System(Bus(broker), pool, jetstream)
    await close(pool)
    await client.close()


async def _answers(broker: Any) -> bool:
    return await stream_problem(broker, PROJECTIONS) is None


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch) -> None:
    monkeypatch.setattr(shift, "FIRST_PAUSE", 0.05)


@pytest.fixture(params=[Cloudflare, Fastly], ids=["cloudflare", "fastly"])
def either(request) -> Iterator[Api]:
    with request.param() as server:
        yield server


@pytest.fixture
def api() -> Iterator[Api]:
    with Cloudflare() as server:
        yield server


Settled = Callable[..., AbstractAsyncContextManager[Loop]]


@pytest.fixture
def settled(system: System) -> Settled:
    """A purger that has been here before, and has nothing to do."""

    @asynccontextmanager
    async def purging(api: Api, **changes: Any) -> AsyncIterator[Loop]:
        async with system.purging(api, **changes) as loop:
            await eventually(lambda: len(api.purged(None)) == 2)
            await eventually(system.is_idle)
            api.purges.clear()
            yield loop

    return purging


async def test_what_anyone_may_see_is_purged_twice_then_acknowledged_and_drafts_are_not(system, settled, either):
    async with settled(either):
        await system.say(2, visible=False)
        await eventually(system.is_idle)
        await system.say(1, lists=True)
        await eventually(lambda: either.purged("event:1"))
        assert await system.unacknowledged() == 1, "the provider has it, but an answer may be on its way to the edge"
        await eventually(lambda: len(either.purged("event:1")) == 2)
        await eventually(system.is_idle)
    first, second = either.purged("event:1")
    assert second - first >= REPEAT_AFTER / 2  # (calls may be long on their way to the provider)
    assert {tag for purge in either.purges for tag in purge.tags} == {"event:1", "events"}
    assert either.refusals == []
    assert all(purge.soft == isinstance(either, Fastly) for purge in either.purges)


async def test_lists_that_a_draft_bears_are_purged_and_the_draft_is_not(system, settled, api):
    """Every list says how far all of them have come, and the announcement of the event that raised it may be lost."""
    async with settled(api):
        await system.say(2, visible=False, lists=True)
        await eventually(lambda: len(api.purged("events")) == 2)
        await eventually(system.is_idle)
    assert {tag for purge in api.purges for tag in purge.tags} == {"events"}


async def test_a_wave_on_one_event_is_one_purge_an_interval_and_holds_one_message(system, settled, api):
    async with settled(api):
        for _ in range(20):
            await system.say(*[1] * 10)
        await system.say(9)
        await eventually(system.is_idle)
    times = api.purged("event:1")
    assert len(times) <= (times[-1] - times[0]) / INTERVAL + 2


async def test_more_tags_than_a_call_may_hold_are_several_calls(system, settled, either):
    async with settled(either):
        await system.say(*range(1, 301))
        await eventually(lambda: len({tag for purge in either.purges for tag in purge.tags}) == 300)
        await eventually(system.is_idle)
    assert either.refusals == []
    assert max(len(purge.tags) for purge in either.purges) <= either.MOST


async def test_an_edge_that_was_never_purged_is_purged_as_a_whole_and_once(system, settled, api):
    async with settled(api):
        pass
    async with system.purging(api):
        await system.say(1)
        await eventually(lambda: len(api.purged("event:1")) == 2)
        assert api.purged(None) == []
    async with system.purging(api, cdn_zone_id="another"):
        await eventually(lambda: 404 in api.refusals)
        assert await system.row("owed") == 2


async def test_an_api_that_is_away_holds_up_nothing_and_is_told_everything_when_it_is_back(system, settled, api):
    async with settled(api):
        api.away = True
        await system.say(1, 2, lists=True)
        await eventually(lambda: metrics.CDN_AGE._value.get() > 0.3)
        await system.say(1)
        api.away = False
        await eventually(lambda: all(api.purged(tag) for tag in ("event:1", "event:2", "events")), within=10)
        await eventually(system.is_idle)
    assert metrics.CDN_AGE._value.get() == 0


async def test_a_provider_that_takes_no_more_for_now_is_left_alone_for_as_long_as_it_says(system, settled, api):
    async with settled(api):
        api.says = (429, {}, {"Retry-After": "1"})
        await system.say(1)
        await eventually(lambda: 429 in api.refusals)
        api.says = None
        refused_at = api.asked[-1]
        await eventually(lambda: api.purged("event:1"), within=10)
    assert api.purged("event:1")[0] - refused_at >= 1


async def test_a_hard_quota_is_never_exceeded_by_two_replicas_nor_when_one_takes_over(system, settled, api):
    """The provider's own bucket refuses whatever is too much; it never has to. (Some calls may arrive bunched.)"""
    api.rate, api.burst = 20.0, 6
    quota = {"cdn_rate": 20.0, "cdn_burst": 3, "cdn_backlog": 60}
    async with settled(api, **quota) as first, system.purging(api, **quota):
        for number in range(15):
            await system.say(number, number + 1)
            if number == 7:
                await first.stop()
        await eventually(lambda: {f"event:{each}" for each in range(16)} <= _all(api), within=20)
        await eventually(system.is_idle, within=10)
    assert api.refusals == []


def _all(api: Api) -> set[str]:
    return {tag for purge in api.purges for tag in purge.tags or ()}


async def test_who_dies_loses_the_lock_and_what_was_not_acknowledged_is_purged_by_the_next(system, settled, api):
    async with settled(api):
        api.says = (503, {}, {})
        await system.say(1)
        await eventually(lambda: 503 in api.refusals)
        # Its connection is cut: it must stop, and another may begin.
        await system.pool.fetchval(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = $1", LOCK[0]
        )
        api.says = None
        await eventually(lambda: len(api.purged("event:1")) == 2, within=10)
        await eventually(system.is_idle, within=10)


async def test_what_can_not_be_worked_off_in_time_is_one_purge_of_all_that_is_ours(system, settled, api):
    async with settled(api, cdn_rate=5, cdn_burst=1, cdn_backlog=0.2):
        await system.say(*range(1, 400))
        await eventually(lambda: api.purged("understudy"), within=10)
        await eventually(lambda: not metrics.CDN_AGE._value.get(), within=10)
        await eventually(system.is_idle, within=10)
    assert api.purged(None) == [], "nobody else's pages are dropped"


async def test_a_provider_that_takes_no_tags_is_purged_as_a_whole(system, settled, api):
    async with settled(api):
        api.refuses_tags = True
        await system.say(1)
        await eventually(lambda: api.purged(None), within=10)
        await eventually(system.is_idle, within=10)


async def test_a_token_that_is_refused_is_tried_again_and_shown_nowhere(system, settled, either, capfd):
    async with settled(either):
        either.token = "rotated"
        await system.say(1)
        await eventually(lambda: either.refusals)
        assert either.purged(None) == [], "a larger purge would be refused just the same"
        either.token = Api.token
        await eventually(lambda: either.purged("event:1"), within=10)
    said = "".join(capfd.readouterr()) + generate_latest().decode()
    assert "TokenRefused" in said
    assert Api.token not in said
    assert "Authentication error" not in said, "nor is the provider's answer: it may repeat what it was sent"


async def test_a_purger_that_was_away_for_longer_than_the_stream_keeps_purges_all_that_is_ours(system, settled, api):
    async with settled(api):
        await system.say(1)
        await eventually(system.is_idle)
    await system.say(2)
    await system.jetstream.purge_stream(PROJECTIONS.name)
    api.purges.clear()
    async with system.purging(api):
        await eventually(lambda: len(api.purged("understudy")) == 2)
        await eventually(system.is_idle)
    async with system.purging(api):
        await system.say(3)
        await eventually(lambda: api.purged("event:3"))
    assert len(api.purged("understudy")) == 2


async def test_what_is_owed_is_still_owed_by_the_successor(system, api):
    api.says = (503, {}, {})
    async with system.purging(api):
        await eventually(lambda: api.refusals)
        await system.say(1)
        await eventually(lambda: _all_heard(system), saying="borne by the table, so acknowledged")
    assert await system.row("owed") == 2
    api.says = None
    async with system.purging(api):
        await eventually(lambda: len(api.purged(None)) == 2)
        await eventually(system.is_idle)


async def _all_heard(system: System) -> bool:
    return not await system.unacknowledged()


async def test_how_far_it_is_is_written_down_as_it_goes(system, settled, api, monkeypatch):
    monkeypatch.setattr(debts, "LOOK", 0.05)
    async with settled(api):
        before = await system.row("purged_to")
        await system.say(1, 2)
        await eventually(lambda: _has_moved(system, before + 2))
    assert len(api.purged("event:1")) == 2


async def _has_moved(system: System, to: int) -> bool:
    return await system.row("purged_to") == to


async def test_a_message_that_nobody_can_read_is_buried_and_holds_nobody_up(system, settled, api):
    before = (await system.jetstream.stream_info(DEAD_LETTERS.name)).state.messages
    async with settled(api):
        await system.jetstream.publish("projections.event.1", json.dumps({"no": "contract"}).encode())
        await system.say(2)
        await eventually(lambda: api.purged("event:2"))
        await eventually(system.is_idle)
    assert (await system.jetstream.stream_info(DEAD_LETTERS.name)).state.messages == before + 1


async def test_stopped_it_gives_back_what_it_has_at_once(system, settled, api):
    async with settled(api):
        api.away = True
        await system.say(1)
        await eventually(lambda: metrics.CDN_WAITING._value.get() == 1)
    api.away = False
    async with asyncio.timeout(PURGER.ack_wait / 2), system.purging(api):
        await eventually(lambda: api.purged("event:1"), within=PURGER.ack_wait / 2)


async def test_what_a_killed_purger_had_in_hand_is_purged_by_the_next(system, settled, api, nats_url):
    """It says nothing any more: the server delivers again what it had not acknowledged, when its `ack_wait` is over."""
    async with settled(api):
        pass
    await system.jetstream.add_consumer(PROJECTIONS.name, replace(PURGER, ack_wait=1.0).config())
    broker = make_broker(NatsSettings(nats_url=nats_url), "killed")
    async with running(broker):
        await eventually(lambda: _answers(broker))
        dying = System(Bus(broker), system.pool, system.jetstream)
        async with dying.purging(api, cdn_repeat_after=30):
            await system.say(1)
            await eventually(lambda: api.purged("event:1"))
            await broker.connection.close()
    api.purges.clear()
    async with system.purging(api):
        await eventually(lambda: len(api.purged("event:1")) == 2, within=10)
        await eventually(system.is_idle)


async def test_an_edge_that_is_away_holds_up_no_other_and_is_owed_everything_until_it_is_back(system, settled, api):
    """Two Varnishes, as far as a purger can tell: what they say is Cloudflare's."""
    async with settled(api):
        pass
    with Cloudflare() as other:
        async with httpx2.AsyncClient(trust_env=False, timeout=1) as http:
            fleet = Fleet([_edge(api, http), _edge(other, http)], REPEAT_AFTER)
            settings = CdnSettings.model_validate(
                api.settings() | {"cdn_interval": 0.05, "cdn_repeat_after": REPEAT_AFTER}
            )
            purging = shift.Shift(
                settings, fleet, Quota(200, 50, 100), Record(system.pool, settings.edge()), system.bus
            )
            working = asyncio.create_task(purging.work())
            other.away = True
            await system.say(1)
            await eventually(lambda: len(api.purged("event:1")) == 2)
            await eventually(lambda: _all_heard(system))
            assert await system.row("owed") == 1, "should the purger die now, its successor purges everything"
            other.away = False
            await eventually(lambda: len(other.purged(None)) == 2)
            await eventually(system.is_idle)
            assert api.purged(None) == []
            await end(working)


def _edge(api: Api, http: httpx2.AsyncClient) -> CloudflareEdge:
    return CloudflareEdge(http, api.token, api.account, api.settings()["cdn_api_url"])
