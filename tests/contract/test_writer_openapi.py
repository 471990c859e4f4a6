"""What the writer's OpenAPI document promises, and that its answers keep to it."""

import json
import re
from typing import Any

import jsonschema
import pytest

from writer.api import shapes
from writer.api.documents import job_document
from writer.app import create_app
from writer.procedures.steps import FieldError, JobError
from writer.settings import WriterSettings

BODIES = {
    ("post", "/v1/events"): "CreateEvent",
    ("patch", "/v1/events/{event_id}"): "EditEvent",
    ("post", "/v1/events/{event_id}/tickets"): "NewTicket",
    ("patch", "/v1/events/{event_id}/tickets/{ticket_id}"): "EditTicket",
}
COMMANDS = {
    *BODIES,
    ("post", "/v1/events/{event_id}/publish"),
    ("post", "/v1/events/{event_id}/unpublish"),
    ("post", "/v1/events/{event_id}/archive"),
    ("delete", "/v1/events/{event_id}"),
    ("delete", "/v1/events/{event_id}/tickets/{ticket_id}"),
}
JOBS = {("get", "/v1/jobs"), ("get", "/v1/jobs/{job_id}"), ("delete", "/v1/jobs/{job_id}")}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    servers = {"nats_url": "nats://n", "postgres_dsn": "postgresql://p", "redis_url": "redis://r", "log_level": "error"}
    shop = {"shopify_shop": "test.myshopify.com", "shopify_access_token": "shpat_of_the_test"}
    return create_app(WriterSettings.model_validate(servers | shop)).openapi()


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(method, path): told for path, methods in document["paths"].items() for method, told in methods.items()}


def shape(document: dict[str, Any], name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}", "components": document["components"]}


def headers(operation: dict[str, Any]) -> set[str]:
    return {each["name"].title() for each in operation.get("parameters", []) if each["in"] == "header"}


def test_every_address_is_described(document):
    found = operations(document)
    assert set(found) == COMMANDS | JOBS
    assert all(operation["description"] for operation in found.values())
    assert len({operation["operationId"] for operation in found.values()}) == len(found)


def test_every_command_says_what_may_be_sent_with_it_and_what_it_is_answered(document):
    for asked in COMMANDS:
        operation = operations(document)[asked]
        assert headers(operation) == {"Idempotency-Key", "If-Match", "Prefer"}, asked
        answers = operation["responses"]
        assert set(answers) >= {"200", "202", "400", "401", "403", "412", "422", "429", "503"}, asked
        assert set(answers["202"]["headers"]) == {"Location", "Preference-Applied", "Idempotency-Replayed"}
        assert "Retry-After" in answers["429"]["headers"]
        for status in ("200", "202"):
            content = answers[status]["content"]["application/json"]["schema"]
            assert content == {"$ref": "#/components/schemas/Job"}


def test_only_a_new_capacity_meets_one_in_doubt(document):
    found = {asked for asked in COMMANDS if "409" in operations(document)[asked]["responses"]}
    assert found == {("patch", "/v1/events/{event_id}/tickets/{ticket_id}")}


def test_every_body_is_described_and_nothing_else_may_be_in_it(document):
    for asked, name in BODIES.items():
        body = operations(document)[asked]["requestBody"]
        assert body["content"]["application/json"]["schema"] == {"$ref": f"#/components/schemas/{name}"}
        assert body["required"]
        described = document["components"]["schemas"][name]
        assert described["additionalProperties"] is False
        for example in described.get("examples", []):
            jsonschema.validate(example, shape(document, name))
    assert not any("requestBody" in operations(document)[asked] for asked in (COMMANDS | JOBS) - set(BODIES))


def test_errors_are_problems(document):
    for asked, operation in operations(document).items():
        errors = {status: told for status, told in operation["responses"].items() if status >= "4"}
        assert ("422" in errors) == (asked in COMMANDS), asked
        for told in errors.values():
            assert set(told["content"]) == {"application/problem+json"}


def test_every_reference_leads_somewhere(document):
    named = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    assert named <= set(document["components"]["schemas"])
    assert not {"HTTPValidationError", "ValidationError"} & set(document["components"]["schemas"])


def test_a_job_keeps_to_its_shape(document):
    jsonschema.validate(shapes.JOB, shape(document, "Job"))
    bare = dict.fromkeys(
        ("event_id", "ticket_id", "cost", "error", "superseded_by", "visible_revision", "waits_for", "note",
         "finished_at", "dispatched_at")
    )  # fmt: skip
    row = bare | {
        "id": shapes.JOB["job_id"],
        "kind": "event.create",
        "state": "queued",
        "attempts": 0,
        "created_at": None,
    }
    row |= {"error": JobError("refused", "no", (FieldError("#/tickets/0/price", "too low", None),)).as_json()}
    rendered = job_document(row) | {"created_at": shapes.JOB["created_at"]}
    jsonschema.validate(rendered, shape(document, "Job"))
    assert set(rendered) == set(shapes.JOB)
