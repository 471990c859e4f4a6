"""A webhook is answered 200 when it is stored byte for byte, and refused with a reason otherwise."""

import asyncio
import gzip
import json
from datetime import UTC, datetime

import httpx2
import pytest
from webhooks import BODIES, SHOP, headers, product, signed, spelled

from shared.contracts import Origin, ProductChangedV1, Shape
from shared.topology import CHANGES

BODY = spelled(product(title="Ünï 🎟 العربية <b>"))


async def post(client, body=BODY, path="/webhooks/products/update", **more):
    return await client.post(path, content=body, headers=headers(body, **more))


async def metric(client: httpx2.AsyncClient, line: str) -> float:
    text = (await client.get("/metrics")).text
    return next((float(each.rpartition(" ")[2]) for each in text.splitlines() if each.startswith(line + " ")), 0.0)


async def test_a_webhook_is_stored_byte_for_byte_under_its_label(serve, changes):
    async with serve() as client:
        answer = await post(client)
    assert (answer.status_code, answer.content) == (200, b"")
    [change] = await changes.messages()
    assert isinstance(change, ProductChangedV1)
    assert change.body == BODY
    assert change.product_id == 8012345678901
    assert change.shape is Shape.WEBHOOK
    assert change.origin is Origin.WEBHOOK
    assert change.triggered_at == datetime(2026, 11, 5, 9, 11, 12, 123456, tzinfo=UTC)
    assert (change.shop, change.api_version, change.topic) == (SHOP, "2026-10", "products/update")
    assert change.id.startswith("b54557e4-bdd9-4b37-8a5f-bf7d70bcd043:")


@pytest.mark.parametrize("topic", BODIES)
async def test_every_topic_is_taken_by_path_and_by_header(serve, changes, topic):
    body = spelled(BODIES[topic])
    async with serve() as client:
        by_path = await post(client, body, f"/webhooks/{topic}", topic=topic)
        by_header = await post(client, body, "/webhooks", topic=topic, X_Shopify_Webhook_Id="another")
        by_path_alone = await post(client, body, f"/webhooks/{topic}", topic=None, X_Shopify_Webhook_Id="a third")
    assert [by_path.status_code, by_header.status_code, by_path_alone.status_code] == [200, 200, 200]
    assert [(change.topic, change.body) for change in await changes.messages()] == [(topic, body)] * 3


async def test_a_duplicate_is_answered_200_and_stored_once(serve, changes):
    async with serve() as client:
        before = await metric(client, 'understudy_webhooks_total{outcome="duplicate",topic="products/update"}')
        assert [(await post(client)).status_code for _ in range(3)] == [200, 200, 200]
        after = await metric(client, 'understudy_webhooks_total{outcome="duplicate",topic="products/update"}')
    assert len(await changes.messages()) == 1
    assert after - before == 2


@pytest.mark.parametrize("id", [2**53 + 1, 788032119674292922, 2**63 - 1])
async def test_ids_beyond_the_reach_of_javascript_keep_every_digit(serve, changes, id):  # noqa: A002
    body = spelled(product(id))
    async with serve() as client:
        assert (await post(client, body)).status_code == 200
    [change] = await changes.messages()
    assert change.product_id == id
    assert json.loads(change.body)["id"] == id


async def test_a_secret_can_be_rotated_without_a_refusal(serve, changes):
    async with serve(shopify_webhook_secrets="the new one, a client secret") as client:
        old = await post(client)
        new = await post(client, secret="the new one", X_Shopify_Webhook_Id="2")
    async with serve(shopify_webhook_secrets="the new one") as client:
        late = await post(client)
    assert (old.status_code, new.status_code, late.status_code) == (200, 200, 401)
    assert len(await changes.messages()) == 2


async def test_another_api_version_is_taken_and_counted(serve, changes):
    async with serve() as client:
        before = await metric(client, "understudy_webhook_other_versions_total")
        assert (await post(client, X_Shopify_API_Version="2026-07")).status_code == 200
        assert await metric(client, "understudy_webhook_other_versions_total") - before == 1
    assert [change.api_version for change in await changes.messages()] == ["2026-07"]


def too_deep() -> bytes:
    return b'{"id":1,"title":"","updated_at":"","variants":' + b"[" * 1000 + b"]" * 1000 + b"}"


REFUSED = [
    ("a wrong signature", 401, BODY, {"secret": "another"}),
    ("no signature", 401, BODY, {"X_Shopify_Hmac_Sha256": ""}),
    ("a changed body", 401, BODY + b" ", {"X_Shopify_Hmac_Sha256": signed(BODY)}),
    ("an unknown topic", 404, BODY, {"topic": "orders/create", "path": "/webhooks/orders/create"}),
    ("a topic that the path contradicts", 400, BODY, {"topic": "products/delete"}),
    ("no topic at all", 400, BODY, {"topic": None, "path": "/webhooks"}),
    ("a payload of another topic", 400, BODY, {"topic": "products/delete", "path": "/webhooks/products/delete"}),
    ("6 MB", 413, b'{"id":1,"a":"' + b"x" * 6_000_000 + b'"}', {}),
    ("gzip", 415, gzip.compress(BODY), {"Content_Encoding": "gzip"}),
    ("XML", 415, b"<product/>", {"Content_Type": "text/xml"}),
    ("broken JSON", 400, b'{"id": 1', {}),
    ("NaN", 400, b'{"id": NaN}', {}),
    ("an array", 400, b"[]", {}),
    ("nested deeply", 400, too_deep(), {}),
    ("an id above 2^63 - 1", 400, spelled(product(2**63)), {}),
    ("an id above 2^64", 400, spelled(product(2**64)), {}),
    ("an id of 0", 400, spelled(product(0)), {}),
    ("an id that is text", 400, spelled(product() | {"id": "1"}), {}),
    ("another shop", 400, BODY, {"X_Shopify_Shop_Domain": "other.myshopify.com"}),
]


@pytest.mark.parametrize(("status", "body", "more"), [each[1:] for each in REFUSED], ids=[each[0] for each in REFUSED])
async def test_what_is_wrong_is_refused_with_a_problem_and_not_stored(serve, changes, status, body, more):
    async with serve() as client:
        answer = await post(client, body, **more)
        good = await post(client)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["detail"]
    assert good.status_code == 200
    assert len(await changes.messages()) == 1


async def test_a_body_is_counted_when_no_header_tells_its_length(serve, changes):
    async def endless():
        while True:
            yield b"x" * 65_536

    async with serve() as client:
        answer = await client.post("/webhooks/products/update", content=endless(), headers=headers(b""))
    assert answer.status_code == 413
    assert await changes.messages() == []


async def test_a_sender_that_stalls_is_answered_408(serve, changes):
    async def stalling():
        yield BODY[:10]
        await asyncio.Event().wait()

    async with serve(webhook_body_deadline=0.05) as client:
        answer = await client.post("/webhooks/products/update", content=stalling(), headers=headers(BODY))
    assert answer.status_code == 408
    assert await changes.messages() == []


@pytest.mark.parametrize(
    ("reason", "more"),
    [
        ("wrong_secret", {"secret": "another"}),
        ("missing", {"X_Shopify_Hmac_Sha256": ""}),
        ("not_base64", {"X_Shopify_Hmac_Sha256": "?"}),
        ("body_changed", {"X_Shopify_Hmac_Sha256": signed(BODY)}),
    ],
)
async def test_a_rejected_signature_says_why_and_is_counted(serve, reason, more):
    body = json.dumps(json.loads(BODY)).encode() if reason == "body_changed" else BODY
    line = f'understudy_webhook_bad_signatures_total{{reason="{reason}"}}'
    async with serve() as client:
        before = await metric(client, line)
        assert (await post(client, body, **more)).status_code == 401
        assert await metric(client, line) - before == 1


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
@pytest.mark.parametrize("path", ["/webhooks", "/webhooks/products/update"])
async def test_other_methods_are_problems(serve, method, path):
    async with serve(connected=False) as client:
        answer = await client.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.headers["content-type"] == "application/problem+json"


async def test_openapi_shows_both_doors_and_their_refusals(serve):
    async with serve(connected=False) as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
    assert set(paths) == {"/webhooks", "/webhooks/{topic}"}
    for path in paths.values():
        assert set(path["post"]["responses"]) >= {"200", "400", "401", "404", "408", "413", "415", "503"}
        assert "X-Shopify-Hmac-Sha256" in [each["name"] for each in path["post"]["parameters"]]


@pytest.mark.usefixtures("no_changes_stream")
async def test_without_the_stream_a_webhook_is_sent_back_for_later(serve):
    async with serve() as client:
        answer = await post(client)
        ready = await client.get("/readyz")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert ready.status_code == 503
    assert CHANGES.name in ready.json()["problems"]["bus"]


@pytest.mark.usefixtures("changes")
async def test_ready_when_the_stream_is_there_and_syncs(serve):
    async with serve() as client:
        assert (await client.get("/readyz")).json() == {"ready": True, "problems": {}}
        assert await metric(client, "understudy_durability_verified") == 1


@pytest.mark.usefixtures("changes")
async def test_without_a_monitor_nothing_is_refused_but_nothing_verified(serve):
    async with serve(nats_monitor_url=None) as client:
        assert (await client.get("/readyz")).status_code == 200
        assert await metric(client, "understudy_durability_verified") == 0


async def test_secrets_and_payloads_stay_out_of_answers(serve):
    async with serve() as client:
        answers = [await post(client, body, **more) for _, _, body, more in REFUSED if len(body) < 10_000]
    for answer in answers:
        assert "a client secret" not in answer.text
        assert "Jazz" not in answer.text
