"""Sent again is sent once: Idempotency-Key. Nobody's work is overwritten unseen: If-Match."""

import asyncio

import pytest
from commanding import COLLEAGUE, EVENT, NEW_EVENT, Office, bearer, open_office
from projected import Event

TITLE = {"title": "Jazz"}


def key(text: str = "k-1") -> dict[str, str]:
    return {"Idempotency-Key": text}


async def test_a_thousand_times_at_once_is_one_job(office: Office, writer_database: str):
    """Over two replicas."""
    async with open_office(writer_database) as other:
        clients = [office.client, other.client]
        answers = await asyncio.gather(
            *(clients[n % 2].post("/v1/events", json=NEW_EVENT, headers=key()) for n in range(1000))
        )
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["job_id"] for answer in answers}) == 1
    assert sum("Idempotency-Replayed" not in answer.headers for answer in answers) == 1
    assert await office.jobs() == 1


async def test_the_same_command_however_it_is_spelled_is_the_same_job(office: Office):
    first = await office.client.patch("/v1/events/42/tickets/420", json={"price": "30", "visible": True}, headers=key())
    again = await office.client.patch(
        "/v1/events/42/tickets/420", json={"visible": True, "price": "30.00"}, headers=key()
    )
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (202, "true")
    assert again.json()["job_id"] == first.json()["job_id"]
    await office.end(first.json()["job_id"])
    ended = await office.client.patch("/v1/events/42/tickets/420", json={"price": "30", "visible": True}, headers=key())
    assert (ended.status_code, ended.json()["status"]) == (200, "succeeded")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/v1/events/42", {"title": "Blues"}),
        ("POST", "/v1/events/42/publish", None),
        ("PATCH", "/v1/events/43", TITLE),
    ],
)
async def test_another_command_under_the_same_key_is_422(office: Office, method, path, body):
    await office.add_event(Event(43))
    assert (await office.client.patch("/v1/events/42", json=TITLE, headers=key())).status_code == 202
    other = await office.client.request(method, path, json=body, headers=key())
    assert other.status_code == 422
    assert other.json()["errors"][0]["header"] == "Idempotency-Key"
    assert await office.jobs() == 1


async def test_keys_are_each_clients_own(office: Office):
    for headers in (key(), key() | bearer(COLLEAGUE), key("k-2")):
        answer = await office.client.patch("/v1/events/42", json=TITLE, headers=headers)
        assert (answer.status_code, "Idempotency-Replayed" in answer.headers) == (202, False)
    assert await office.jobs() == 3


@pytest.mark.parametrize("text", ["", " ", "a" * 256, "caf\u00e9", "a\tb"])
async def test_a_key_that_is_none_is_400(office: Office, text: str):
    answer = await office.client.patch("/v1/events/42", json=TITLE, headers={"Idempotency-Key": text.encode("latin-1")})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["header"] == "Idempotency-Key"


async def test_a_refused_command_leaves_its_key_free(office: Office):
    assert (await office.client.patch("/v1/events/7", json=TITLE, headers=key())).status_code == 422
    assert (await office.client.patch("/v1/events/42", json=TITLE, headers=key())).status_code == 202


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ('"2-3f2a9c01b7de"', 202),
        ('"1-a", "2-3f2a9c01b7de-gzip"', 202),
        ("*", 202),
        ('"1-3f2a9c01b7de"', 412),
        ('W/"2-3f2a9c01b7de"', 412),
        ('"other"', 412),
        ("2", 400),
    ],
)
async def test_if_match_holds_while_the_revision_is_the_one_that_was_read(office: Office, condition, status):
    await office.add_event(Event(EVENT, title="Blues"))  # its second revision
    answer = await office.client.patch("/v1/events/42", json=TITLE, headers={"If-Match": condition})
    assert answer.status_code == status
    if status == 412:
        assert (answer.json()["revision"], answer.json()["jobs"]) == (2, [])


async def test_what_was_accepted_and_is_not_visible_yet_has_moved_the_event_on(office: Office):
    async def edit() -> tuple[int, list[str]]:
        answer = await office.client.patch("/v1/events/42", json=TITLE, headers={"If-Match": '"1-a"'})
        return answer.status_code, answer.json().get("jobs", [])

    job = (await office.client.patch("/v1/events/42/tickets/420", json={"price": "1"})).json()["job_id"]
    assert await edit() == (412, [job])
    await office.end(job, observation={"seen": "answered"})
    assert await edit() == (412, [job])
    await office.end(job, visible_revision=2)
    assert (await edit())[0] == 202


@pytest.mark.parametrize(
    ("observed", "finished", "status"),
    [("30 s", "30 s", 412), ("70 s", "75 s", 202), (None, "70 s", 412), (None, "11 min", 202)],
)
async def test_what_never_becomes_visible_does_not_hold_up_its_event_for_ever(
    office: Office, observed, finished, status
):
    """Said a minute ago, it stands in a revision by now, or no revision is ever called its own."""
    job = (await office.client.patch("/v1/events/42/tickets/420", json={"name": "Seated"})).json()["job_id"]
    await office.end(job, observation={"what": "whole", "product_id": EVENT})
    ago = "UPDATE jobs SET finished_at = now() - $1::text::interval, observed_at = now() - $2::text::interval"
    await office.pool.execute(ago, finished, observed)
    answer = await office.client.patch("/v1/events/42", json=TITLE, headers={"If-Match": '"1-a"'})
    assert answer.status_code == status
    foreseen = await office.client.post("/v1/events/42/tickets", json={"name": "Seated", "price": "1"})
    assert foreseen.status_code == (422 if status == 412 else 202)


async def test_who_sends_again_is_answered_whatever_became_of_the_revision(office: Office):
    headers = key() | {"If-Match": '"1-a"'}
    assert (await office.client.patch("/v1/events/42", json=TITLE, headers=headers)).status_code == 202
    again = await office.client.patch("/v1/events/42", json=TITLE, headers=headers)
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (202, "true")


async def test_a_new_event_has_no_revision_to_match(office: Office):
    answer = await office.client.post("/v1/events", json=NEW_EVENT, headers={"If-Match": "*"})
    assert answer.status_code == 412
