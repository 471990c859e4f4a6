"""What lies ready in L1 is answered as the application would, at once, and no longer than it is true."""

import asyncio
import dataclasses
import gzip
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
import nats
import pytest
import zstandard
from projected import ORGANIZER, Event, Shop
from prometheus_client import REGISTRY
from waiting import eventually

from shared.topology import address

JAZZ = Event(8012345678901, handle="jazz-night", title="Jazz " * 300)
SMALL = Event(42, handle="small")
BY_ID, TICKETS, BY_HANDLE = f"/v1/events/{JAZZ.id}", f"/v1/events/{JAZZ.id}/tickets", "/v1/events/by-handle/jazz-night"
PATHS = [BY_ID, TICKETS, BY_HANDLE, "/v1/events", "/v1/events?limit=10&city=Berlin", "/v1/categories"]
TOLD = {"cache-status", "server-timing", "content-length"}  # how it was come by; and httpx says no length of a 304
ROOM = 10_000_000
Announce = Callable[..., Awaitable[Event]]


@pytest.fixture
async def api(serve, shop: Shop) -> AsyncIterator[httpx2.AsyncClient]:
    await shop.save(JAZZ, SMALL)
    async with serve(l1_max_bytes=ROOM) as client:
        await hot(client, "/v1/events?limit=3")  # from here on its memory is trusted
        yield client


@pytest.fixture
async def announce(nats_url: str, shop: Shop) -> AsyncIterator[Announce]:
    """Change an event, raise its tags and say so, as the syncer does: in this order."""
    client = await nats.connect(nats_url)

    async def change(event: Event, *, visible: bool = True, tell_redis: bool = True, **changes: Any) -> Event:
        changed = dataclasses.replace(event, **changes)
        await shop.save(changed)
        if tell_redis:
            await shop.tell(changed)
        said = await shop.announcement(changed)
        said = said.model_copy(update={"events_revision": await shop.collection(), "visible": visible})
        stream, subject = address(said)
        await client.jetstream(timeout=5).publish(subject, b"", stream=stream.name, headers=said.headers())
        return changed

    yield change
    await client.close()


async def hot(api: httpx2.AsyncClient, path: str, **headers: str) -> httpx2.Response:
    """Asked until it lies ready: the first answer loads it."""

    async def found() -> httpx2.Response | None:
        answer = await api.get(path, headers=headers)
        return (answer,) if answer.headers["Cache-Status"] == "understudy; hit; detail=l1" else None  # type: ignore[return-value]

    return (await eventually(found))[0]  # type: ignore[index]


async def shows(api: httpx2.AsyncClient, path: str, title: str) -> None:
    async def shown() -> bool:
        return (await api.get(path)).json()["title"] == title

    await eventually(shown, saying=f"{path} shows {title}")


@pytest.mark.parametrize("coding", ["identity", "gzip", "zstd"])
@pytest.mark.parametrize("path", PATHS)
async def test_a_hit_is_what_the_application_answers(api: httpx2.AsyncClient, path: str, coding: str):
    first = await api.get(path, headers={"Accept-Encoding": coding})
    again = await hot(api, path, **{"Accept-Encoding": coding})
    assert again.headers["Server-Timing"] == 'read;desc="l1"'
    assert again.content == first.content
    same = [{name: value for name, value in answer.headers.items() if name not in TOLD} for answer in (first, again)]
    assert same[0] == same[1]


async def test_each_coding_has_bytes_and_a_strong_tag_of_its_own(api: httpx2.AsyncClient):
    seen = {}
    for coding in ("identity", "gzip", "zstd"):
        async with api.stream("GET", BY_ID, headers={"Accept-Encoding": coding}) as answer:
            raw = b"".join([part async for part in answer.aiter_raw()])
            assert answer.headers.get("Content-Encoding", "identity") == coding
            assert answer.headers["Content-Length"] == str(len(raw))
            assert answer.headers["Vary"] == "Accept-Encoding"
            seen[coding] = (answer.headers["ETag"], raw)
    assert len({tag for tag, _ in seen.values()}) == 3
    assert not any(tag.startswith("W/") for tag, _ in seen.values())
    plain = seen["identity"][1]
    assert gzip.decompress(seen["gzip"][1]) == plain
    assert zstandard.ZstdDecompressor().decompress(seen["zstd"][1], max_output_size=1_000_000) == plain
    assert len(seen["zstd"][1]) < len(plain) / 2


async def test_what_fits_a_packet_is_not_coded(api: httpx2.AsyncClient):
    answer = await hot(api, f"/v1/events/{SMALL.id}/tickets", **{"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in answer.headers
    assert "Vary" not in answer.headers


@pytest.mark.parametrize("coding", ["identity", "gzip", "zstd"])
@pytest.mark.parametrize("path", PATHS)
async def test_who_holds_it_is_not_sent_it_again(api: httpx2.AsyncClient, path: str, coding: str):
    held = (await hot(api, path, **{"Accept-Encoding": coding})).headers["ETag"]
    for sent in (held, f'"x", W/{held}', "*"):
        answer = await hot(api, path, **{"Accept-Encoding": coding, "If-None-Match": sent})
        assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", held)
        assert "Content-Type" not in answer.headers
        assert "Content-Encoding" not in answer.headers
    assert (await api.get(path, headers={"If-None-Match": '"1-0"'})).status_code == 200


async def test_revalidations_alone_come_to_lie_ready(serve, shop: Shop):
    await shop.save(JAZZ)
    async with serve(l1_max_bytes=ROOM) as one:
        held = (await one.get(BY_ID)).headers["ETag"]
    async with serve(l1_max_bytes=ROOM) as other:
        answer = await hot(other, BY_ID, **{"If-None-Match": held})
        assert answer.status_code == 304


async def test_a_head_is_its_get_without_the_body(api: httpx2.AsyncClient):
    got = await hot(api, BY_ID)
    answer = await api.head(BY_ID)
    assert answer.headers["Cache-Status"] == "understudy; hit; detail=l1"
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Length"] == got.headers["Content-Length"]
    assert answer.headers["ETag"] == got.headers["ETag"]


@pytest.mark.parametrize("path", PATHS)
async def test_once_it_was_announced_nobody_is_answered_the_old_one(api: httpx2.AsyncClient, announce, path: str):
    before = await hot(api, path)
    await announce(JAZZ, title="Blues", category="blues")

    async def newer() -> bool:
        return int((await api.get(path)).headers["X-Revision"]) > int(before.headers["X-Revision"])

    await eventually(newer)
    after = await hot(api, path)
    assert after.headers["ETag"] != before.headers["ETag"]
    assert after.content != before.content


async def test_a_handle_that_moved_leads_to_its_new_event_at_once(api: httpx2.AsyncClient, announce):
    await hot(api, BY_HANDLE)
    successor = Event(77, handle="jazz-night", title="The successor")
    await announce(JAZZ, handle="jazz-night-2025")
    await announce(successor)
    await shows(api, BY_HANDLE, "The successor")
    assert (await hot(api, BY_HANDLE)).json()["title"] == "The successor"


async def test_an_event_that_is_unpublished_is_gone_from_every_address(api: httpx2.AsyncClient, announce):
    for path in (BY_ID, TICKETS, BY_HANDLE):
        await hot(api, path)
    await announce(JAZZ, status="draft")

    async def gone() -> bool:
        return all([(await api.get(path)).status_code == 404 for path in (BY_ID, TICKETS, BY_HANDLE)])

    await eventually(gone)


async def test_what_needs_a_token_never_lies_ready(api: httpx2.AsyncClient):
    path = f"/v1/manage/events/{JAZZ.id}"
    for _ in range(3):
        assert (await api.get(path, headers=ORGANIZER)).status_code == 200
    kept = await api.get(path, headers=ORGANIZER)
    assert kept.headers["Cache-Status"] == "understudy; hit; detail=l1"  # known, and answered behind the token only
    assert kept.headers["Server-Timing"] != 'read;desc="l1"'
    assert (await api.get(path)).status_code == 401


async def test_what_was_answered_of_an_event_is_never_taken_back(api: httpx2.AsyncClient, shop: Shop):
    """A commit that was not announced yet was seen in the tickets: the event as it was before is no answer now."""
    await hot(api, BY_ID)
    await shop.save(JAZZ)
    assert (await api.get(TICKETS)).headers["X-Revision"] == "2"
    assert (await api.get(BY_ID)).headers["X-Revision"] == "2"


async def test_hits_are_counted_as_every_request(api: httpx2.AsyncClient):
    def counted(status: str) -> float:
        labels = {"route": "/v1/events/{event_id}", "method": "GET", "status": status}
        return REGISTRY.get_sample_value("understudy_read_requests_total", labels) or 0.0

    held = (await hot(api, BY_ID)).headers["ETag"]
    before = counted("200"), counted("304")
    for _ in range(10):
        await api.get(BY_ID)
        await api.get(BY_ID, headers={"If-None-Match": held})
    assert (counted("200") - before[0], counted("304") - before[1]) == (10, 10)


async def test_spellings_of_one_question_share_one_document(api: httpx2.AsyncClient):
    await api.get("/v1/events?city=Berlin&limit=1")
    other = await api.get("/v1/events?limit=1&city=%42erlin")
    assert other.headers["Cache-Status"] == "understudy; hit; detail=l1"


def plainly(answer: httpx2.Response) -> bytes:
    if answer.headers.get("Content-Encoding") == "zstd" and answer.content:
        return zstandard.ZstdDecompressor().decompress(answer.content, max_output_size=1_000_000)
    return answer.content


async def test_whatever_is_sent_with_it_a_hit_is_the_application_s_answer(api: httpx2.AsyncClient, serve):
    chance = random.Random(20261123)  # noqa: S311
    tags = [(await api.get(path, headers={"Accept-Encoding": "gzip"})).headers["ETag"] for path in PATHS]
    sent = {
        "Accept-Encoding": ["", "gzip", "zstd, gzip;q=0.5", "identity;q=0", "*", "br", "gzip;q=x", "\t"],
        "If-None-Match": [*tags, "*", ", ".join(tags), '"1', f"W/{tags[0]}", "", '"a", *'],
        "X-Min-Revision": ["1", "01", "+1", "x", ""],
        "Range": ["bytes=0-9"],
        "Authorization": ["Bearer nonsense"],
    }
    async with serve() as plain:
        for _ in range(300):
            names = chance.choices([*sent], k=chance.randrange(4))
            headers = [(name, chance.choice(sent[name])) for name in names]
            path = chance.choice(PATHS)
            one, other = await api.get(path, headers=headers), await plain.get(path, headers=headers)
            assert (one.status_code, plainly(one)) == (other.status_code, plainly(other)), (path, headers)


# Read your own writes


async def test_a_reader_waits_for_the_revision_it_names(api: httpx2.AsyncClient, shop: Shop, announce):
    await hot(api, BY_ID)
    lists = await shop.collection() + 1
    waiting = [
        asyncio.create_task(api.get(BY_ID, headers={"X-Min-Revision": "2"})),
        asyncio.create_task(api.get(f"{BY_ID}?min_revision=2")),
        asyncio.create_task(api.get(f"/v1/events?min_revision={lists}")),
    ]
    await eventually(lambda: not any(task.done() for task in waiting))
    await announce(JAZZ, title="Blues")
    answers = await asyncio.gather(*waiting)
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert answers[0].json()["title"] == "Blues"
    assert [answer.headers["X-Revision"] for answer in answers] == ["2", "2", str(lists)]


async def test_a_revision_that_is_there_costs_no_wait_and_lies_ready(api: httpx2.AsyncClient):
    await hot(api, BY_ID)
    for path, headers in ((BY_ID, {"X-Min-Revision": "1"}), (f"{BY_ID}?min_revision=1", {})):
        answer = await api.get(path, headers=headers)
        assert answer.headers["Server-Timing"] == 'read;desc="l1"'


async def test_a_commit_that_nobody_announced_is_found_by_who_names_it(api: httpx2.AsyncClient, shop: Shop):
    await hot(api, BY_ID)
    await shop.save(dataclasses.replace(JAZZ, title="Blues"))
    answer = await api.get(BY_ID, headers={"X-Min-Revision": "2"})
    assert (answer.status_code, answer.json()["title"]) == (200, "Blues")


async def test_a_revision_that_never_comes_is_409_with_what_there_is(api: httpx2.AsyncClient):
    answer = await api.get(BY_ID, headers={"X-Min-Revision": "9"})
    assert answer.status_code == 409
    assert "of another document" in answer.json()["detail"]
    assert answer.json()["revision"] == 1
    assert answer.headers["X-Revision"] == "1"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("named", ["0", "-1", "x", "1.5", "9223372036854775808"])
async def test_what_is_no_revision_is_refused(api: httpx2.AsyncClient, named: str):
    assert (await api.get(BY_ID, headers={"X-Min-Revision": named})).status_code == 400
    assert (await api.get(f"{BY_ID}?min_revision={named}")).status_code == 400
    assert (await api.get(f"/v1/events?min_revision={named}")).status_code == 400
    await hot(api, BY_ID)
    assert (await api.get(f"{BY_ID}?min_revision={named}")).status_code == 400


async def test_naming_revisions_tells_nobody_how_far_a_draft_has_come(api: httpx2.AsyncClient, shop: Shop):
    """A 404 takes as long whether the draft has that revision or not: what was never announced to all is not told."""
    draft = Event(99, status="draft")
    await shop.save(draft, draft, draft)

    async def took(revision: int) -> float:
        began = asyncio.get_running_loop().time()
        answer = await api.get("/v1/events/99", headers={"X-Min-Revision": str(revision)})
        assert answer.status_code == 404
        assert "X-Revision" not in answer.headers
        return asyncio.get_running_loop().time() - began

    has, has_not, unknown = await asyncio.gather(took(2), took(7), took(1))
    assert min(has, has_not, unknown) > 1.5


async def test_a_deletion_that_everyone_heard_of_is_told_at_once(api: httpx2.AsyncClient, announce):
    await hot(api, BY_ID)
    await announce(JAZZ, deleted=True)

    async def gone() -> bool:
        return (await api.get(BY_ID)).status_code == 404

    await eventually(gone)
    began = asyncio.get_running_loop().time()
    assert (await api.get(BY_ID, headers={"X-Min-Revision": "2"})).status_code == 404
    assert asyncio.get_running_loop().time() - began < 1.0


async def test_the_handle_of_an_event_that_is_new_is_waited_for(api: httpx2.AsyncClient, announce):
    assert (await api.get("/v1/events/by-handle/new")).status_code == 404
    waiting = asyncio.create_task(api.get("/v1/events/by-handle/new?min_revision=1"))
    await announce(Event(55, handle="new"))
    assert (await waiting).status_code == 200


async def test_a_list_names_the_revision_of_the_collection(api: httpx2.AsyncClient, shop: Shop):
    revision = await shop.collection()
    assert (await api.get(f"/v1/events?min_revision={revision}")).headers["X-Revision"] == str(revision)
