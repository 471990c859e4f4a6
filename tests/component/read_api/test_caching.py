"""Redis, the fence and coalescing, on real servers: one load, never an old document."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import httpx2
import nats
import pytest
from projected import Event, Shop
from prometheus_client import REGISTRY
from waiting import eventually

from read_api.circuit import Circuit
from read_api.coalescer import Coalescer
from read_api.floors import Floors
from read_api.l1 import L1
from read_api.news import News
from read_api.reader import Answer, Reader, Source, Wanted
from sandbox.servers import Valkey
from shared.settings import RedisSettings
from shared.tags import EVENTS, LEASE, Document, Hit, Lead, Tags, Wait, connect, event_tag
from shared.topology import address

JAZZ = Event(42, handle="jazz-night")
HIT = "understudy; hit; detail=redis"


def loads() -> float:
    return REGISTRY.get_sample_value("understudy_read_load_seconds_count") or 0.0


class Loader:
    """Loads that a test lets through."""

    def __init__(self, *documents: Document | Exception) -> None:
        self.documents = list(documents)
        self.begun = 0
        self.opened = asyncio.Event()

    async def __call__(self) -> Document:
        self.begun += 1
        document = self.documents.pop(0) if len(self.documents) > 1 else self.documents[0]
        await self.opened.wait()
        if isinstance(document, Exception):
            raise document
        return document


class Beating:
    """A feed of which a sign of life was heard just now."""

    @property
    def heard_at(self) -> float:
        return time.monotonic()


OLD, NEW = Document(1, 200, b"old"), Document(2, 200, b"new")


@pytest.fixture
async def readers(own_redis_url: str, tags: Tags) -> AsyncIterator[tuple[Reader, Reader]]:
    """Two processes' worth of readers on one Redis."""
    made, closing = [], []
    await tags.ping()
    for _ in range(2):
        client = connect(RedisSettings(redis_url=own_redis_url))
        own = Tags(client)
        circuit, coalescer = Circuit(own), Coalescer[Answer](100, 20_000)
        made.append(Reader(own, circuit, circuit, coalescer, Floors(), L1(0, Beating()), News()))
        closing += [coalescer.close, circuit.close, client.aclose]
    yield made[0], made[1]
    for close in closing:
        await close()


@pytest.mark.parametrize("path", ["/v1/events/42", "/v1/events", "/v1/categories", "/v1/events/43"])
async def test_a_cold_document_is_loaded_once_for_all_readers_of_two_processes(path: str, serve, shop: Shop):
    await shop.save(JAZZ)
    async with serve() as one, serve() as other:
        before = loads()
        answers = await asyncio.gather(*((one if number % 2 else other).get(path) for number in range(400)))
        assert loads() - before == 1
        assert len({(answer.status_code, answer.content) for answer in answers}) == 1
        told = [answer.headers["Cache-Status"] for answer in answers]
        assert sum("stored" in status and "collapsed" not in status for status in told) == 1


async def test_searches_are_coalesced_though_nobody_stores_them(api: httpx2.AsyncClient, shop: Shop):
    await shop.save(JAZZ)
    before = loads()
    answers = await asyncio.gather(*(api.get("/v1/events?q=jazz") for _ in range(100)))
    assert {answer.status_code for answer in answers} == {200}
    assert loads() - before < 100


async def test_a_slow_loader_never_brings_an_old_document_back(readers, tags: Tags):
    slow, quick = readers
    loading = Loader(OLD)
    answer = asyncio.create_task(slow.read(Wanted("event:1", "document", loading)))
    await eventually(lambda: loading.begun)
    await tags.purge("event:1", 2)
    fresh = Loader(NEW)
    fresh.opened.set()
    assert (await quick.read(Wanted("event:1", "document", fresh))).document == NEW
    loading.opened.set()
    assert not (await answer).stored
    assert await tags.elect("event:1", "document") == Hit(NEW)


async def test_a_slow_loader_stores_nothing_after_an_eviction(readers, tags: Tags):
    slow, _ = readers
    loading = Loader(OLD)
    answer = asyncio.create_task(slow.read(Wanted("event:1", "document", loading)))
    await eventually(lambda: loading.begun)
    await tags.client.flushdb()
    loading.opened.set()
    assert not (await answer).stored
    assert isinstance(await tags.elect("event:1", "document"), Lead)


async def test_a_document_below_its_tag_is_not_stored(readers, tags: Tags):
    reader, _ = readers
    await tags.purge("event:1", 5)
    stale = Loader(Document(4, 200, b"stale"))
    stale.opened.set()
    assert not (await reader.read(Wanted("event:1", "document", stale))).stored
    assert isinstance(await tags.elect("event:1", "document"), Lead)


async def test_the_other_process_waits_and_gets_what_was_stored(readers):
    one, other = readers
    loading, unused = Loader(NEW), Loader(OLD)
    unused.opened.set()
    first = asyncio.create_task(one.read(Wanted("event:1", "document", loading)))
    await eventually(lambda: loading.begun)
    second = asyncio.create_task(other.read(Wanted("event:1", "document", unused)))
    loading.opened.set()
    assert (await first).source is Source.POSTGRES
    assert (await second).source is Source.REDIS
    assert unused.begun == 0


async def test_a_loader_that_fails_hands_over_to_the_other_process_at_once(readers):
    one, other = readers
    failing, good = Loader(RuntimeError("broken")), Loader(NEW)
    good.opened.set()
    first = asyncio.create_task(one.read(Wanted("event:1", "document", failing)))
    await eventually(lambda: failing.begun)
    second = asyncio.create_task(other.read(Wanted("event:1", "document", good)))
    failing.opened.set()
    async with asyncio.timeout(LEASE / 2):
        assert (await second).document == NEW
    with pytest.raises(RuntimeError):
        await first


async def test_a_loader_that_died_is_replaced_when_its_lease_ends(readers, tags: Tags):
    reader, _ = readers
    assert isinstance(await tags.elect("event:1", "document"), Lead)  # and then its process was killed
    assert isinstance(await tags.elect("event:1", "document"), Wait)
    good = Loader(NEW)
    good.opened.set()
    answer = await reader.read(Wanted("event:1", "document", good))
    assert (answer.document, answer.stored) == (NEW, True)


async def test_what_may_not_be_kept_leaves_no_lease_behind(readers, tags: Tags):
    one, other = readers
    empty = Loader(Document(3, 200, b""))
    empty.opened.set()
    assert not (await one.read(Wanted("events", "list:x", empty, lambda document: document.body != b""))).stored
    async with asyncio.timeout(LEASE / 2):
        await other.read(Wanted("events", "list:x", empty, lambda document: document.body != b""))
    assert empty.begun == 2
    assert await tags.client.hgetall("understudy:events") == {}


async def test_a_404_is_a_document_and_goes_when_the_event_appears(api: httpx2.AsyncClient, shop: Shop):
    paths = ["/v1/events/42", "/v1/events/42/tickets", "/v1/events/by-handle/jazz-night"]
    for path in paths:
        assert (await api.get(path)).status_code == 404
    before = loads()
    for path in paths[:2]:
        assert (await api.get(path)).headers["Cache-Status"] == "understudy; hit; detail=redis"
    assert loads() == before
    await shop.save(JAZZ)
    await shop.tell(JAZZ)
    for path in paths:
        assert (await api.get(path)).status_code == 200


async def test_minted_handles_take_no_room_from_the_lists(api: httpx2.AsyncClient, shop: Shop):
    await shop.save(JAZZ)
    handles = ["jazz-night", *(f"minted-{number}" for number in range(200))]
    await asyncio.gather(*(api.get(f"/v1/events/by-handle/{handle}") for handle in handles))
    assert await shop.tags.client.hlen("understudy:events") == 0
    assert (await api.get("/v1/events/by-handle/jazz-night")).headers["Cache-Status"] == HIT  # the event is stored
    await api.get("/v1/events")
    assert (await api.get("/v1/events")).headers["Cache-Status"] == HIT


async def test_minted_questions_take_no_room_from_the_lists(api: httpx2.AsyncClient, shop: Shop):
    """300 questions that nobody else asks, each with an answer; then every page size, filter and sort still hits."""
    await shop.save(JAZZ, Event(43, category="sport"))
    cursor = (await api.get("/v1/events?limit=1")).json()["next_cursor"]
    minted = [
        *(f"starts_after={at}" for at in _instants(60)),
        *(f"starts_before={at}" for at in _instants(60)),
        *(f"q=jazz -{number}" for number in range(60)),
        *(f"{name}=minted-{number}" for name in ("category", "tag", "city") for number in range(20)),
        *(f"limit={limit}" for limit in range(101, 130)),
        *(f"limit={limit}&cursor={cursor}" for limit in range(10, 41)),
    ]
    assert len(minted) == 300
    for start in range(0, len(minted), 50):
        answers = await asyncio.gather(*(api.get(f"/v1/events?{query}") for query in minted[start : start + 50]))
        assert {answer.status_code for answer in answers} == {200}
    assert await shop.tags.client.hlen("understudy:events") == 0  # no document, no lease
    for usual in ("", "?limit=250", "?limit=12&sort=title", "?category=sport", "?tag=jazz&city=Berlin&available=true"):
        assert (await api.get(f"/v1/events{usual}")).headers["Cache-Status"] == "understudy; fwd=miss; stored"
        assert (await api.get(f"/v1/events{usual}")).headers["Cache-Status"] == HIT


async def test_redis_with_an_old_document_is_passed_by_once_a_newer_one_was_heard_of(
    api: httpx2.AsyncClient, shop: Shop, nats_url: str
):
    """The syncer could not raise Redis: it was away, and came back with its memory."""
    await shop.save(JAZZ)
    for path in ("/v1/events/42", "/v1/events"):
        await api.get(path)
        assert (await api.get(path)).headers["Cache-Status"] == HIT
    await shop.save(replace(JAZZ, title="Late Jazz"))
    assert (await api.get("/v1/events/42")).json()["title"] == JAZZ.title  # nobody said anything yet
    await _announce(nats_url, shop, JAZZ)

    async def newer() -> httpx2.Response | None:
        answer = await api.get("/v1/events/42")
        return answer if answer.json()["title"] == "Late Jazz" else None

    answer: httpx2.Response = await eventually(newer)
    assert (answer.headers["X-Revision"], answer.headers["Cache-Status"]) == ("2", "understudy; fwd=stale")
    listed = await api.get("/v1/events")
    assert (listed.json()["events"][0]["title"], listed.headers["Cache-Status"]) == (
        "Late Jazz",
        "understudy; fwd=stale",
    )
    await shop.tell(JAZZ)
    await api.get("/v1/events/42")
    assert (await api.get("/v1/events/42")).headers["Cache-Status"] == HIT


async def test_who_joins_a_load_that_began_before_a_newer_answer_is_not_given_the_old_one(readers):
    reader, _ = readers
    slow, quick = Loader(OLD, NEW), Loader(NEW)
    quick.opened.set()
    first = asyncio.create_task(reader.read(Wanted("event:1", "event", slow)))
    await eventually(lambda: slow.begun)
    assert (await reader.read(Wanted("event:1", "tickets", quick))).document == NEW
    joining = [asyncio.create_task(reader.read(Wanted("event:1", "event", slow))) for _ in range(1000)]
    await asyncio.sleep(0)  # all of them wait for the load that will give the old one
    slow.opened.set()
    answers = await asyncio.gather(first, *joining)
    assert {answer.document for answer in answers} == {NEW}
    assert slow.begun == 2  # one load again, for all of them


async def test_what_the_primary_says_is_answered_even_below_the_floor(readers):
    """A restored backup: old answers are better than none, or than loading for ever."""
    reader, _ = readers
    restored = Loader(NEW, OLD)
    restored.opened.set()
    await reader.read(Wanted("event:1", "event", restored, keep=None))
    answer = await reader.read(Wanted("event:1", "event", restored, keep=None))
    assert (answer.document, answer.stale, restored.begun) == (OLD, True, 3)


async def test_a_redis_that_hangs_and_returns_with_its_memory_shows_nothing_older(serve, shop: Shop, tmp_path: Path):
    event, seen, told = await _saved(shop), [], set()
    with Valkey(tmp_path / "valkey") as valkey:
        async with serve(redis_url=valkey.url) as api:

            async def read() -> str:
                answer = await api.get("/v1/events/42")
                seen.append(int(answer.headers["X-Revision"]))
                told.add(answer.headers["Cache-Status"])
                return str(answer.headers["Cache-Status"])

            async def passed_by() -> bool:
                return await read() == "understudy; fwd=stale"

            await read()
            assert await read() == HIT
            await asyncio.to_thread(valkey.pause)
            try:
                for number in range(10):
                    await shop.save(replace(event, title=f"Jazz {number}"))
                    await read()
            finally:
                await asyncio.to_thread(valkey.resume)
            await eventually(passed_by)  # it is asked again, and still holds the first revision
            for number in range(10):
                await shop.save(replace(event, title=f"Later {number}"))
                await read()
    assert all(later >= earlier for earlier, later in pairwise(seen)), seen
    assert "understudy; fwd=bypass" in told  # while it hung


async def test_a_list_that_changes_while_it_is_loaded_is_never_served_old(api: httpx2.AsyncClient, shop: Shop):
    """Readers hammer a list while its events change: once a change is told, no answer begun later is older."""
    event = await _saved(shop)
    told, stop = [0], asyncio.Event()

    async def hammer() -> None:
        while not stop.is_set():
            known = told[0]
            answer = await api.get("/v1/events")
            assert int(answer.headers["X-Revision"]) >= known
            assert answer.json()["events"][0]["revision"] >= known - 1  # the collection began at 1

    readers = [asyncio.create_task(hammer()) for _ in range(8)]
    for number in range(40):
        event = await shop.change(event, title=f"Jazz {number}")
        told[0] = await shop.collection()
    stop.set()
    await asyncio.gather(*readers)


async def test_more_callers_than_connections_is_no_outage(tags: Tags):
    """The pool holds 64; the rest queue for a moment."""
    answers = await asyncio.gather(*(tags.elect(event_tag(number), "document") for number in range(1, 501)))
    assert all(isinstance(answer, Lead) for answer in answers)


async def test_a_full_tag_keeps_no_leases_either(tags: Tags):
    names = [f"list:{number}" for number in range(2500)]
    for start in range(0, len(names), 50):
        await asyncio.gather(*(tags.elect(EVENTS, name) for name in names[start : start + 50]))
    assert await tags.client.hlen("understudy:events") <= 2001


async def test_later_fills_do_not_put_off_the_end_of_a_tag(tags: Tags):
    """A lost purge costs an hour at most, however often other documents of the tag are stored."""
    await _fill(tags, "first")
    until = await tags.client.hget("understudy:events", "u")
    await tags.client.pexpire("understudy:events", 5000)
    await tags.client.hset("understudy:events", "u", str(int(until) - 3_590_000))
    await _fill(tags, "second")
    assert await tags.client.pttl("understudy:events") <= 10_000


async def _fill(tags: Tags, name: str) -> None:
    elected = await tags.elect(EVENTS, name)
    assert isinstance(elected, Lead)
    assert await tags.fill(EVENTS, name, elected.lease, Document(1, 200, b"x"))


def _instants(count: int) -> list[str]:
    """Around the start of the event, so that some lists hold it and some don't."""
    first = datetime(2026, 12, 1, 18, 30, tzinfo=UTC)
    return [(first + timedelta(minutes=number)).isoformat().replace("+00:00", "Z") for number in range(count)]


async def _announce(nats_url: str, shop: Shop, event: Event) -> None:
    announcement = await shop.announcement(event)
    message = announcement.model_copy(update={"events_revision": await shop.collection()})
    stream, subject = address(message)
    client = await nats.connect(nats_url)
    await client.jetstream(timeout=5).publish(subject, b"", stream=stream.name, headers=message.headers())
    await client.close()


async def _saved(shop: Shop) -> Event:
    await shop.save(JAZZ)
    return JAZZ
