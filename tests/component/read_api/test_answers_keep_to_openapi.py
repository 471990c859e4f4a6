"""What read-api really answers, held against the document that describes it."""

import httpx2
import jsonschema
import pytest
from projected import ORGANIZER, Event, Shop

ASKED = {
    "/v1/events": "/v1/events?limit=1",
    "/v1/events/{event_id}": "/v1/events/42",
    "/v1/events/{event_id}/tickets": "/v1/events/42/tickets",
    "/v1/events/by-handle/{handle}": "/v1/events/by-handle/event-42",
    "/v1/categories": "/v1/categories",
    "/v1/status": "/v1/status",
}
ASKED |= {
    path.replace("/v1/events", "/v1/manage/events"): url.replace("/v1/events", "/v1/manage/events")
    for path, url in ASKED.items()
    if path.startswith("/v1/events")
}


@pytest.mark.parametrize("path", ASKED)
async def test_an_answer_has_the_shape_that_is_promised(path: str, api: httpx2.AsyncClient, shop: Shop):
    await shop.save(Event(42), Event(43, starts_at=None, category=None, city=None))
    document = (await api.get("/openapi.json")).json()
    promised = document["paths"][path]["get"]["responses"]
    answer = await api.get(ASKED[path], headers=ORGANIZER)
    assert answer.status_code == 200
    schema = promised["200"]["content"]["application/json"]["schema"]
    jsonschema.validate(answer.json(), schema | {"components": document["components"]})
    assert all(name in answer.headers for name in promised["200"].get("headers", {}))
    refused = await api.get(f"{ASKED[path].split('?')[0]}?unknown=1", headers=ORGANIZER)
    problem = promised["400"]["content"]["application/problem+json"]["schema"]
    jsonschema.validate(refused.json(), problem | {"components": document["components"]})


async def test_the_documentation_is_served(api: httpx2.AsyncClient):
    answer = await api.get("/docs")
    assert answer.status_code == 200
    assert "/openapi.json" in answer.text
