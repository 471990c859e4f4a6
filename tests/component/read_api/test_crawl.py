"""A crawl through everything there is and much that isn't: the caches keep within bounds, and every answer is right.

Right is what a read-api says that keeps nothing and so reads everything from PostgreSQL.
"""

import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx2
import nats
import pytest
import zstandard
from crawler import Asked, Crawler
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from projected import Event, Shop
from waiting import eventually

from read_api.app import Application
from read_api.l1 import L1
from read_api.parameters import ListParameters
from sandbox.servers import free_port
from shared.tags import DOCUMENT_TTL, EVENTS, MAX_DOCUMENTS, NEGATIVE_TTL, Tags, event_tag
from shared.topology import address

L1_BYTES = 200_000
HOT = 5  # events that are read again and again meanwhile
HOT_EVERY = 20  # requests of the crawl
REDIS_BYTES = 8_000_000  # of all our keys; the events and the usual lists of this shop, some 404s
CODED = re.compile(r'-(gzip|zstd)"$')
CLEAN = {400, 401, 404, 405, 406, 409}

SHOP = [
    Event(
        number,
        title=f"Event {number} {'jazz' if number % 2 else 'night'}",
        category=("music", "film", None)[number % 3],
        tags=("jazz",) if number % 2 else ("late",),
        city=("Berlin", "Paris")[number % 2],
        status="draft" if number % 10 == 0 else "active",
        starts_at=None if number % 7 == 0 else datetime(2026, 12, 1, tzinfo=UTC) + timedelta(hours=number // 3),
    )
    for number in range(1, 301)
]  # fmt: skip


BUSY_FOR = 10.0  # seconds


class Pair:
    """The read-api that is crawled, and the one that knows."""

    def __init__(self, crawled: httpx2.AsyncClient, plain: httpx2.AsyncClient, tags: Tags) -> None:
        self.crawled, self.plain, self.tags = crawled, plain, tags
        self.l1 = l1_of(crawled)
        self.hot: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()

    async def check(self, asked: Asked) -> httpx2.Response:
        """Ask both. AssertionError unless the answer is right, or a clean refusal that the other one gives, too."""
        ours, right = [await answered(each, asked) for each in (self.crawled, self.plain)]
        self.statuses[ours.status_code] += 1
        assert ours.headers["Cache-Status"] if ours.status_code == 200 and asked.method == "GET" else True
        if ours.status_code == 304:
            assert (bare(ours), ours.content) == (bare(right), b""), (asked, ours.headers, right.headers)
            return ours
        assert told(ours) == told(right), (asked, told(ours), told(right))
        if ours.status_code >= 400:
            assert ours.status_code in CLEAN, (asked, ours.text)
            assert ours.headers["Cache-Control"] == "no-store", (asked, ours.headers)
            assert asked.method == "HEAD" or ours.headers["Content-Type"] == "application/problem+json", asked
        return ours

    async def read_hot(self) -> None:
        for event in SHOP[:HOT]:
            status = (await self.crawled.get(f"/v1/events/{event.id}")).headers["Cache-Status"]
            self.hot[status] += 1

    async def keeps_within_bounds(self) -> None:
        assert self.l1.bytes <= L1_BYTES
        assert sum(len(entry.document.body) for entry in self.l1._entries.values()) <= L1_BYTES
        assert len(self.l1.addresses) <= L1_BYTES // 512
        client, used = self.tags.client, 0
        assert await client.hlen(f"understudy:{EVENTS}") <= MAX_DOCUMENTS + 3
        known = {f"understudy:{event_tag(event.id)}".encode() for event in SHOP} | {b"understudy:events"}
        async for key in client.scan_iter("*"):
            used += await client.memory_usage(key) or 0
            left = await client.pttl(key)
            assert left == -2 or 0 < left <= 1000 * (DOCUMENT_TTL if key in known else NEGATIVE_TTL), (key, left)
        assert used < REDIS_BYTES, used


def l1_of(api: httpx2.AsyncClient) -> L1:
    app: Application = api._transport.app  # type: ignore[attr-defined]
    return app._hot_path._l1


async def send(api: httpx2.AsyncClient, asked: Asked) -> httpx2.Response:
    headers = dict(asked.headers)
    return await api.request(asked.method, asked.url, headers={"Accept-Encoding": "identity", **headers})


async def answered(api: httpx2.AsyncClient, asked: Asked) -> httpx2.Response:
    """A starved machine takes PostgreSQL for away for a moment, and says so: then it is asked again."""

    async def said() -> tuple[httpx2.Response]:
        answer = await send(api, asked)
        assert answer.status_code != httpx2.codes.SERVICE_UNAVAILABLE, answer.text
        return (answer,)

    found: tuple[httpx2.Response] = await eventually(said, BUSY_FOR, saying=f"{asked} is answered")
    return found[0]


def bare(answer: httpx2.Response) -> str:
    """The entity tag, without the coding that it is sent in."""
    return CODED.sub('"', answer.headers.get("ETag", ""))


def told(answer: httpx2.Response) -> tuple[object, ...]:
    """What must not depend on where an answer came from."""
    names = ("X-Revision", "Link", "Content-Type", "Cache-Control", "Cache-Tag", "Access-Control-Allow-Origin", "Vary")
    return answer.status_code, body(answer), bare(answer), *(answer.headers.get(name) for name in names)


def body(answer: httpx2.Response) -> bytes:
    coded = answer.headers.get("Content-Encoding") == "zstd" and answer.content
    return zstandard.decompress(answer.content) if coded else answer.content


@pytest.fixture
async def pair(serve, shop: Shop, tags: Tags) -> AsyncIterator[Pair]:
    await shop.save(*SHOP)
    nowhere = f"redis://127.0.0.1:{free_port()}/0"
    async with serve(l1_max_bytes=L1_BYTES) as crawled, serve(l1_max_bytes=0, redis_url=nowhere) as plain:
        yield Pair(crawled, plain, tags)


@asynccontextmanager
async def announcing(shop: Shop, nats_url: str):
    client = await nats.connect(nats_url)

    async def change(event: Event, **changes: Any) -> None:
        changed = await shop.change(event, **changes)
        message = await shop.announcement(changed)
        message = message.model_copy(update={"events_revision": await shop.collection()})
        stream, subject = address(message)
        await client.jetstream().publish(subject, message.body, stream=stream.name, headers=message.headers())

    try:
        yield change
    finally:
        await client.close()


async def crawl(pair: Pair, seed: int, questions: int) -> None:
    crawler = Crawler(seed, [event.id for event in SHOP], [event.slug for event in SHOP])
    for number in range(questions):
        crawler.learn(await pair.check(crawler.ask()))
        if number % HOT_EVERY == 0:
            await pair.read_hot()
    await pair.keeps_within_bounds()


@pytest.mark.parametrize(
    "questions", [pytest.param(500, id="small"), pytest.param(8_000, id="full", marks=pytest.mark.bench)]
)
async def test_a_crawl_finds_right_answers_and_drives_out_nothing_hot(
    pair: Pair, shop: Shop, nats_url: str, questions: int
) -> None:
    await pair.read_hot()
    pair.hot.clear()
    await crawl(pair, 1, questions // 2)
    async with announcing(shop, nats_url) as change:
        await change(SHOP[0], title="Changed meanwhile")

        async def seen() -> bool:
            return (await pair.crawled.get("/v1/events/1")).json()["title"] == "Changed meanwhile"

        await eventually(seen)
    await crawl(pair, 2, questions // 2)

    print(f"\nstatuses {dict(pair.statuses)}; hot {dict(pair.hot)}; L1 {pair.l1.bytes} of {L1_BYTES} bytes")  # noqa: T201
    hits = sum(times for status, times in pair.hot.items() if "hit; detail=l1" in status)
    assert hits >= pair.hot.total() * 0.9, pair.hot
    assert set(pair.statuses) >= {200, 304, 400, 404}
    for event in SHOP[:HOT]:
        assert "hit" in (await pair.crawled.get(f"/v1/events/{event.id}")).headers["Cache-Status"]


SEGMENTS = st.one_of(
    st.sampled_from(["1", "2", "10", "event-1", "by-handle", "tickets"]), st.text(max_size=12), st.integers().map(str)
)
NAMES = st.one_of(st.sampled_from([*ListParameters.model_fields, "min_revision", "status"]), st.text(max_size=8))
VALUES = st.one_of(
    st.sampled_from(["music", "Berlin", "title", "true", "10"]),
    st.text(max_size=20),
    st.integers(-1, 400).map(str),
    st.datetimes().map(lambda at: f"{at.isoformat()}Z"),
)
FIELDS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=30).map(str.strip)
HEADERS = st.dictionaries(
    st.sampled_from(["Accept-Encoding", "If-None-Match", "Authorization", "Accept", "Range", "Host", "X-Revision"]),
    FIELDS,
)


@examples(
    max_examples=80, deadline=None, database=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(segments=st.lists(SEGMENTS, max_size=3), query=st.lists(st.tuples(NAMES, VALUES), max_size=3), headers=HEADERS)
async def test_whatever_is_generated_is_answered_rightly_or_refused(
    pair: Pair, segments: list[str], query: list[tuple[str, str]], headers: dict[str, str]
) -> None:
    path = "/".join(["/v1/events", *(encoded(segment) for segment in segments)])
    asked = "&".join(f"{encoded(name)}={encoded(value)}" for name, value in query)
    await pair.check(Asked("GET", f"{path}?{asked}" if asked else path, tuple(headers.items())))
    assert pair.l1.bytes <= L1_BYTES


def encoded(text: str) -> str:
    return quote(text.encode("utf-8", "surrogatepass"), safe="")
