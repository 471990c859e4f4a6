"""Commands through the whole system: accepted at once, carried out by Shopify, seen by readers, and true."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import orjson
import pytest
from waiting import eventually
from whole_system import Running

Json = dict[str, Any]

VISIBLE_WITHIN = 15.0  # seconds, on a busy machine
TICKETS = [{"name": "Standing", "price": "25.00", "capacity": 100}, {"name": "Seated", "price": "40.00"}]


@pytest.fixture
async def writer(running: Running) -> AsyncIterator[httpx2.AsyncClient]:
    plan = running.system.plan
    headers = {"Authorization": f"Bearer {plan.credentials.token}"}
    async with httpx2.AsyncClient(
        base_url=plan.layout.url("writer"), headers=headers, trust_env=False, timeout=40.0
    ) as client:
        yield client


async def done(writer: httpx2.AsyncClient, method: str, path: str, body: Json | None = None, **headers: str) -> Json:
    """The job of this command, once readers can see its effect."""
    answer = await writer.request(method, path, json=body, headers=headers)
    assert answer.status_code == httpx2.codes.ACCEPTED, answer.text
    return await visible(writer, answer.json()["job_id"])


async def visible(writer: httpx2.AsyncClient, job_id: str) -> Json:
    async def seen() -> Json:
        job: Json = (await writer.get(f"/v1/jobs/{job_id}", headers={"Prefer": "wait=10"})).json()
        assert job["status"] in {"queued", "dispatching", "succeeded", "superseded"}, job
        assert job["visible_revision"] is not None, job
        return job

    job: Json = await eventually(seen, VISIBLE_WITHIN, saying=f"job {job_id} is visible")
    return job


async def test_done_means_visible_and_the_revision_closes_the_loop(
    running: Running, writer: httpx2.AsyncClient
) -> None:
    event_id = (await running.new_event("Jazz Night"))["id"]
    job = await done(writer, "PATCH", f"/v1/events/{event_id}", {"title": "Jazz Morning", "subtitle": "Early"})
    least = {"X-Min-Revision": str(job["visible_revision"])}
    read = await running.http.get(f"/v1/events/{event_id}", headers=least)
    assert read.status_code == httpx2.codes.OK
    assert (read.json()["title"], read.json()["subtitle"]) == ("Jazz Morning", "Early")
    assert read.json()["revision"] >= job["visible_revision"]
    assert (job["event_id"], job["attempts"], job["error"]) == (str(event_id), 1, None)


async def test_an_event_is_made_sold_changed_and_deleted_and_everything_equals_shopify(
    running: Running, writer: httpx2.AsyncClient
) -> None:
    made = await done(writer, "POST", "/v1/events", {
        "title": "Opening", "description_html": "<p>At last</p>", "category": "music", "tags": ["jazz", "late"],
        "organizer": "Blue Hall", "starts_at": "2027-01-15T19:00:00Z", "ends_at": "2027-01-15T22:00:00Z",
        "timezone": "Europe/Berlin", "venue": {"name": "Blue Hall", "city": "Berlin", "country": "DE"},
        "tickets": TICKETS, "status": "active",
    })  # fmt: skip
    event_id = int(made["event_id"])
    event = (await running.reads(event_id, title="Opening", category="music", organizer="Blue Hall")).json()
    assert event["venue"] == {"name": "Blue Hall", "address": None, "city": "Berlin", "country": "DE"}
    standing, seated = event["tickets"]
    assert (standing["name"], standing["price"], standing["available"]) == ("Standing", "25.00", 100)
    assert seated["available"] is None  # without a capacity it never sells out

    tickets = f"/v1/events/{event_id}/tickets"
    await running.shop.sell(int(standing["id"]), 30)
    await running.settled()
    await done(writer, "PATCH", f"{tickets}/{standing['id']}", {"capacity": 120, "price": "27.50", "name": "Floor"})
    extra = await done(writer, "POST", tickets, {"name": "Balcony", "price": "60.00", "capacity": 10})
    await done(writer, "DELETE", f"{tickets}/{seated['id']}")
    await running.equal({event_id})
    managed = (await running.managed(event_id)).json()
    assert [(each["name"], each["capacity"], each["sold"]) for each in managed["tickets"]] == [
        ("Floor", 120, 30), ("Balcony", 10, 0),
    ]  # fmt: skip
    assert managed["tickets"][1]["id"] == extra["ticket_id"]

    for action, status in (("unpublish", 404), ("publish", 200), ("archive", 404)):
        await done(writer, "POST", f"/v1/events/{event_id}/{action}")
        assert (await running.event(event_id)).status_code == status, action
    await running.equal({event_id})

    await done(writer, "DELETE", f"/v1/events/{event_id}")
    assert (await running.managed(event_id)).status_code == httpx2.codes.NOT_FOUND
    refused = await writer.patch(f"/v1/events/{event_id}", json={"title": "Encore"})
    assert refused.status_code == httpx2.codes.UNPROCESSABLE_CONTENT
    await running.equal({event_id})


async def test_while_shopify_takes_its_time_commands_are_accepted_at_once(
    running: Running, writer: httpx2.AsyncClient
) -> None:
    event_id = (await running.new_event())["id"]
    await running.shop.turn(latency_min=3.0, latency_max=3.0)
    began = time.monotonic()
    answers = [await writer.patch(f"/v1/events/{event_id}", json={"title": f"Take {number}"}) for number in range(10)]
    assert time.monotonic() - began < 2.5  # one answer of Shopify's takes 3 s
    assert {answer.status_code for answer in answers} == {httpx2.codes.ACCEPTED}
    jobs = [await visible(writer, answer.json()["job_id"]) for answer in answers]
    assert (await running.event(event_id)).json()["title"] == "Take 9"
    said = {job["status"] for job in jobs[:-1]}
    assert said <= {"succeeded", "superseded"}
    named = {job["superseded_by"] for job in jobs if job["status"] == "superseded"}
    assert named <= {job["job_id"] for job in jobs if job["status"] == "succeeded"}


async def test_live_clients_hear_how_a_job_ends(running: Running, writer: httpx2.AsyncClient) -> None:
    event_id = (await running.new_event())["id"]
    headers = {"Authorization": f"Bearer {running.system.plan.credentials.token}"}
    async with (
        asyncio.timeout(VISIBLE_WITHIN),
        running.http.stream("GET", "/v1/changes?jobs=all", headers=headers) as stream,
    ):
        told = jobs_of(stream)
        accepted = await writer.post(f"/v1/events/{event_id}/archive")
        states = []
        while (job := await anext(told))["visible_revision"] is None:
            assert job["job_id"] == accepted.json()["job_id"]
            states.append(job["status"])
    assert job["event_id"] == str(event_id)
    assert [*states, job["status"]][-1] == "succeeded"


async def jobs_of(stream: httpx2.Response) -> AsyncIterator[Json]:
    """The jobs that a stream tells of, from its headers on."""
    name = ""
    async for line in stream.aiter_lines():
        if line.startswith("event:"):
            name = line.removeprefix("event:").strip()
        if line.startswith("data:") and name == "job":
            job: Json = orjson.loads(line.removeprefix("data:"))
            yield job


async def test_what_is_wrong_is_refused_before_shopify_hears_of_it(
    running: Running, writer: httpx2.AsyncClient
) -> None:
    event = await running.new_event()
    entries = (await running.shop.state())["requests"]["requests"]
    of_event = f"/v1/events/{event['id']}"
    many = [{"name": f"Row {number}", "price": "1.00"} for number in range(251)]
    for method, path, body, pointer in (
        ("POST", "/v1/events", {"title": "x", "tickets": [{"name": "A", "price": "-1.00"}]}, "#/tickets/0/price"),
        ("POST", "/v1/events", {"title": "x", "tickets": many}, "#/tickets"),
        ("PATCH", "/v1/events/123", {"title": "x"}, "#/event_id"),
        ("PATCH", of_event, {"title": "x" * 256}, "#/title"),
        ("PATCH", of_event, {"title": "x", "currency": "USD"}, "#/currency"),
        ("PATCH", of_event, {"starts_at": "2027-01-02T00:00:00Z", "ends_at": "2027-01-01T00:00:00Z"}, "#/ends_at"),
    ):
        answer = await writer.request(method, path, json=body)
        assert answer.status_code == httpx2.codes.UNPROCESSABLE_CONTENT, (path, body, answer.text)
        assert pointer in [error.get("pointer") for error in answer.json()["errors"]], answer.json()
    assert (await running.shop.state())["requests"]["requests"] == entries


async def test_a_thousand_times_the_same_key_is_one_job(running: Running, writer: httpx2.AsyncClient) -> None:
    event_id = (await running.new_event())["id"]
    key = {"Idempotency-Key": f"publish {event_id}"}
    few = asyncio.Semaphore(50)  # connections

    async def send() -> httpx2.Response:
        async with few:
            return await writer.patch(f"/v1/events/{event_id}", json={"title": "Once"}, headers=key)

    answers = await asyncio.gather(*(send() for _ in range(1000)))
    assert {answer.status_code for answer in answers} <= {httpx2.codes.OK, httpx2.codes.ACCEPTED}
    assert len({answer.json()["job_id"] for answer in answers}) == 1
    other = await writer.patch(f"/v1/events/{event_id}", json={"title": "Twice"}, headers=key)
    assert other.status_code == httpx2.codes.UNPROCESSABLE_CONTENT
    await visible(writer, answers[0].json()["job_id"])
    edits = [entry for entry in await running.shop.journal("productUpdate") if "Once" in str(entry["input"])]
    assert len(edits) == 1
