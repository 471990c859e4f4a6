"""One event, as a frontend reads it."""

import json
from urllib.parse import quote

import httpx2
import pytest
from projected import ORGANIZER, Event, Shop

JAZZ = Event(8012345678901, handle="jazz-night")
PATHS = [
    "/v1/events/8012345678901",
    "/v1/events/8012345678901/tickets",
    "/v1/events/by-handle/jazz-night",
    "/v1/events",
    "/v1/categories",
]


def organizers(path: str) -> str:
    return path.replace("/v1/events", "/v1/manage/events")


MANAGED = [organizers(path) for path in PATHS if "events" in path]


async def test_an_event_is_the_text_that_was_rendered(api: httpx2.AsyncClient, shop: Shop):
    await shop.save(JAZZ)
    answer = await api.get(PATHS[0])
    assert answer.content == JAZZ.documents(1)["document"].encode()
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Revision"] == "1"


async def test_its_tickets_and_its_handle_lead_to_what_was_rendered(api: httpx2.AsyncClient, shop: Shop):
    await shop.save(JAZZ)
    assert (await api.get(PATHS[1])).content == JAZZ.documents(1)["tickets_document"].encode()
    assert (await api.get(PATHS[2])).content == JAZZ.documents(1)["document"].encode()


async def test_organizers_read_all_fields(api: httpx2.AsyncClient, shop: Shop):
    await shop.save(JAZZ)
    documents = JAZZ.documents(1)
    for path, column in zip(MANAGED, ["manage_document", "manage_tickets_document", "manage_document"], strict=False):
        assert (await api.get(path, headers=ORGANIZER)).content == documents[column].encode()


async def test_emoji_and_right_to_left_titles_arrive_as_they_are(api: httpx2.AsyncClient, shop: Shop):
    title = 'سهرة 🎷 "next_cursor":"x"} ' + "\u2028"
    await shop.save(Event(7, title=title, handle="سهرة-🎷"))
    assert (await api.get("/v1/events/7")).json()["title"] == title
    assert (await api.get(f"/v1/events/by-handle/{quote('سهرة-🎷')}")).json()["title"] == title
    listed = (await api.get("/v1/events")).json()
    assert (listed["events"][0]["title"], listed["next_cursor"]) == (title, None)


async def test_the_largest_id_is_an_id(api: httpx2.AsyncClient, shop: Shop):
    await shop.save(Event(2**63 - 1))
    assert (await api.get(f"/v1/events/{2**63 - 1}")).json()["id"] == str(2**63 - 1)


@pytest.mark.parametrize("path", PATHS + MANAGED)
async def test_what_a_reader_holds_already_is_not_sent_again(path: str, api: httpx2.AsyncClient, shop: Shop):
    await shop.save(JAZZ)
    first = await api.get(path, headers=ORGANIZER)
    for held in (first.headers["ETag"], f'"other", W/{first.headers["ETag"]}', "*"):
        again = await api.get(path, headers=ORGANIZER | {"If-None-Match": held})
        assert (again.status_code, again.content) == (304, b"")
        for name in ("ETag", "X-Revision", "Cache-Control", "Vary", "CDN-Cache-Control"):
            assert again.headers.get(name) == first.headers.get(name)
        assert "Content-Type" not in again.headers
    assert (await api.get(path, headers=ORGANIZER | {"If-None-Match": '"other"'})).status_code == 200


@pytest.mark.parametrize("path", PATHS + MANAGED)
async def test_a_change_has_a_new_tag_and_a_higher_revision(path: str, api: httpx2.AsyncClient, shop: Shop):
    await shop.save(JAZZ)
    old = await api.get(path, headers=ORGANIZER)
    await shop.change(JAZZ, title="Jazz Day")
    new = await api.get(path, headers=ORGANIZER | {"If-None-Match": old.headers["ETag"]})
    assert new.status_code == 200
    assert new.headers["ETag"] != old.headers["ETag"]
    assert int(new.headers["X-Revision"]) > int(old.headers["X-Revision"])
    assert (await api.get(path, headers=ORGANIZER | {"If-None-Match": new.headers["ETag"]})).status_code == 304


@pytest.mark.parametrize("path", PATHS + MANAGED)
async def test_a_head_is_its_get_without_the_body(path: str, api: httpx2.AsyncClient, shop: Shop):
    await shop.save(JAZZ)
    await api.get(path, headers=ORGANIZER)
    got, head = await api.get(path, headers=ORGANIZER), await api.head(path, headers=ORGANIZER)
    assert head.content == b""
    assert {**head.headers, "server-timing": ""} == {**got.headers, "server-timing": ""}


async def test_every_replica_gives_the_same_tags(serve, api: httpx2.AsyncClient, shop: Shop):
    await shop.save(JAZZ)
    async with serve() as replica:
        for path in PATHS:
            assert (await api.get(path)).headers["ETag"] == (await replica.get(path)).headers["ETag"]


async def test_documents_and_audiences_never_share_a_tag(api: httpx2.AsyncClient, shop: Shop):
    await shop.save(JAZZ)
    paths = [PATHS[0], PATHS[1], organizers(PATHS[0]), organizers(PATHS[1])]
    tags = {(await api.get(path, headers=ORGANIZER)).headers["ETag"] for path in paths}
    assert len(tags) == 4


@pytest.mark.parametrize("event_id", ["0", "007", "9223372036854775808", "1" * 400])
async def test_digits_that_are_no_id_are_not_found(event_id: str, api: httpx2.AsyncClient):
    assert (await api.get(f"/v1/events/{event_id}")).status_code == 404


@pytest.mark.parametrize("event_id", ["x", "-1", "1.0", "٣", "1%0a", "1%00", "+1"])
async def test_anything_else_is_malformed(event_id: str, api: httpx2.AsyncClient):
    answer = await api.get(f"/v1/events/{event_id}")
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("handle", ["x" * 256, "a%00b", "nobody", "tickets"])
async def test_a_handle_that_nobody_has_is_not_found(handle: str, api: httpx2.AsyncClient):
    answer = await api.get(f"/v1/events/by-handle/{handle}")
    assert answer.status_code == 404
    assert json.loads(answer.content)["detail"] == "There is no such event."


async def test_a_renamed_event_leaves_its_handle_to_its_successor(api: httpx2.AsyncClient, shop: Shop):
    await shop.save(JAZZ)
    assert (await api.get(PATHS[2])).json()["id"] == str(JAZZ.id)
    await shop.change(JAZZ, handle="jazz-night-2026")
    assert (await api.get(PATHS[2])).status_code == 404
    await shop.change(Event(9, handle="jazz-night"))
    assert (await api.get(PATHS[2])).json()["id"] == "9"
    assert (await api.get("/v1/events/by-handle/jazz-night-2026")).json()["id"] == str(JAZZ.id)


@pytest.mark.parametrize("path", [*PATHS[:3], "/v1/categories", "/v1/status", *MANAGED[:3]])
async def test_parameters_that_an_address_does_not_take_are_named(path: str, api: httpx2.AsyncClient, shop: Shop):
    await shop.save(JAZZ)
    answer = await api.get(f"{path}?utm_source=mail&x=1", headers=ORGANIZER)
    assert answer.status_code == 400
    assert [error["query"] for error in answer.json()["errors"]] == ["utm_source", "x"]


async def test_public_answers_may_be_kept_and_organizers_only_by_their_browser(api: httpx2.AsyncClient, shop: Shop):
    await shop.save(JAZZ)
    for path in PATHS:
        assert (await api.get(path)).headers["Cache-Control"].startswith("public")
    for path in MANAGED:
        headers = (await api.get(path, headers=ORGANIZER)).headers
        assert headers["Cache-Control"] == "private, no-cache"
        assert "Authorization" in headers["Vary"]
        assert "CDN-Cache-Control" not in headers


async def test_the_brief_s_cache_control_is_one_setting_away(serve, shop: Shop):
    await shop.save(JAZZ)
    async with serve(cache_control_public="public, max-age=300, s-maxage=600", cache_control_cdn=None) as api:
        headers = (await api.get(PATHS[0])).headers
    assert headers["Cache-Control"] == "public, max-age=300, s-maxage=600"
    assert "CDN-Cache-Control" not in headers


@pytest.mark.parametrize("path", ["/nowhere", "/v1/events/", "/docs", "/openapi.json", "/v1/status", "/metrics"])
async def test_what_declares_nothing_is_not_kept(path: str, api: httpx2.AsyncClient):
    assert (await api.get(path)).headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_nothing_is_written_here(method: str, api: httpx2.AsyncClient):
    answer = await api.request(method, "/v1/events/42")
    assert answer.status_code == 405
    assert answer.headers["Cache-Control"] == "no-store"


async def test_pages_of_other_origins_may_read(api: httpx2.AsyncClient, shop: Shop):
    await shop.save(JAZZ)
    asking = {"Origin": "https://tickets.example.com", "Access-Control-Request-Headers": "authorization"}
    preflight = await api.options(PATHS[0], headers=asking | {"Access-Control-Request-Method": "GET"})
    assert preflight.status_code == 204
    assert "Authorization" in preflight.headers["Access-Control-Allow-Headers"]
    # The same with and without an Origin: a CDN keeps one answer for all.
    for headers in ({}, asking):
        answer = await api.get(PATHS[0], headers=headers)
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "ETag" in answer.headers["Access-Control-Expose-Headers"]
