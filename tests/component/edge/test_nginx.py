"""nginx with our configuration: keeps what is public for as long as it says, and never what needs a token."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest
from edges import Edge, Origin, nginx
from waiting import eventually

SHARED = {"Cache-Control": "public, max-age=0, s-maxage=60, stale-if-error=86400"}
BRIEF = {"Cache-Control": "public, max-age=0, s-maxage=1, stale-if-error=86400", "ETag": '"17-abc"'}


@pytest.fixture(scope="module")
def edge(origin, tmp_path_factory) -> Iterator[Edge]:
    with nginx(tmp_path_factory.mktemp("nginx"), origin.address) as running:
        yield running


@pytest.fixture
async def client(edge, origin) -> AsyncIterator[httpx2.AsyncClient]:
    origin.asked.clear()
    async with httpx2.AsyncClient(base_url=edge.url, timeout=10) as made:
        yield made


async def test_a_public_document_is_asked_for_once(client, origin):
    origin.serve("/v1/events/1", "a", headers=SHARED)
    first = await client.get("/v1/events/1")
    second = await client.get("/v1/events/1", headers={"Host": "other", "Cookie": "x=y"})
    assert (first.headers["Edge-Cache"], second.headers["Edge-Cache"]) == ("MISS", "HIT")
    assert origin.times("/v1/events/1") == 1
    assert "Surrogate-Key" not in second.headers
    assert "cookie" not in origin.asked[0][1]


@pytest.mark.parametrize("path", ["/v1/events/11", "/v1/status", "/v1/changes"])
async def test_the_origin_hears_whom_the_reader_asked_and_that_the_connection_stays(client, origin, path):
    origin.serve(path, headers=SHARED)
    await client.get(path, headers={"Host": "shop.example"})
    [(_, heard)] = origin.asked
    assert heard["host"] == "shop.example"
    assert "connection" not in heard


@pytest.mark.parametrize(
    ("accepted", "asked"),
    [
        ("gzip", "gzip"), ("br, GZIP", "gzip"), ("gzip;q=0.5", "gzip"), ("gzip ; q=0.001,br", "gzip"),
        ("zstd, gzip; q=1.0", "gzip"), ("gzip;q=0", None), ("br, gzip ; q=0.000", None), ("gzip; Q=0., identity", None),
        ("notgzip", None), ("br;q=0, zstd", None), ("", None),
    ],
)  # fmt: skip
async def test_gzip_is_asked_for_where_the_reader_wants_it(client, origin, accepted, asked):
    path = f"/v1/events/of-{accepted.encode().hex()}"
    origin.serve(path, headers=SHARED)
    await client.get(path, headers={"Accept-Encoding": accepted})
    [(_, heard)] = origin.asked
    assert heard.get("accept-encoding") == asked


async def test_what_names_no_s_maxage_is_not_kept(client, origin):
    """nginx does not read CDN-Cache-Control, so the default policy keeps nothing here."""
    origin.serve("/v1/events/2")
    for _ in range(2):
        await client.get("/v1/events/2")
    assert origin.times("/v1/events/2") == 2


@pytest.mark.parametrize(
    "headers", [{"Cache-Control": "private, no-cache"}, {"Cache-Control": "no-store"}, SHARED | {"Set-Cookie": "a=b"}]
)
async def test_what_says_that_it_is_not_for_all_is_not_kept(client, origin, headers):
    path = f"/v1/events/{len(str(headers))}"
    origin.serve(path, headers=headers)
    for _ in range(2):
        await client.get(path)
    assert origin.times(path) == 2


@pytest.mark.parametrize("header", ["Authorization", "X-Min-Revision"])
async def test_who_shows_a_token_or_names_a_revision_asks_every_time_and_leaves_nothing_behind(client, origin, header):
    path = f"/v1/events/{header}"
    origin.serve(path, headers=SHARED)
    for _ in range(2):
        await client.get(path, headers={header: "7"})
    assert (await client.get(path)).headers["Edge-Cache"] == "MISS"
    assert (await client.get(path, headers={header: "7"})).headers["Edge-Cache"] == "BYPASS"
    assert origin.times(path) == 4


@pytest.mark.parametrize("path", ["/v1/manage/events", "/v1/manage/events/1", "/v1/status"])
async def test_nothing_but_public_documents_is_kept(client, origin, path):
    origin.serve(path, headers=SHARED)
    for _ in range(2):
        await client.get(path)
    assert origin.times(path) == 2


async def test_errors_are_not_kept(client, origin):
    origin.serve("/v1/events/9", status=404, headers={"Cache-Control": "no-store"})
    for _ in range(2):
        assert (await client.get("/v1/events/9")).status_code == 404
    assert origin.times("/v1/events/9") == 2


async def test_many_readers_of_a_cold_document_are_one_question(client, origin):
    page = origin.serve("/v1/events/3", "cold", headers=SHARED, held=threading.Event())
    asking = [asyncio.create_task(client.get("/v1/events/3")) for _ in range(50)]
    await eventually(lambda: origin.times("/v1/events/3"))
    page.held.set()
    assert {answer.text for answer in await asyncio.gather(*asking)} == {"cold"}
    assert origin.times("/v1/events/3") == 1


async def test_what_has_expired_is_asked_for_by_its_etag(client, origin):
    origin.serve("/v1/events/4", "first", headers=BRIEF)
    await client.get("/v1/events/4")
    await eventually(lambda: _is(client, "EXPIRED"), saying="it has expired, and was asked for again")
    assert origin.asked[-1][1]["if-none-match"] == '"17-abc"'


async def test_what_has_expired_is_shown_while_nobody_answers_as_long_as_it_was_announced(tmp_path):
    """An error that the origin answers is passed on: it falls back on what it has by itself."""
    with Origin() as origin, nginx(tmp_path, origin.address) as edge:
        async with httpx2.AsyncClient(base_url=edge.url, timeout=10) as client:
            origin.serve("/v1/events/4", "first", headers=BRIEF)
            origin.serve("/v1/events/5", "first", headers={"Cache-Control": "public, s-maxage=1, stale-if-error=1"})
            for number in (4, 5):
                await client.get(f"/v1/events/{number}")
            origin.close()
            await eventually(lambda: _is(client, "STALE"))
            assert (await client.get("/v1/events/4")).text == "first"
            await eventually(lambda: _fails(client, "/v1/events/5"), saying="its second is over")


async def _is(client: httpx2.AsyncClient, wanted: str) -> bool:
    return (await client.get("/v1/events/4")).headers["Edge-Cache"] == wanted


async def _fails(client: httpx2.AsyncClient, path: str) -> bool:
    return (await client.get(path)).status_code == 502
