"""What read-api's OpenAPI document promises, and that nothing else is true of it."""

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import jsonschema
import pytest

from read_api import shapes
from read_api.app import create_app
from read_api.parameters import ListParameters, ManageListParameters
from read_api.settings import ReadApiSettings
from syncer.documents import Edition, render
from syncer.projections import Event, Stock, Ticket
from syncer.source import Image

PUBLIC = {
    "/v1/events",
    "/v1/events/{event_id}",
    "/v1/events/{event_id}/tickets",
    "/v1/events/by-handle/{handle}",
    "/v1/categories",
    "/v1/status",
}
LIVE = "/v1/changes"  # anyone may listen; with a token of the scope, drafts are told, too
MANAGED = {path.replace("/v1/events", "/v1/manage/events") for path in PUBLIC if path.startswith("/v1/events")}

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
BARE_TICKET = Ticket(
    id=2**60, name="Standing", type=None, sku=None, price=Decimal(0), compare_at_price=None, capacity=None,
    capacity_source=None, observed_capacity=None, sold=None, available=None, max_per_order=None, visible=True,
    status="on_sale", availability="available", position=1, inventory_item_id=None, locations=(),
)  # fmt: skip
BARE = Event(
    id=2**60, handle="h", title="t", subtitle=None, description_html="", status="draft", category=None, tags=(),
    organizer=None, images=(), starts_at=None, ends_at=None, timezone=None, venue_name=None, venue_address=None,
    venue_city=None, venue_country=None, currency=None, price_min=None, price_max=None, capacity=None, sold=None,
    available=None, available_to_buyers=None, availability="sold_out", tickets=(BARE_TICKET,), created_at=None,
    updated_at=NOON, data_complete=False,
)  # fmt: skip
FULL = replace(
    BARE, subtitle="s", category="music", tags=("jazz",), organizer="o", images=(Image(url="https://i/j", alt="a"),),
    starts_at=NOON, ends_at=NOON, timezone="Europe/Berlin", venue_name="n", venue_address="a", venue_city="c",
    venue_country="DE", currency="KWD", price_min=Decimal("25.125"), price_max=Decimal(60), capacity=9, sold=4,
    available=5, available_to_buyers=5, availability="few_left", created_at=NOON, data_complete=True,
    tickets=(
        replace(
            BARE_TICKET, type="t", sku="s", compare_at_price=Decimal("30.00"), capacity=9, capacity_source="observed",
            sold=4, available=5, max_per_order=2, visible=False, status="hidden", inventory_item_id=7,
            locations=(Stock(1, 5, None, 6),),
        ),
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    servers = {"nats_url": "nats://n", "postgres_dsn": "postgresql://p", "redis_url": "redis://r", "log_level": "error"}
    return create_app(ReadApiSettings.model_validate(servers)).openapi()


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {path: methods["get"] for path, methods in document["paths"].items()}


def parameters(operation: dict[str, Any], place: str) -> set[str]:
    return {parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == place}


def schema_of(document: dict[str, Any], name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}", "components": document["components"]}


def test_every_address_is_described_and_only_read(document):
    assert set(document["paths"]) == PUBLIC | MANAGED | {LIVE}
    assert {method for methods in document["paths"].values() for method in methods} == {"get"}


def test_every_operation_says_what_it_does_and_has_a_name_of_its_own(document):
    found = operations(document).values()
    assert all(operation["description"] for operation in found)
    assert len({operation["operationId"] for operation in found}) == len(PUBLIC | MANAGED | {LIVE})


def test_only_organizers_addresses_need_a_token_of_the_scope_that_reads(document):
    for path, operation in operations(document).items():
        scopes = [scope for requirement in operation.get("security", []) for scope in requirement.values()]
        assert scopes == ([["events:read"]] if path in MANAGED else [[]] if path == LIVE else []), path


def test_the_parameters_are_those_that_are_taken(document):
    found = operations(document)
    assert parameters(found["/v1/events"], "query") == set(ListParameters.model_fields)
    assert parameters(found["/v1/manage/events"], "query") == set(ManageListParameters.model_fields)
    for path in (PUBLIC | MANAGED) - {"/v1/events", "/v1/manage/events"}:
        assert parameters(found[path], "query") == (set() if path == "/v1/status" else {"min_revision"})
    assert parameters(found[LIVE], "query") == {"tags", "jobs", "last_event_id"}


def test_every_answer_that_has_a_revision_says_how_to_ask_again(document):
    for path, operation in operations(document).items():
        if path in {"/v1/status", LIVE}:
            continue
        assert {"If-None-Match", "X-Min-Revision"} <= {name.title() for name in parameters(operation, "header")}
        assert set(operation["responses"]["200"]["headers"]) >= {"ETag", "X-Revision", "Cache-Status", "Server-Timing"}
        assert "304" in operation["responses"]


def test_errors_are_problems(document):
    for operation in operations(document).values():
        errors = {status: told for status, told in operation["responses"].items() if status >= "4"}
        assert {"400", "503"} <= set(errors)
        assert "422" not in errors
        for told in errors.values():
            assert set(told["content"]) == {"application/problem+json"}


@pytest.mark.parametrize(
    ("name", "example"),
    [
        ("Item", shapes.ITEM),
        ("Event", shapes.EVENT),
        ("ManageItem", shapes.MANAGE_ITEM),
        ("ManageEvent", shapes.MANAGE_EVENT),
        ("Page", {"events": [shapes.ITEM], "next_cursor": None}),
        ("Tickets", {"event_id": "1", "tickets": [shapes.TICKET], "revision": 1}),
    ],
)
def test_the_examples_keep_to_their_shapes(document, name, example):
    jsonschema.validate(example, schema_of(document, name))
    assert set(example) == set(document["components"]["schemas"][name]["properties"])


@pytest.mark.parametrize("event", [BARE, FULL], ids=["bare", "full"])
def test_what_the_syncer_renders_has_the_shape_that_is_promised(document, event):
    rendered = asdict(render(event, Edition(3, NOON, 2, NOON)))
    shapes_of = {
        "document": "Event", "tickets_document": "Tickets", "item": "Item", "manage_document": "ManageEvent",
        "manage_tickets_document": "ManageTickets", "manage_item": "ManageItem",
    }  # fmt: skip
    assert set(rendered) == set(shapes_of)
    for column, name in shapes_of.items():
        jsonschema.validate(json.loads(rendered[column]), schema_of(document, name))


def test_no_public_shape_has_a_private_field(document):
    private = {"sold", "synced_at", "sku", "inventory_item_id", "locations", "visible", "capacity", "data_complete"}
    for name in ("Item", "Event", "Ticket", "Tickets", "Page", "Categories"):
        assert not private & set(document["components"]["schemas"][name]["properties"])
