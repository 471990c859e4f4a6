"""Clients follow their jobs, wait for them, page through them and take them back; nobody sees another's."""

import asyncio
import time
from uuid import UUID, uuid4

import pytest
from commanding import ADMIN, AUDITOR, COLLEAGUE, Office, bearer, open_office
from projected import Event
from waiting import eventually

from writer.api import metrics

JOB_FIELDS = {
    "job_id", "kind", "event_id", "ticket_id", "status", "position", "eta_seconds", "attempts", "cost", "error",
    "superseded_by", "visible_revision", "created_at", "dispatched_at", "finished_at",
}  # fmt: skip


async def edit(office: Office, title: str = "Jazz", **headers: str) -> dict:
    answer = await office.client.patch("/v1/events/42", json={"title": title}, headers=headers)
    assert answer.status_code == 202, answer.text
    return answer.json()


async def test_a_job_says_what_became_of_it(office: Office):
    job_id = (await edit(office))["job_id"]
    leader = uuid4()
    error = {"code": "refused", "message": "no", "errors": []}
    await office.end(
        job_id, "failed", error=error, cost=12.5, attempts=2, note="looked", visible_revision=7, superseded_by=leader
    )
    job = (await office.client.get(f"/v1/jobs/{job_id}")).json()
    assert set(job) == JOB_FIELDS | {"note"}
    shown = ("status", "error", "cost", "attempts", "note", "visible_revision", "superseded_by", "position")
    assert [job[name] for name in shown] == ["failed", error, 12.5, 2, "looked", 7, str(leader), None]
    assert job["finished_at"].endswith("Z")


@pytest.mark.parametrize("job_id", [str(UUID(int=1)), "1", "{}", UUID(int=1).hex])
async def test_there_is_no_other_job(office: Office, job_id: str):
    assert (await office.client.get(f"/v1/jobs/{job_id}")).status_code == 404
    assert (await office.client.delete(f"/v1/jobs/{job_id}")).status_code == 404


async def test_jobs_of_others_are_as_good_as_none(office: Office):
    job_id = (await edit(office))["job_id"]
    path = f"/v1/jobs/{job_id}"
    assert (await office.client.get(path, headers=bearer(COLLEAGUE))).status_code == 404
    assert (await office.client.delete(path, headers=bearer(COLLEAGUE))).status_code == 404
    assert (await office.client.get("/v1/jobs", headers=bearer(COLLEAGUE))).json()["jobs"] == []
    for token in (AUDITOR, ADMIN):
        assert (await office.client.get(path, headers=bearer(token))).status_code == 200
        assert len((await office.client.get("/v1/jobs", headers=bearer(token))).json()["jobs"]) == 1
    assert (await office.client.delete(path, headers=bearer(AUDITOR))).status_code == 403
    assert (await office.client.delete(path, headers=bearer(ADMIN))).status_code == 200


async def test_a_queued_job_can_be_taken_back_once_begun_it_cant(office: Office):
    job_id = (await edit(office))["job_id"]
    for _ in range(2):  # asking again changes nothing
        cancelled = await office.client.delete(f"/v1/jobs/{job_id}")
        assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    begun = (await edit(office))["job_id"]
    await office.pool.execute("UPDATE jobs SET state = 'dispatching' WHERE id = $1::text::uuid", begun)
    refused = await office.client.delete(f"/v1/jobs/{begun}")
    assert (refused.status_code, refused.json()["state"]) == (409, "dispatching")


async def test_a_list_has_pages_each_job_once(office: Office):
    await office.add_event(Event(43))
    sent = [(await edit(office, f"Jazz {number}"))["job_id"] for number in range(7)]
    await office.client.post("/v1/events/43/publish")
    await office.end(sent[0])
    found, url = [], "/v1/jobs?event_id=42&limit=3"
    while url:
        answer = await office.client.get(url)
        page = answer.json()
        found += [job["job_id"] for job in page["jobs"]]
        assert ('rel="next"' in answer.headers.get("Link", "")) == (page["next_cursor"] is not None)
        url = "/v1/jobs" + answer.headers["Link"].partition(">")[0][1:] if page["next_cursor"] else ""
    assert found == sent[::-1]
    done = (await office.client.get("/v1/jobs?state=succeeded")).json()["jobs"]
    assert [job["job_id"] for job in done] == sent[:1]
    cursor = (await office.client.get("/v1/jobs?limit=1")).json()["next_cursor"]
    for other in (f"/v1/jobs?state=queued&cursor={cursor}", "/v1/jobs?cursor=x", f"/v1/jobs?cursor={cursor}A"):
        assert (await office.client.get(other)).status_code == 400


async def test_who_prefers_to_wait_hears_how_it_ended(office: Office):
    async def carry_out() -> None:
        row = await eventually(lambda: office.pool.fetchrow("SELECT id::text FROM jobs"))
        await office.end(row["id"], visible_revision=2)

    began = time.monotonic()
    answer, _ = await asyncio.gather(
        office.client.patch("/v1/events/42", json={"title": "a"}, headers={"Prefer": "wait=20"}), carry_out()
    )
    assert (answer.status_code, answer.json()["status"]) == (200, "succeeded")
    assert answer.headers["Preference-Applied"] == "wait=20"
    assert "Location" not in answer.headers
    assert time.monotonic() - began < 10


async def test_who_has_waited_long_enough_is_told_how_it_stands(office: Office):
    answer = await office.client.patch("/v1/events/42", json={"title": "a"}, headers={"Prefer": "wait=1"})
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    assert answer.headers["Preference-Applied"] == "wait=1"
    path = answer.headers["Location"]
    waited = await office.client.get(path, headers={"Prefer": "wait=0"})
    assert (waited.status_code, waited.json()["status"]) == (200, "queued")
    for preference in ("wait=x", "respond-async"):
        assert "Preference-Applied" not in (await office.client.get(path, headers={"Prefer": preference})).headers


async def test_who_waits_holds_no_connection_and_no_place_for_ever(writer_database: str):
    async with open_office(writer_database, pool_size=2, writer_max_waiters=20) as office:
        await office.add_event(Event(42))
        job_id = (await edit(office))["job_id"]
        path = f"/v1/jobs/{job_id}"
        waiting = [asyncio.create_task(office.client.get(path, headers={"Prefer": "wait=30"})) for _ in range(20)]
        await eventually(lambda: metrics.WAITING.collect()[0].samples[0].value == 20)
        declined = await office.client.get(path, headers={"Prefer": "wait=30"})
        assert (declined.status_code, "Preference-Applied" in declined.headers) == (200, False)
        assert (await edit(office, "b"))["status"] == "queued"  # connections are free
        await office.end(job_id, visible_revision=2)
        answers = await asyncio.gather(*waiting)
        assert {answer.json()["status"] for answer in answers} == {"succeeded"}
        assert "Preference-Applied" in (await office.client.get(path, headers={"Prefer": "wait=3"})).headers
