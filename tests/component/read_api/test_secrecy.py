"""Drafts and private fields never reach an anonymous reader or a shared cache."""

import httpx2
import pytest
from projected import NOT_ALLOWED, ORGANIZER, Event, Shop

CANARY = "canary-7f3a"
HIDDEN = [
    Event(1, title=f"{CANARY} draft", handle="hidden", status="draft", category=CANARY, tags=(CANARY,), city=CANARY),
    Event(1, title=f"{CANARY} archived", handle="hidden", status="archived", category=CANARY, tags=(CANARY,)),
    Event(1, title=f"{CANARY} unlisted", handle="hidden", status="unlisted", category=CANARY, tags=(CANARY,)),
    Event(1, title=f"{CANARY} deleted", handle="hidden", deleted=True, category=CANARY, tags=(CANARY,)),
]
DOCUMENTS = ["/v1/events/1", "/v1/events/1/tickets", "/v1/events/by-handle/hidden"]
LISTS = [
    "/v1/events",
    *(f"/v1/events?sort={sort}" for sort in ("-starts_at", "title", "-title", "updated_at", "-updated_at")),
    f"/v1/events?category={CANARY}",
    f"/v1/events?tag={CANARY}",
    f"/v1/events?city={CANARY}",
    f"/v1/events?q={CANARY}",
    "/v1/events?available=true",
    "/v1/categories",
]
MANAGED = [
    "/v1/manage/events",
    "/v1/manage/events?status=draft",
    "/v1/manage/events/1",
    "/v1/manage/events/1/tickets",
    "/v1/manage/events/by-handle/hidden",
]
OURS_TO_SAY = {"server-timing", "cache-status"}  # how it went, which differs from one moment to the next


@pytest.mark.parametrize("hidden", HIDDEN, ids=lambda event: event.title.split()[1])
@pytest.mark.parametrize("warm", [False, True], ids=["cold", "after organizers read it"])
async def test_what_is_hidden_looks_like_what_does_not_exist(
    hidden: Event, warm: bool, api: httpx2.AsyncClient, shop: Shop
):
    await shop.save(hidden)
    if warm:
        for path in MANAGED:
            await api.get(path, headers=ORGANIZER)
    for path in DOCUMENTS:
        nothing = path.replace("/1", "/2").replace("hidden", "nobody")
        for headers in ({}, {"If-None-Match": "*"}, ORGANIZER):
            there, absent = await api.get(path, headers=headers), await api.get(nothing, headers=headers)
            assert there.status_code == absent.status_code == 404
            assert there.content == absent.content
            assert _told(there) == _told(absent)
            assert not {"etag", "x-revision", "last-modified"} & set(there.headers)
    for path in LISTS:
        answer = await api.get(path)
        assert answer.status_code == 200
        assert CANARY not in answer.text


async def test_an_event_that_is_withdrawn_is_gone_from_everywhere(api: httpx2.AsyncClient, shop: Shop):
    shown = Event(1, handle="hidden", category=CANARY, tags=(CANARY,), city=CANARY, title=CANARY)
    await shop.save(shown)
    for path in DOCUMENTS + LISTS:
        assert (await api.get(path)).status_code == 200
    assert CANARY in (await api.get("/v1/events")).text
    await shop.change(shown, status="draft")
    for path in DOCUMENTS:
        assert (await api.get(path)).status_code == 404
    for path in LISTS:
        assert CANARY not in (await api.get(path)).text


async def test_private_fields_are_in_no_public_answer(api: httpx2.AsyncClient, shop: Shop):
    await shop.save(Event(1, handle="hidden", secret=CANARY))
    for path in MANAGED:
        await api.get(path, headers=ORGANIZER)
    assert CANARY in (await api.get("/v1/manage/events/1", headers=ORGANIZER)).text
    for path in DOCUMENTS + LISTS:
        answer = await api.get(path, headers=ORGANIZER)
        assert answer.status_code == 200
        assert CANARY not in answer.text
        assert "synced_at" not in answer.text


async def test_the_status_counts_only_what_anyone_may_see(api: httpx2.AsyncClient, shop: Shop):
    await shop.save(HIDDEN[0], Event(2))
    status = await api.get("/v1/status")
    assert status.json()["events"] == 1
    assert CANARY not in status.text


@pytest.mark.parametrize("path", MANAGED)
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer us_reader_wrong"}, 401),
        ({"Authorization": "Bearer x.y.z"}, 401),
        ({"Authorization": "Basic cmVhZGVyOng="}, 401),
        (NOT_ALLOWED, 403),
        (ORGANIZER, 200),
    ],
)
async def test_organizers_prove_who_they_are(path, headers, status, api: httpx2.AsyncClient, shop: Shop):
    await shop.save(HIDDEN[0])
    for question in (path, path + ("&" if "?" in path else "?") + "unknown=1"):
        answer = await api.get(question, headers=headers)
        # The token is judged before the question is.
        assert answer.status_code == (400 if status == 200 and "unknown" in question else status)
        if answer.status_code == 200:
            assert answer.headers["Cache-Control"] == "private, no-cache"
            continue
        assert answer.headers["Cache-Control"] == "no-store"
        assert ("WWW-Authenticate" in answer.headers) == (status != 200)
        assert CANARY not in answer.text


async def test_a_conditional_request_needs_the_token_too(api: httpx2.AsyncClient, shop: Shop):
    await shop.save(HIDDEN[0])
    tag = (await api.get("/v1/manage/events/1", headers=ORGANIZER)).headers["ETag"]
    assert (await api.get("/v1/manage/events/1", headers={"If-None-Match": tag})).status_code == 401


async def test_nothing_that_needs_a_token_may_be_shared(api: httpx2.AsyncClient, shop: Shop):
    await shop.save(HIDDEN[0])
    for path in [*MANAGED, "/v1/manage/events/2", "/v1/manage/events?limit=0"]:
        for headers in ({}, ORGANIZER, NOT_ALLOWED):
            answer = await api.get(path, headers=headers)
            kept = answer.headers["Cache-Control"]
            assert kept in {"private, no-cache", "no-store"}
            assert "CDN-Cache-Control" not in answer.headers


def _told(answer: httpx2.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in OURS_TO_SAY}
