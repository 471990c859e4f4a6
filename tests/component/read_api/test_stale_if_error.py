"""While nothing can be loaded, what was the answer a while ago is better than none; and it says so."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import httpx2
import nats
import pytest
from projected import ORGANIZER, Event, Shop
from waiting import eventually

from sandbox.servers import Postgres, Valkey
from shared.migrations import migrate
from shared.settings import RedisSettings
from shared.tags import Tags, connect
from shared.topology import address

JAZZ = Event(42, handle="jazz-night", title="Jazz Night")
PATH = "/v1/events/42"
PATHS = [PATH, "/v1/events/42/tickets", "/v1/events/by-handle/jazz-night", "/v1/events", "/v1/categories"]
HIT = "understudy; hit; detail=l1"
SPARE = "understudy; hit; detail=stale-if-error"
ROOM = 10_000_000
MANAGED = "/v1/manage/events/42"


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[Postgres]:
    """A PostgreSQL of the test's own, to be killed."""
    tmp_path.chmod(0o711)
    with Postgres(tmp_path / "postgres") as server:
        yield server


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    with Valkey(tmp_path / "valkey") as server:
        yield server


@pytest.fixture
async def own_shop(postgres: Postgres, valkey: Valkey) -> AsyncIterator[tuple[str, Shop]]:
    await migrate(postgres.dsn, "syncer")
    connection, redis = await asyncpg.connect(postgres.dsn), connect(RedisSettings(redis_url=valkey.url))
    yield postgres.dsn, Shop(connection, Tags(redis))
    connection.terminate()
    await redis.aclose()


async def until(api: httpx2.AsyncClient, path: str, status: str) -> None:
    async def said() -> bool:
        return (await api.get(path)).headers.get("Cache-Status") == status

    await eventually(said, within=15, saying=f"{path}: {status}")


async def test_what_was_announced_and_cannot_be_loaded_is_answered_as_it_was(
    serve, own_shop: tuple[str, Shop], postgres: Postgres, valkey: Valkey, nats_url: str
):
    dsn, shop = own_shop
    await shop.save(JAZZ)
    async with serve(postgres_dsn=dsn, redis_url=valkey.url, l1_max_bytes=ROOM) as api:
        for path in PATHS:
            await until(api, path, HIT)
        assert (await api.get(MANAGED, headers=ORGANIZER)).status_code == 200
        await shop.change(JAZZ, title="Blues")
        said = (await shop.announcement(JAZZ)).model_copy(update={"events_revision": await shop.collection()})
        postgres.kill()
        valkey.kill()
        client = await nats.connect(nats_url)
        stream, subject = address(said)
        await client.jetstream(timeout=5).publish(subject, b"", stream=stream.name, headers=said.headers())
        await client.close()

        for path in PATHS:
            await until(api, path, SPARE)
            answer = await api.get(path)
            assert answer.status_code == 200
            assert answer.headers["Cache-Control"] == "no-store"  # no cache on the way may go on with it
            assert not {"CDN-Cache-Control", "Cache-Tag", "Surrogate-Key"} & {name.title() for name in answer.headers}
        assert (await api.get(PATH)).json()["title"] == "Jazz Night"
        assert (await api.get(PATH, headers={"X-Min-Revision": "2"})).status_code in {409, 503}
        refused = await api.get(MANAGED, headers=ORGANIZER)  # nothing of the kind was announced to organizers
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        assert (await api.get("/v1/events/43")).status_code == 503

        postgres.start()
        valkey.start()
        for path in PATHS:
            await until(api, path, HIT)
        assert (await api.get(PATH)).json()["title"] == "Blues"


async def test_nothing_is_spared_where_nothing_is_announced(
    serve, own_shop: tuple[str, Shop], postgres: Postgres, valkey: Valkey, nats_url: str
):
    dsn, shop = own_shop
    await shop.save(JAZZ)
    settings = {"cache_control_public": "public, max-age=0", "l1_max_bytes": ROOM}
    async with serve(postgres_dsn=dsn, redis_url=valkey.url, **settings) as api:
        await until(api, PATH, HIT)
        said = await shop.announcement(await shop.change(JAZZ, title="Blues"))
        postgres.kill()
        valkey.kill()
        client = await nats.connect(nats_url)
        stream, subject = address(said)
        await client.jetstream(timeout=5).publish(subject, b"", stream=stream.name, headers=said.headers())
        await client.close()

        async def refused() -> bool:
            return (await api.get(PATH)).status_code == 503

        await eventually(refused, within=15)
