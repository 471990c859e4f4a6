"""Lists: filters, sorts, and pages that show everything exactly once."""

import random
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import httpx2
import pytest
from projected import ORGANIZER, Event, Shop

START = datetime(2026, 12, 1, 19, tzinfo=UTC)
SORTS = ["starts_at", "-starts_at", "title", "-title", "updated_at", "-updated_at"]


def ids(answer: httpx2.Response) -> list[int]:
    assert answer.status_code == 200, answer.text
    return [int(event["id"]) for event in answer.json()["events"]]


def crowd() -> list[Event]:
    """Events with many ties and unknown starts."""
    chance = random.Random(7)  # noqa: S311 (the same crowd in every run)
    return [
        Event(
            id=number,
            title=chance.choice(["Äpfel", "jazz", "Jazz", "zebra", "🎷"]),
            starts_at=chance.choice([None, START, START + timedelta(microseconds=1), START + timedelta(days=1)]),
            listed_at=START + timedelta(hours=chance.randint(0, 3)),
        )
        for number in range(1, 41)
    ]


def in_order(events: list[Event], sort: str) -> list[int]:
    descending, by = sort.startswith("-"), sort.removeprefix("-")
    known = {
        "starts_at": lambda event: event.starts_at,
        "title": lambda event: event.title.encode(),
        "updated_at": lambda event: event.listed_at,
    }[by]
    dated = sorted((e for e in events if known(e) is not None), key=lambda e: (known(e), e.id), reverse=descending)
    undated = sorted((e for e in events if known(e) is None), key=lambda e: e.id, reverse=descending)
    return [event.id for event in dated + undated]


async def pages(api: httpx2.AsyncClient, path: str, **headers: str) -> list[list[int]]:
    """Follow `Link` to the end."""
    found, url = [], path
    while True:
        answer = await api.get(url, headers=headers)
        found.append(ids(answer))
        link, cursor = answer.headers.get("Link"), answer.json()["next_cursor"]
        assert (link is None) == (cursor is None)
        if link is None:
            return found
        target = re.fullmatch(r'<([^>]+)>; rel="next"', link)
        assert target is not None
        assert cursor in target[1]
        url = str(answer.request.url.join(target[1]))


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("limit", [1, 7, 40, 250])
async def test_paging_shows_everything_exactly_once_in_order(
    sort: str, limit: int, api: httpx2.AsyncClient, shop: Shop
):
    events = crowd()
    await shop.save(*events)
    found = await pages(api, f"/v1/events?sort={sort}&limit={limit}")
    assert [event for page in found for event in page] == in_order(events, sort)
    assert all(len(page) == limit for page in found[:-1])
    assert 0 < len(found[-1]) <= limit


@pytest.mark.parametrize("sort", SORTS)
async def test_a_page_goes_on_after_the_row_before_it_was_deleted(sort: str, api: httpx2.AsyncClient, shop: Shop):
    events = crowd()
    await shop.save(*events)
    order = in_order(events, sort)
    first = await api.get(f"/v1/events?sort={sort}&limit=10")
    await shop.change(next(event for event in events if event.id == order[9]), deleted=True)
    second = await api.get(f"/v1/events?sort={sort}&limit=10&cursor={first.json()['next_cursor']}")
    assert ids(second) == order[10:20]


CATALOGUE = [
    Event(1, title="Jazz Night", category="music", tags=("jazz", "late"), city="Berlin", starts_at=START),
    Event(2, title="Rock am Ring", category="music", tags=("rock",), city="Köln", starts_at=START + timedelta(days=1)),
    Event(3, title="Hamlet", category="theatre", tags=("late",), city="Berlin", availability="sold_out"),
    Event(4, title="Jazzercise", category="sport", tags=(), city=None, starts_at=None, availability="few_left"),
    Event(5, title="Secret Jazz", status="draft"),
    Event(6, title="Old Jazz", status="archived"),
    Event(7, title="Gone Jazz", deleted=True),
    Event(8, title="Hidden Jazz", status="unlisted"),
]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {1, 2, 3, 4}),
        ("category=music", {1, 2}),
        ("category=Music", set()),
        ("tag=late", {1, 3}),
        ("tag=late&category=music", {1}),
        ("city=Berlin", {1, 3}),
        (f"city={quote('Köln')}", {2}),
        ("available=true", {1, 2, 4}),
        ("available=false", {3}),
        ("starts_after=2026-12-01T19:00:00Z", {1, 2, 3}),
        ("starts_after=2026-12-01T19:00:01Z", {2}),
        ("starts_before=2026-12-01T19:00:00Z", set()),
        ("starts_before=2026-12-02T19:00:00Z", {1, 3}),
        ("starts_after=2026-12-01T20:00:00%2B01:00&starts_before=2026-12-01T20:00:01%2B01:00", {1, 3}),
        ("q=jazz", {1, 4}),
        ("q=JAZZ+night", {1}),
        ("q=night+jazz", {1}),
        ("q=ham", {3}),
        ('q="jazz+night"', {1}),
        ('q="night+jazz"', set()),
        ("q=jazz+or+hamlet", {1, 3}),
        ("q=music+-jazz", {2}),
        ("q=%21%21%21", set()),
        ("q=%27%3A*%5C", set()),
        ("q=%22", set()),
        ("q=a+%26+b+%7C+%28", set()),
        ("q=theatre&available=false", {3}),
        ("category=%27%3B+DROP+TABLE+events%3B--", set()),
    ],
)
async def test_filters(query: str, found: set[int], api: httpx2.AsyncClient, shop: Shop):
    await shop.save(*CATALOGUE)
    for sort in SORTS:
        answer = await api.get(f"/v1/events?{query}&sort={sort}" if query else f"/v1/events?sort={sort}")
        assert set(ids(answer)) == found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {1, 2, 3, 4, 5, 6, 8}),
        ("status=draft", {5}),
        ("status=archived", {6}),
        ("status=unlisted", {8}),
        ("status=active", {1, 2, 3, 4}),
        ("q=jazz&status=draft", {5}),
    ],
)
async def test_organizers_list_every_living_event(query: str, found: set[int], api: httpx2.AsyncClient, shop: Shop):
    await shop.save(*CATALOGUE)
    answer = await api.get(f"/v1/manage/events?{query}" if query else "/v1/manage/events", headers=ORGANIZER)
    assert set(ids(answer)) == found
    assert all("capacity" in event for event in answer.json()["events"])


@pytest.mark.parametrize("sort", SORTS)
async def test_organizers_page_through_everything_too(sort: str, api: httpx2.AsyncClient, shop: Shop):
    await shop.save(*crowd())
    found = await pages(api, f"/v1/manage/events?sort={sort}&limit=9", **ORGANIZER)
    assert [event for page in found for event in page] == in_order(crowd(), sort)


async def test_filtered_lists_page_within_their_filter(api: httpx2.AsyncClient, shop: Shop):
    await shop.save(*crowd())
    found = await pages(api, "/v1/events?q=jazz&sort=-title&limit=2")
    jazz = [event for event in crowd() if event.title.lower() == "jazz"]
    assert [event for page in found for event in page] == in_order(jazz, "-title")


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("colour=blue", {"colour"}),
        ("status=draft", {"status"}),
        ("page=2&colour=blue", {"page", "colour"}),
        ("limit=0", {"limit"}),
        ("limit=251", {"limit"}),
        ("limit=10&limit=20", {"limit"}),
        ("tag=a&tag=a", {"tag"}),
        ("category=", {"category"}),
        ("category=a%00b", {"category"}),
        ("sort=price", {"sort"}),
        ("starts_after=tomorrow", {"starts_after"}),
        ("available=perhaps", {"available"}),
        ("cursor=nonsense", {"cursor"}),
        ("=1", {""}),
    ],
)
async def test_a_question_that_is_not_understood_is_refused_by_name(query, named, api: httpx2.AsyncClient):
    answer = await api.get(f"/v1/events?{query}")
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert {error["query"] for error in answer.json()["errors"]} == named


async def test_a_cursor_of_another_list_is_refused(api: httpx2.AsyncClient, shop: Shop):
    await shop.save(*crowd())
    cursor = (await api.get("/v1/events?limit=1")).json()["next_cursor"]
    for query in ("sort=title", "sort=-starts_at", "category=music", "available=true", "q=jazz"):
        assert (await api.get(f"/v1/events?{query}&cursor={cursor}")).status_code == 400
    managed = await api.get(f"/v1/manage/events?cursor={cursor}", headers=ORGANIZER)
    assert managed.status_code == 400
    assert (await api.get(f"/v1/events?limit=3&cursor={cursor}")).status_code == 200


async def test_equal_questions_share_one_document(api: httpx2.AsyncClient, shop: Shop):
    await shop.save(*CATALOGUE)
    first = await api.get("/v1/events?category=music&available=1")
    second = await api.get("/v1/events?limit=50&available=true&sort=starts_at&category=%20music")
    assert first.headers["Cache-Status"] == "understudy; fwd=miss; stored"
    assert second.headers["Cache-Status"] == "understudy; hit; detail=redis"
    assert second.headers["ETag"] == first.headers["ETag"]


async def test_the_host_that_a_proxy_claims_reaches_no_answer(api: httpx2.AsyncClient, shop: Shop):
    await shop.save(*crowd())
    claimed = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    answer = await api.get("/v1/events?limit=1", headers=claimed)
    assert "evil" not in answer.text + str(answer.headers)


async def test_searches_are_not_stored_where_all_readers_share_the_room(api: httpx2.AsyncClient, shop: Shop):
    await shop.save(*CATALOGUE)
    for _ in range(2):
        assert (await api.get("/v1/events?q=jazz")).headers["Cache-Status"] == "understudy; fwd=bypass"
    stored = await shop.tags.client.hkeys("understudy:events")
    assert not [name for name in stored if b"list:" in name]


async def test_an_empty_shop_has_an_empty_list(api: httpx2.AsyncClient):
    answer = await api.get("/v1/events")
    assert answer.content == b'{"events":[],"next_cursor":null}'
    assert answer.headers["X-Revision"] == "1"
    assert (await api.get("/v1/categories")).json() == {"categories": []}


async def test_categories_count_what_anyone_may_see(api: httpx2.AsyncClient, shop: Shop):
    await shop.save(*CATALOGUE, Event(9, category="secret", status="draft"))
    assert (await api.get("/v1/categories")).json() == {
        "categories": [
            {"name": "music", "count": 2},
            {"name": "sport", "count": 1},
            {"name": "theatre", "count": 1},
        ]
    }
