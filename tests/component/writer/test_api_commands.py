"""Commands become jobs, at once, in the order in which they are answered; what can't be carried out does not."""

import asyncio
import itertools
from uuid import UUID

import httpx2
import pytest
from commanding import EVENT, NEW_EVENT, TICKET, Office, open_office
from projected import Event

PATHS = [
    ("POST", "/v1/events", NEW_EVENT, "event.create"),
    ("PATCH", "/v1/events/42", {"title": "Jazz"}, "event.edit"),
    ("POST", "/v1/events/42/publish", None, "event.publish"),
    ("POST", "/v1/events/42/unpublish", None, "event.unpublish"),
    ("POST", "/v1/events/42/archive", None, "event.archive"),
    ("DELETE", "/v1/events/42", None, "event.delete"),
    ("POST", "/v1/events/42/tickets", {"name": "Balcony", "price": "9"}, "ticket.create"),
    ("PATCH", "/v1/events/42/tickets/420", {"price": "30.5"}, "ticket.edit"),
]


@pytest.mark.parametrize(("method", "path", "body", "kind"), PATHS, ids=[path[3] for path in PATHS])
async def test_a_command_is_a_job_at_once(office: Office, method, path, body, kind):
    answer = await office.client.request(method, path, json=body)
    job = answer.json()
    assert answer.status_code == 202, job
    assert answer.headers["Location"] == f"/v1/jobs/{job['job_id']}"
    assert answer.headers["Cache-Control"] == "no-store"
    assert (job["kind"], job["status"], job["position"], job["attempts"]) == (kind, "queued", 1, 0)
    assert job["event_id"] == (None if kind == "event.create" else "42")
    assert job["ticket_id"] == ("420" if kind == "ticket.edit" else None)
    assert job["eta_seconds"] > 0
    stored = await office.job(job["job_id"])
    assert (stored["kind"], stored["owner"], stored["state"]) == (kind, "key:organizer", "queued")
    assert (await office.client.get(answer.headers["Location"])).json()["job_id"] == job["job_id"]


async def test_a_command_is_stored_flat_and_with_one_spelling_for_each_value(office: Office):
    body = NEW_EVENT | {
        "title": "  Jazz Night ", "subtitle": None, "tags": ["Jazz", "jazz"], "currency": "EUR",
        "starts_at": "2026-12-01T20:00:00.123+01:00", "ends_at": "2026-12-01T23:00:00Z",
        "venue": {"name": "Blue Hall", "city": "Berlin", "country": None},
        "tickets": [{"name": "Standing", "price": "25", "compare_at_price": "30.5", "capacity": 200, "type": None}],
    }  # fmt: skip
    answer = await office.client.post("/v1/events", json=body)
    assert await office.command(answer.json()["job_id"]) == {
        "title": "Jazz Night", "tags": ["Jazz"], "status": "draft", "venue_name": "Blue Hall", "venue_city": "Berlin",
        "starts_at": "2026-12-01T19:00:00Z", "ends_at": "2026-12-01T23:00:00Z",
        "tickets": [{"name": "Standing", "price": "25.00", "compare_at_price": "30.50", "capacity": 200}],
    }  # fmt: skip


async def test_null_clears_and_what_is_left_out_stays(office: Office):
    body = {"subtitle": None, "description_html": None, "tags": None, "venue": {"city": None}, "ends_at": None}
    answer = await office.client.patch("/v1/events/42", json=body)
    assert await office.command(answer.json()["job_id"]) == {
        "subtitle": None, "description_html": "", "tags": [], "venue_city": None, "ends_at": None
    }  # fmt: skip
    answer = await office.client.patch("/v1/events/42", json={"venue": None})
    venue = dict.fromkeys(("venue_name", "venue_address", "venue_city", "venue_country"))
    assert await office.command(answer.json()["job_id"]) == venue


async def test_a_new_capacity_waits_for_one_in_doubt(office: Office):
    """On top of stock that was moved, or was not, it could sell tickets twice."""
    await office.add_ticket(EVENT, 421, "Balcony")
    address, other = "/v1/events/42/tickets/420", "/v1/events/42/tickets/421"
    job = (await office.client.patch(address, json={"capacity": 300})).json()["job_id"]
    price = (await office.client.patch(other, json={"price": "1.00"})).json()["job_id"]
    assert (await office.client.patch(address, json={"capacity": 310})).status_code == 202  # nothing is in doubt
    await office.end(job, "in_doubt")
    await office.end(price, "in_doubt")
    answer = await office.client.patch(address, json={"capacity": 320})
    assert (answer.status_code, answer.json()["jobs"]) == (409, [job])
    assert [error["pointer"] for error in answer.json()["errors"]] == ["#/capacity"]
    assert job in answer.json()["errors"][0]["detail"]
    assert (await office.client.patch(address, json={"price": "9.00"})).status_code == 202
    assert (await office.client.patch(other, json={"capacity": 320})).status_code == 202
    await office.pool.execute("SELECT job_resolve($1, 'failed', 'looked', NULL)", UUID(job))
    assert (await office.client.patch(address, json={"capacity": 320})).status_code == 202


async def test_a_capacity_that_only_its_merged_fields_hold_is_in_doubt_too(office: Office):
    address = "/v1/events/42/tickets/420"
    job = (await office.client.patch(address, json={"price": "2.00"})).json()["job_id"]
    await office.end(job, "in_doubt", merged={"price": "2.00", "capacity": 300})
    answer = await office.client.patch(address, json={"capacity": 320})
    assert (answer.status_code, answer.json()["jobs"]) == (409, [job])


async def test_a_capacity_that_was_only_observed_comes_with_the_new_one(office: Office):
    await office.add_ticket(EVENT, 421, "Balcony", capacity=70, capacity_source="observed")
    observed = await office.client.patch("/v1/events/42/tickets/421", json={"capacity": 80})
    assert await office.command(observed.json()["job_id"]) == {"capacity": 80, "known_capacity": 70}
    for body in ({"price": "1.00"}, {"capacity": 80}):
        ticket = 421 if "price" in body else TICKET
        other = await office.client.patch(f"/v1/events/42/tickets/{ticket}", json=body)
        assert await office.command(other.json()["job_id"]) == body


async def test_commands_of_one_event_are_stored_in_the_order_of_their_answers(office: Office, writer_database: str):
    """Over two replicas: who sends a command when another one was answered comes behind it (promise P7)."""
    sent: list[tuple[int, int, str]] = []  # begun at, answered at, id
    clock = itertools.count()

    async def edit(client: httpx2.AsyncClient) -> None:
        for _ in range(5):
            began = next(clock)
            answer = await client.patch("/v1/events/42", json={"title": f"Jazz {began}"})
            assert answer.status_code == 202, answer.text
            sent.append((began, next(clock), answer.json()["job_id"]))

    async with open_office(writer_database) as other:
        await asyncio.gather(*(edit(client) for client in (office.client, other.client) for _ in range(4)))
    rows = await office.pool.fetch("SELECT id::text FROM jobs ORDER BY seq")
    place = {row["id"]: place for place, row in enumerate(rows)}
    assert len(place) == 40
    for _, answered, before in sent:
        assert all(place[before] < place[after] for began, _, after in sent if began > answered)


async def test_the_position_counts_what_stands_before(office: Office):
    first = (await office.client.patch("/v1/events/42", json={"title": "a"})).json()
    second = (await office.client.post("/v1/events/42/publish")).json()
    assert (first["position"], second["position"]) == (1, 2)
    assert second["eta_seconds"] > first["eta_seconds"]
    await office.end(first["job_id"])
    assert (await office.client.get(f"/v1/jobs/{second['job_id']}")).json()["position"] == 1


async def test_a_job_wakes_the_dispatcher(office: Office):
    told: list[bool] = []
    office.wakeups.of_ours(lambda: told.append(True))
    await office.client.post("/v1/events/42/publish")
    assert told == [True]


def told(answer) -> list[str]:
    return [error.get("pointer", "") for error in answer.json()["errors"]]


BAD = [
    ("POST", "/v1/events", NEW_EVENT | {"title": "x" * 256}, "#/title"),
    ("POST", "/v1/events", NEW_EVENT | {"title": "  "}, "#/title"),
    ("POST", "/v1/events", {"tickets": NEW_EVENT["tickets"]}, "#/title"),
    ("POST", "/v1/events", NEW_EVENT | {"tickets": []}, "#/tickets"),
    ("POST", "/v1/events", NEW_EVENT | {"tickets": [{"name": str(n), "price": "1"} for n in range(251)]}, "#/tickets"),
    ("POST", "/v1/events", NEW_EVENT | {"tickets": [{"name": "a", "price": "-1.00"}]}, "#/tickets/0/price"),
    ("POST", "/v1/events", NEW_EVENT | {"tickets": [{"name": "a", "price": 25}]}, "#/tickets/0/price"),
    ("POST", "/v1/events", NEW_EVENT | {"tickets": [{"name": "a", "price": "1"}] * 2}, "#/tickets/1/name"),
    ("POST", "/v1/events", NEW_EVENT | {"currency": "USD"}, "#/currency"),
    ("POST", "/v1/events", NEW_EVENT | {"currency": None}, "#/currency"),
    ("POST", "/v1/events", NEW_EVENT | {"status": "gone"}, "#/status"),
    ("POST", "/v1/events", NEW_EVENT | {"timezone": "Europe/Atlantis"}, "#/timezone"),
    ("POST", "/v1/events", NEW_EVENT | {"starts_at": "2026-12-01T19:00:00"}, "#/starts_at"),
    ("POST", "/v1/events", NEW_EVENT | {"tags": ["a", "b,c"]}, "#/tags/1"),
    ("POST", "/v1/events", NEW_EVENT | {"tags": [str(n) for n in range(251)]}, "#/tags"),
    ("POST", "/v1/events", NEW_EVENT | {"handle": "Jazz Night"}, "#/handle"),
    ("POST", "/v1/events", NEW_EVENT | {"handle": "event-42"}, "#/handle"),
    (
        "POST",
        "/v1/events",
        NEW_EVENT | {"starts_at": "2026-12-01T19:00:00Z", "ends_at": "2026-12-01T19:00:00+01:00"},
        "#/ends_at",
    ),
    ("PATCH", "/v1/events/42", {"ends_at": "2026-11-30T00:00:00Z"}, "#/ends_at"),
    ("PATCH", "/v1/events/42", {}, "#"),
    ("PATCH", "/v1/events/42", {"currency": "EUR"}, "#"),
    ("PATCH", "/v1/events/42", {"venue": {}}, "#"),
    ("PATCH", "/v1/events/42", {"title": None}, "#/title"),
    ("PATCH", "/v1/events/42", {"status": "active"}, "#/status"),
    ("PATCH", "/v1/events/42", [], "#"),
    ("POST", "/v1/events/42/tickets", {"name": "Standing", "price": "1"}, "#/name"),
    ("POST", "/v1/events/42/tickets", {"name": "a", "price": "1.005"}, "#/price"),
    ("POST", "/v1/events/42/tickets", {"name": "a", "price": "1" + "0" * 15}, "#/price"),
    ("POST", "/v1/events/42/tickets", {"name": "a", "price": "1", "capacity": 1_000_000_001}, "#/capacity"),
    ("PATCH", "/v1/events/42/tickets/420", {"sku": "a"}, "#/sku"),
    ("PATCH", "/v1/events/42/tickets/420", {"capacity": -1}, "#/capacity"),
    ("PATCH", "/v1/events/42/tickets/420", {"max_per_order": 0}, "#/max_per_order"),
    ("PATCH", "/v1/events/42/tickets/420", {"visible": "yes"}, "#/visible"),
    ("PATCH", "/v1/events/42/tickets/9", {"price": "1"}, "#/ticket_id"),
    ("DELETE", "/v1/events/42/tickets/420", None, "#/ticket_id"),
    ("PATCH", "/v1/events/7", {"title": "a"}, "#/event_id"),
    ("PATCH", "/v1/events/0042", {"title": "a"}, "#/event_id"),
    ("DELETE", "/v1/events/99999999999999999999", None, "#/event_id"),
    ("POST", "/v1/events/13/publish", None, "#/event_id"),
]


async def test_bad_input_is_422_and_says_where(office: Office):
    await office.add_event(Event(13, deleted=True))
    for method, path, body, pointer in BAD:
        answer = await office.client.request(method, path, json=body)
        assert answer.status_code == 422, (path, body, answer.text)
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert pointer in told(answer), (path, body, answer.text)
    assert await office.jobs() == 0


async def test_what_is_queued_counts(office: Office):
    """Dates, names and deletions are judged by what the event will be."""
    client = office.client
    assert (await client.patch("/v1/events/42", json={"starts_at": "2026-12-24T19:00:00Z"})).status_code == 202
    assert told(await client.patch("/v1/events/42", json={"ends_at": "2026-12-24T18:00:00Z"})) == ["#/ends_at"]
    assert (await client.patch("/v1/events/42/tickets/420", json={"name": "Seated"})).status_code == 202
    assert told(await client.post("/v1/events/42/tickets", json={"name": "Seated", "price": "1"})) == ["#/name"]
    assert (await client.post("/v1/events/42/tickets", json={"name": "Standing", "price": "1"})).status_code == 202
    assert (await client.delete("/v1/events/42/tickets/420")).status_code == 202
    assert told(await client.patch("/v1/events/42/tickets/420", json={"price": "1"})) == ["#/ticket_id"]
    assert (await client.post("/v1/events/42/tickets", json={"name": "Seated", "price": "1"})).status_code == 202
    assert (await client.delete("/v1/events/42")).status_code == 202
    assert told(await client.post("/v1/events/42/publish")) == ["#/event_id"]


async def test_an_event_is_known_as_soon_as_its_creation_has_succeeded(office: Office):
    created = (await office.client.post("/v1/events", json=NEW_EVENT)).json()["job_id"]
    assert told(await office.client.post("/v1/events/77/publish")) == ["#/event_id"]
    await office.end(created, event_id=77, observation={"what": "whole"})
    assert (await office.client.post("/v1/events/77/publish")).status_code == 202
    taken = await office.client.post("/v1/events/77/tickets", json={"name": "Standing", "price": "1"})
    assert told(taken) == ["#/name"]


async def test_decimals_are_those_of_the_shops_currency(office: Office):
    await office.pool.execute("UPDATE shop SET currency = 'JPY'")
    assert told(await office.client.post("/v1/events/42/tickets", json={"name": "a", "price": "1.5"})) == ["#/price"]
    assert (await office.client.post("/v1/events/42/tickets", json={"name": "a", "price": "1.00"})).status_code == 202


async def test_a_handle_that_is_being_given_up_is_free(office: Office):
    assert (await office.client.patch("/v1/events/42", json={"handle": "event-42"})).status_code == 202  # its own
    assert (await office.client.post("/v1/events", json=NEW_EVENT | {"handle": "event-42"})).status_code == 202


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"{", {}, 400),
        (b"[" * 100_000, {}, 400),
        (b"", {}, 400),
        (b'{"title": "\\ud800"}', {}, 400),
        (b"{}", {"Content-Type": "text/plain"}, 415),
        (b"{}", {"Content-Encoding": "gzip"}, 415),
        (b" " * 1_048_577, {}, 413),
    ],
)
async def test_a_body_that_cant_be_read_is_refused(office: Office, content, headers, status):
    answer = await office.client.patch(
        "/v1/events/42", content=content, headers={"Content-Type": "application/json"} | headers
    )
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")


async def test_what_was_not_asked_for_is_400(office: Office):
    for method, path in [
        ("POST", "/v1/events?dry_run=1"),
        ("DELETE", "/v1/events/42?force=1"),
        ("GET", "/v1/jobs?a=1"),
    ]:
        assert (await office.client.request(method, path, json={})).status_code == 400
    assert (await office.client.patch("/v1/events/abc", json={})).status_code == 400
    assert (await office.client.get("/v1/jobs?limit=1&limit=2")).status_code == 400
    assert (await office.client.get("/v1/jobs?limit=0")).status_code == 400


async def test_pages_of_other_origins_may_send_commands(office: Office):
    preflight = await office.client.options("/v1/events")
    assert preflight.headers["Access-Control-Allow-Origin"] == "*"
    assert "Idempotency-Key" in preflight.headers["Access-Control-Allow-Headers"]
    assert "PATCH" in preflight.headers["Access-Control-Allow-Methods"]
    head = await office.client.head("/v1/jobs")
    assert (head.status_code, head.content) == (200, b"")
