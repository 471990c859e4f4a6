"""While nothing can be loaded, what was the answer a while ago is better than none; and it says so."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import httpx2
import nats
import pytest
from projected import ORGANIZER, Event, Shop
from waiting import eventually

from sandbox.servers import Nats, Postgres, Valkey
from shared.contracts import EventProjectedV1
from shared.migrations import migrate
from shared.provision import provision
from shared.settings import NatsSettings, RedisSettings
from shared.tags import Tags, connect
from shared.topology import address

JAZZ = Event(42, handle="jazz-night", title="Jazz Night")
PATH, MANAGED = "/v1/events/42", "/v1/manage/events/42"
LISTS = ["/v1/events", "/v1/categories"]
PATHS = [PATH, "/v1/events/42/tickets", "/v1/events/by-handle/jazz-night", *LISTS]
HIT = "understudy; hit; detail=l1"
SPARE = "understudy; hit; detail=stale-if-error"
ROOM = 10_000_000


@dataclass
class Own:
    """Servers of the test's own, to be killed."""

    postgres: Postgres
    valkey: Valkey
    nats: Nats
    shop: Shop

    @property
    def settings(self) -> dict[str, object]:
        dsn, redis, bus = self.postgres.dsn, self.valkey.url, self.nats.url
        return {"postgres_dsn": dsn, "redis_url": redis, "nats_url": bus, "l1_max_bytes": ROOM}


@pytest.fixture
def killable(tmp_path: Path) -> Iterator[tuple[Postgres, Valkey, Nats]]:
    tmp_path.chmod(0o711)
    with Postgres(tmp_path / "p") as postgres, Valkey(tmp_path / "v") as valkey, Nats(tmp_path / "n") as bus:
        yield postgres, valkey, bus


@pytest.fixture
async def own(killable: tuple[Postgres, Valkey, Nats]) -> AsyncIterator[Own]:
    postgres, valkey, bus = killable
    await migrate(postgres.dsn, "syncer")
    await provision(NatsSettings(nats_url=bus.url))
    connection, redis = await asyncpg.connect(postgres.dsn), connect(RedisSettings(redis_url=valkey.url))
    shop = Shop(connection, Tags(redis))
    await shop.save(JAZZ)
    yield Own(postgres, valkey, bus, shop)
    connection.terminate()
    await redis.aclose()


async def until(api: httpx2.AsyncClient, path: str, status: str) -> None:
    async def said() -> bool:
        return (await api.get(path)).headers.get("Cache-Status") == status

    await eventually(said, within=15, saying=f"{path}: {status}")


async def test_with_everything_away_what_was_the_answer_still_is_and_says_so(serve, own: Own):
    async with serve(**own.settings) as api:
        for path in PATHS:
            await until(api, path, HIT)
        assert (await api.get(MANAGED, headers=ORGANIZER)).status_code == 200
        for server in (own.nats, own.postgres, own.valkey):
            server.kill()

        for path in PATHS:
            await until(api, path, SPARE)
            answer = await api.get(path)
            assert answer.status_code == 200
            assert answer.headers["Cache-Control"] == "no-store"  # no cache on the way may go on with it
            assert not {"cdn-cache-control", "cache-tag", "surrogate-key"} & set(answer.headers)
        assert (await api.get(PATH, headers={"X-Min-Revision": "2"})).status_code in {409, 503}
        refused = await api.get(MANAGED, headers=ORGANIZER)  # nothing of the kind was announced to organizers
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        assert (await api.get("/v1/events/43")).status_code == 503

        for server in (own.nats, own.postgres, own.valkey):
            server.start()
        for path in PATHS:
            await until(api, path, HIT)


async def test_an_event_that_is_known_to_have_changed_is_not_shown_as_it_was_but_lists_are(serve, own: Own):
    """It may have been withdrawn. Its handle leads to it, and so to nothing."""
    async with serve(**own.settings) as api:
        for path in PATHS:
            await until(api, path, HIT)
        collection = await _known(api)
        changed = await own.shop.change(JAZZ, status="draft")
        own.postgres.kill()
        own.valkey.kill()
        await _say(own, changed, revision=2, collection=collection + 1)

        for path in LISTS:
            await until(api, path, SPARE)
        for path in PATHS[:3]:
            assert (await api.get(path)).status_code == 503, path


async def test_nothing_is_spared_where_nothing_is_announced(serve, own: Own):
    async with serve(**own.settings, cache_control_public="public, max-age=0") as api:
        await until(api, "/v1/events", HIT)
        collection = await _known(api)
        own.postgres.kill()
        own.valkey.kill()
        await _say(own, JAZZ, revision=2, collection=collection + 1)

        async def refused() -> bool:
            return (await api.get("/v1/events")).status_code == 503

        await eventually(refused, within=15)


async def test_who_is_turned_away_by_a_busy_server_is_not_given_what_is_stale(serve, own: Own):
    """Somebody who fills all places must not turn time back for the others."""
    async with serve(**own.settings, max_loads=1) as api:
        await until(api, "/v1/events", HIT)
        lock = await asyncpg.connect(own.postgres.dsn)
        async with lock.transaction():
            await lock.execute("LOCK TABLE events")
            filling = asyncio.create_task(api.get("/v1/events/99"))
            await _say(own, JAZZ, revision=2, collection=await own.shop.collection() + 1)

            async def refused() -> bool:
                return (await api.get("/v1/events")).status_code == 503

            await eventually(refused)
            assert (await filling).status_code == 503
        await lock.close()


async def _known(api: httpx2.AsyncClient) -> int:
    return int((await api.get("/v1/events")).headers["X-Revision"])


async def _say(own: Own, event: Event, *, revision: int, collection: int) -> None:
    """What the syncer said of a change before everything broke."""
    now = datetime.now(UTC)
    said = EventProjectedV1(
        id=f"{event.id}-{revision}", source="syncer", subject=f"event/{event.id}", time=now, event_id=event.id,
        revision=revision, events_revision=collection, visible=True, seen_at=now,
    )  # fmt: skip
    client = await nats.connect(own.nats.url)
    stream, subject = address(said)
    await client.jetstream(timeout=5).publish(subject, b"", stream=stream.name, headers=said.headers())
    await client.close()
