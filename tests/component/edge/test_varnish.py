"""Varnish with our configuration: keeps what is public, drops it by tag, and shows nothing old after a purge."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest
from edges import Edge, Origin, varnish
from waiting import eventually

from sandbox.servers import free_port


@pytest.fixture(scope="module")
def edge(origin, tmp_path_factory) -> Iterator[Edge]:
    with varnish(tmp_path_factory.mktemp("varnish"), origin.address) as running:
        yield running


@pytest.fixture
async def client(edge, origin) -> AsyncIterator[httpx2.AsyncClient]:
    """Nothing is stored, and nothing was asked."""
    origin.pages = {"/v1/status": origin.pages["/v1/status"]}
    async with httpx2.AsyncClient(base_url=edge.url, timeout=10) as made:
        assert (await made.request("PURGE", f"{edge.purges}/", headers={"Purge-Everything": "1"})).status_code == 200
        origin.asked.clear()
        yield made


async def purge(client: httpx2.AsyncClient, edge: Edge, tags: str) -> int:
    return (await client.request("PURGE", f"{edge.purges}/", headers={"Surrogate-Key": tags})).status_code


async def test_a_public_document_is_asked_for_once_and_tells_browsers_nothing_of_tags(client, origin):
    origin.serve("/v1/events/1", '{"a": 1}', "event:1 understudy")
    first, second = await client.get("/v1/events/1"), await client.get("/v1/events/1")
    assert first.text == second.text == '{"a": 1}'
    assert origin.times("/v1/events/1") == 1
    assert (first.headers["Cache-Status"], second.headers["Cache-Status"]) == ("edge; fwd=miss; stored", "edge; hit")
    assert second.headers["Cache-Control"] == "public, max-age=0, stale-if-error=86400"
    for name in ("Surrogate-Key", "Cache-Tag", "CDN-Cache-Control", "Via"):
        assert name not in second.headers


@pytest.mark.parametrize("tags", ["event:1", "understudy", "event:7 event:1 events", "event.1 event:1"])
async def test_a_purge_drops_what_bears_one_of_its_tags(client, origin, edge, tags):
    origin.serve("/v1/events/1", "old", "event:1 understudy")
    await client.get("/v1/events/1")
    origin.serve("/v1/events/1", "new", "event:1 understudy")
    assert await purge(client, edge, tags) == 200
    assert (await client.get("/v1/events/1")).text == "new"


@pytest.mark.parametrize("tags", ["event:11", "event:2 events", "vent:1", "event", "event:.", "....... ......."])
async def test_a_purge_drops_nothing_else(client, origin, edge, tags):
    origin.serve("/v1/events/1", "old", "event:1 understudy")
    await client.get("/v1/events/1")
    assert await purge(client, edge, tags) == 200
    assert "hit" in (await client.get("/v1/events/1")).headers["Cache-Status"]


@pytest.mark.parametrize("tags", ["", "event:1 && obj.status != 0", "a|b", "(", ".*", "a  b", "a\tb", "A"])
async def test_what_is_no_tag_is_refused(client, edge, tags):
    assert await purge(client, edge, tags) == 400


async def test_a_full_batch_of_long_tags_is_one_purge(client, origin, edge):
    tags = [f"event:{8_012_345_678_901_234_567 + number}" for number in range(50)]
    origin.serve("/v1/events/1", "old", f"{tags[-1]} understudy")
    await client.get("/v1/events/1")
    assert await purge(client, edge, " ".join(tags)) == 200
    await client.get("/v1/events/1")
    assert origin.times("/v1/events/1") == 2


async def test_everything_is_dropped_at_once(client, origin, edge):
    for number in range(3):
        origin.serve(f"/v1/events/{number}", "old", f"event:{number}")
        await client.get(f"/v1/events/{number}")
    await client.request("PURGE", f"{edge.purges}/", headers={"Purge-Everything": "1"})
    for number in range(3):
        assert "miss" in (await client.get(f"/v1/events/{number}")).headers["Cache-Status"]


async def test_readers_can_not_purge_and_the_purge_listener_serves_nobody(client, edge, origin):
    origin.serve("/v1/events/1")
    assert (await client.request("PURGE", "/", headers={"Purge-Everything": "1"})).status_code == 405
    assert (await client.get(f"{edge.purges}/v1/events/1")).status_code == 405
    assert origin.asked == []


async def test_who_shows_a_token_asks_the_origin_every_time_and_leaves_nothing_behind(client, origin):
    """Even if an answer by mistake said that it is public."""
    origin.serve("/v1/events/1", "public")
    token = {"Authorization": "Bearer x"}
    for _ in range(2):
        await client.get("/v1/events/1", headers=token)
    assert origin.times("/v1/events/1") == 2
    await client.get("/v1/events/1")
    assert origin.times("/v1/events/1") == 3
    assert "bypass" in (await client.get("/v1/events/1", headers=token)).headers["Cache-Status"]


@pytest.mark.parametrize(
    "path", ["/v1/manage/events", "/v1/manage/events/1", "/v1/status", "/openapi.json", "/v1/eventsx"]
)
async def test_nothing_but_public_documents_is_kept(client, origin, path):
    origin.serve(path, "public by mistake")
    for _ in range(2):
        await client.get(path)
    assert origin.times(path) == 2


@pytest.mark.parametrize(
    "headers",
    [
        {"Cache-Control": "private, no-cache", "Vary": "Authorization"},
        {"Cache-Control": "no-store"},
        {"CDN-Cache-Control": "no-store"},
        {"CDN-Cache-Control": "public, no-cache, s-maxage=60"},
        {"Set-Cookie": "a=b"},
        {"Vary": "Accept, Authorization"},
        {"Surrogate-Key": ""},
        {"CDN-Cache-Control": "public, s-maxage=0"},
    ],
    ids=str,
)
async def test_what_says_that_it_is_not_for_all_is_not_kept(client, origin, headers):
    origin.serve("/v1/events/1", headers=headers)
    for _ in range(2):
        await client.get("/v1/events/1")
    assert origin.times("/v1/events/1") == 2


async def test_what_is_said_to_cdns_counts_more_than_what_is_said_to_browsers(client, origin):
    origin.serve("/v1/events/1", headers={"Cache-Control": "public, no-cache"})
    for _ in range(2):
        await client.get("/v1/events/1")
    assert origin.times("/v1/events/1") == 1


@pytest.mark.parametrize("status", [404, 400, 500, 503])
async def test_errors_are_not_kept_and_say_when_to_come_again(client, origin, status):
    origin.serve("/v1/events/1", status=status, headers={"Retry-After": "7"})
    for _ in range(2):
        answer = await client.get("/v1/events/1")
        assert (answer.status_code, answer.headers["Retry-After"]) == (status, "7")
    origin.serve("/v1/events/1", "there")
    assert (await client.get("/v1/events/1")).text == "there"


async def test_a_reader_who_names_what_they_have_seen_asks_the_origin(client, origin):
    origin.serve("/v1/events/1", "old")
    origin.serve("/v1/events/1?min_revision=7", "new")
    await client.get("/v1/events/1")
    for _ in range(2):
        await client.get("/v1/events/1", headers={"X-Min-Revision": "7"})
        assert (await client.get("/v1/events/1?min_revision=7")).text == "new"
    assert origin.times("/v1/events/1") == 3
    assert origin.times("/v1/events/1?min_revision=7") == 2


async def test_neither_hosts_nor_cookies_nor_the_order_of_questions_make_copies(client, origin):
    origin.serve("/v1/events?category=a&limit=5")
    for host, path in [("a", "limit=5&category=a"), ("b", "category=a&limit=5")]:
        await client.get(f"/v1/events?{path}", headers={"Host": host, "Cookie": f"x={host}"})
    assert [path for path, _ in origin.asked] == ["/v1/events?category=a&limit=5"]
    assert "cookie" not in origin.asked[0][1]


async def test_a_head_is_its_get_and_a_held_copy_costs_no_body(client, origin):
    origin.serve("/v1/events/1", "body", headers={"ETag": '"17-abc"'})
    await client.get("/v1/events/1")
    head = await client.head("/v1/events/1")
    assert (head.status_code, head.text, head.headers["ETag"]) == (200, "", '"17-abc"')
    assert (await client.get("/v1/events/1", headers={"If-None-Match": '"17-abc"'})).status_code == 304
    assert origin.times("/v1/events/1") == 1


async def test_a_hundred_readers_of_a_cold_document_are_one_question(client, origin):
    page = origin.serve("/v1/events/1", "cold", held=threading.Event())
    asking = [asyncio.create_task(client.get("/v1/events/1")) for _ in range(100)]
    await eventually(lambda: origin.times("/v1/events/1"))
    page.held.set()
    assert {answer.text for answer in await asyncio.gather(*asking)} == {"cold"}
    assert origin.times("/v1/events/1") == 1


async def test_what_has_expired_is_shown_only_while_the_origin_fails_and_what_was_purged_not_even_then(
    client, origin, edge
):
    brief = {"CDN-Cache-Control": "public, s-maxage=1, stale-if-error=3600"}
    origin.serve("/v1/events/1", "first", "event:1", headers=brief)
    origin.serve("/v1/events/2", "first", "event:2", headers=brief)
    for number in (1, 2):
        await client.get(f"/v1/events/{number}")
    await eventually(lambda: _age(client, "/v1/events/1", origin), saying="it has expired, and was asked for again")
    for number in (1, 2):
        origin.serve(f"/v1/events/{number}", "{}", status=503)
    await eventually(lambda: _shown(client, "/v1/events/1", "detail=stale-if-error"))
    shown = await client.get("/v1/events/1")
    assert (shown.status_code, shown.text) == (200, "first")
    assert await purge(client, edge, "event:1") == 200
    assert (await client.get("/v1/events/1")).status_code == 503
    for _ in range(3):
        assert (await client.get("/v1/events/2")).text == "first", "what is shown instead of an error is kept for it"
    origin.serve("/v1/events/2", "second", "event:2", headers=brief)
    await eventually(lambda: _says(client, "/v1/events/2", "second"))


async def test_an_origin_that_is_away_is_a_503_that_says_when_to_come_again(tmp_path):
    with varnish(tmp_path, f"127.0.0.1:{free_port()}") as edge:
        async with httpx2.AsyncClient(base_url=edge.url) as client:
            for path in ("/v1/events/1", "/v1/status"):
                answer = await client.get(path)
                assert (answer.status_code, answer.json()["status"], answer.headers["Retry-After"]) == (503, 503, "1")
                assert answer.headers["Cache-Control"] == "no-store"


async def test_an_old_answer_that_comes_in_after_the_purge_is_gone_after_the_purge_is_repeated(client, origin, edge):
    """The race of every cache: read-api answered, the event changed, the edge was purged, the answer arrives."""
    old = origin.serve("/v1/events/1", "old", "event:1", held=threading.Event())
    asking = asyncio.create_task(client.get("/v1/events/1"))
    await eventually(lambda: origin.times("/v1/events/1"))
    origin.serve("/v1/events/1", "new", "event:1")
    assert await purge(client, edge, "event:1") == 200
    old.held.set()
    assert (await asking).text == "old"
    assert (await client.get("/v1/events/1")).text == "old", "one purge is not enough: no ban meets what comes later"
    assert await purge(client, edge, "event:1") == 200
    assert (await client.get("/v1/events/1")).text == "new"


async def test_an_answer_that_was_long_on_its_way_is_shown_and_not_kept(client, origin):
    """So a repeat a little more than two seconds later is late enough."""
    page = origin.serve("/v1/events/1", "slow", "event:1", held=threading.Event())
    asking = asyncio.create_task(client.get("/v1/events/1"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(asking), 2.2)
    page.held.set()
    assert (await asking).text == "slow"
    origin.serve("/v1/events/1", "new", "event:1")
    assert (await client.get("/v1/events/1")).text == "new"


async def _age(client: httpx2.AsyncClient, path: str, origin: Origin) -> bool:
    await client.get(path)
    return origin.times(path) > 1


async def _shown(client: httpx2.AsyncClient, path: str, how: str) -> bool:
    return how in (await client.get(path)).headers.get("Cache-Status", "")


async def _says(client: httpx2.AsyncClient, path: str, body: str) -> bool:
    return (await client.get(path)).text == body
