"""Nobody takes what belongs to all: rates, open jobs, and what happens while PostgreSQL or the budget is away."""

import socket

from commanding import ADMIN, AUDITOR, COLLEAGUE, NEW_EVENT, ORGANIZER, VISITOR, Office, bearer, open_office
from projected import Event
from waiting import eventually

PUBLISH = "/v1/events/42/publish"
FULL = {"writer_client_open": 3, "writer_max_open": 5}


async def test_a_client_that_is_too_fast_is_told_when_to_come_again(writer_database: str):
    async with open_office(writer_database, writer_client_rate=0.01, writer_client_burst=3) as office:
        await office.add_event(Event(42))
        answers = [await office.client.post(PUBLISH, headers={"Idempotency-Key": str(n)}) for n in range(4)]
        assert [answer.status_code for answer in answers] == [202, 202, 202, 429]
        assert int(answers[3].headers["Retry-After"]) > 50
        again = await office.client.post(PUBLISH, headers={"Idempotency-Key": "1"})
        assert (again.status_code, again.headers["Idempotency-Replayed"]) == (202, "true")
        assert (await office.client.post(PUBLISH, headers=bearer(COLLEAGUE))).status_code == 202


async def test_a_queue_that_is_full_takes_no_more_until_it_has_room(writer_database: str):
    async with open_office(writer_database, **FULL) as office:
        await office.add_event(Event(42))
        sent = [await office.client.post(PUBLISH) for _ in range(4)]
        assert [answer.status_code for answer in sent] == [202, 202, 202, 429]
        for expected in (202, 202, 503):
            answer = await office.client.post(PUBLISH, headers=bearer(COLLEAGUE))
            assert answer.status_code == expected, answer.text
        assert int(answer.headers["Retry-After"]) >= 1
        await office.end(sent[0].json()["job_id"])
        assert await eventually(lambda: _accepted(office))


async def _accepted(office: Office) -> bool:
    return (await office.client.post(PUBLISH)).status_code == 202


async def test_an_estimate_says_that_nothing_is_sent_to_shopify(office: Office):
    before = (await office.client.post(PUBLISH)).json()["eta_seconds"]
    await office.pool.execute("UPDATE dispatcher SET breaker_until = clock_timestamp() + interval '60 s'")
    job = (await office.client.post(PUBLISH)).json()
    assert job["eta_seconds"] > 60 > before
    await office.pool.execute("UPDATE dispatcher SET breaker_until = '-infinity'")
    await office.pool.execute(
        "UPDATE jobs SET due_at = clock_timestamp() + interval '40 s' WHERE id <> $1", job["job_id"]
    )
    parked = (await office.client.get(f"/v1/jobs/{job['job_id']}")).json()["eta_seconds"]
    assert 40 < parked < 60


async def test_a_budget_that_says_nothing_keeps_nobody_waiting(office: Office):
    office.levels.append(None)
    answer = await office.client.post(PUBLISH)
    assert answer.status_code == 202
    assert answer.json()["eta_seconds"] > 0


async def test_deep_in_the_queue_a_place_is_estimated(office: Office):
    await office.pool.execute(
        "INSERT INTO jobs (id, kind, event_id, command, owner)"
        " SELECT gen_random_uuid(), 'event.publish', 42 + n, '{}', 'someone' FROM generate_series(1, 5000) AS n"
    )
    await office.client.get("/v1/jobs")
    answer = (await office.client.post(PUBLISH)).json()
    assert 4500 < answer["position"] < 5500
    assert answer["eta_seconds"] > 5000 * 10 / 100


async def test_without_postgresql_commands_are_503_and_say_when_to_come_again():
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        dsn = f"postgresql://a:b@127.0.0.1:{nobody.getsockname()[1]}/c"
        async with open_office(dsn, eager=False) as office:
            for method, path in [("POST", "/v1/events"), ("GET", "/v1/jobs")]:
                answer = await office.client.request(method, path, json=NEW_EVENT)
                assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)


ROUTES = [
    ("POST", "/v1/events", {"events:write"}),
    ("PATCH", "/v1/events/42", {"events:write"}),
    ("POST", "/v1/events/42/publish", {"events:write"}),
    ("POST", "/v1/events/42/unpublish", {"events:write"}),
    ("POST", "/v1/events/42/archive", {"events:write"}),
    ("DELETE", "/v1/events/42", {"events:write"}),
    ("POST", "/v1/events/42/tickets", {"events:write"}),
    ("PATCH", "/v1/events/42/tickets/420", {"events:write"}),
    ("DELETE", "/v1/events/42/tickets/420", {"events:write"}),
    ("GET", "/v1/jobs", {"events:write", "jobs:read"}),
    ("GET", "/v1/jobs/0", {"events:write", "jobs:read"}),
    ("DELETE", "/v1/jobs/0", {"events:write"}),
]
TOKENS = {ORGANIZER: {"events:write"}, AUDITOR: {"jobs:read"}, VISITOR: {"events:read"}, ADMIN: {"admin"}}


async def test_every_address_is_open_to_its_scopes_and_to_no_other(office: Office):
    """The token is judged first: what follows may be nonsense."""
    for method, path, scopes in ROUTES:
        for token, has in TOKENS.items():
            answer = await office.client.request(method, f"{path}?nonsense=1", headers=bearer(token), content=b"{")
            may = bool(has & (scopes | {"admin"}))
            assert answer.status_code == (400 if may else 403), (method, path, has, answer.text)
            assert may or "insufficient_scope" in answer.headers["WWW-Authenticate"]
        for wrong in ({"Authorization": ""}, bearer("us_organizer_wrong"), {"Authorization": "Basic eDp5"}):
            answer = await office.client.request(method, path, headers=wrong, content=b"{")
            assert answer.status_code == 401, (method, path, wrong)
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
            assert answer.headers["Cache-Control"] == "no-store"


async def test_the_addresses_are_those_of_the_openapi_document(office: Office):
    described = office.app.openapi()["paths"]
    named = {
        (m, p.replace("420", "{ticket_id}").replace("42", "{event_id}").replace("/0", "/{job_id}"))
        for m, p, _ in ROUTES
    }
    assert named == {(method.upper(), path) for path, methods in described.items() for method in methods}
    for path, methods in described.items():
        for method, operation in methods.items():
            scopes = {scope for one in operation["security"] for scope in one["HTTPBearer"]}
            concrete = path.replace("{event_id}", "42").replace("{ticket_id}", "420").replace("{job_id}", "0")
            assert scopes == next(s for m, p, s in ROUTES if (m, p) == (method.upper(), concrete))
