"""Whatever is asked, the answer is an answer: never 500, never a body that is not JSON."""

import random
from urllib.parse import quote

import httpx2
from projected import ORGANIZER, Event, Shop

from read_api.parameters import ManageListParameters

NASTY = [
    "", " ", "0", "-1", "1e9", "true", "null", "\x00", "\ud7ff", "\uffff", "\u202e", "🎷", "'", '"', "';--", "%", "_",
    "\\", ":*", "&", "|", "!", "(", ")", "<->", "a:b", "$1", ":tag", "{place}", "-", "or", "and", "active", "draft",
    "music", "jazz", "title", "-title", "2026-12-01T19:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z",
    "2026-02-30T00:00:00Z", "x" * 300, "é" * 200,
]  # fmt: skip
QUESTIONS = 400


def value(chance: random.Random) -> str:
    return "".join(chance.choices(NASTY, k=chance.choice([1, 1, 2, 3])))


async def test_any_question_is_answered_or_refused(api: httpx2.AsyncClient, shop: Shop):
    await shop.save(*(Event(number, title=nasty or "x") for number, nasty in enumerate(NASTY, 1) if "\0" not in nasty))
    chance = random.Random(11)  # noqa: S311 (the same questions in every run)
    names = [*ManageListParameters.model_fields, "unknown", ""]
    seen = set()
    for _ in range(QUESTIONS):
        asked = "&".join(f"{name}={quote(value(chance))}" for name in chance.sample(names, chance.randint(1, 2)))
        path = chance.choice(["/v1/events", "/v1/manage/events"])
        answer = await api.get(f"{path}?{asked}", headers=ORGANIZER)
        assert answer.status_code in {200, 400}, (path, asked, answer.text)
        assert isinstance(answer.json(), dict)
        seen.add(answer.status_code)
    assert seen == {200, 400}


async def test_any_path_is_answered_or_refused(api: httpx2.AsyncClient, shop: Shop):
    await shop.save(Event(1))
    for nasty in NASTY:
        for path in ("/v1/events/{}", "/v1/events/{}/tickets", "/v1/events/by-handle/{}", "/v1/manage/events/{}"):
            answer = await api.get(path.format(quote(nasty, safe="")), headers=ORGANIZER)
            assert answer.status_code in {200, 400, 404}, (path, nasty, answer.text)


async def test_any_title_is_a_place_to_go_on_from(api: httpx2.AsyncClient, shop: Shop):
    titles = [nasty for nasty in NASTY if nasty and "\0" not in nasty]
    await shop.save(*(Event(number, title=title) for number, title in enumerate(titles, 1)))
    found, query = [], ""
    while query is not None:
        answer = (await api.get(f"/v1/events?sort=title&limit=1{query}")).json()
        found += [event["title"] for event in answer["events"]]
        query = f"&cursor={answer['next_cursor']}" if answer["next_cursor"] else None
    assert sorted(found) == sorted(titles)
