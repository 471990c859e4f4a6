"""Documents have the shapes that readers were promised, and say nothing that is not for them."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from products import Product, Variant, at, by_read, many

from syncer import changes
from syncer.documents import Edition, _money, render
from syncer.projections import Facts, Stock, project
from syncer.rules import Rules

EDITION = Edition(17, datetime(2026, 11, 22, 12, tzinfo=UTC), 9, at(5))
TICKET = [
    "id", "name", "type", "price", "compare_at_price", "status", "availability", "available", "max_per_order",
    "position",
]  # fmt: skip
EVENT = [
    "id", "handle", "title", "subtitle", "description_html", "status", "category", "tags", "organizer", "images",
    "starts_at", "ends_at", "timezone", "venue", "currency", "price_min", "price_max", "availability", "available",
    "tickets", "created_at", "updated_at", "revision",
]  # fmt: skip
ITEM = [name for name in EVENT if name not in ("description_html", "tickets", "available")]
ORGANIZERS = {"capacity", "sold", "data_complete", "synced_at"}
ORGANIZERS_OF_TICKETS = {"sku", "capacity", "capacity_source", "sold", "visible", "inventory_item_id", "locations"}

CANARY = "canary"
SECRET = Variant(
    id=77001, item=77002, title=f"{CANARY} guest list", sku=f"{CANARY}-sku", price="7777.00", quantity=7003,
    metafields={"ticket.visible": "false", "ticket.capacity": "77004", "ticket.type": CANARY},
    levels={77005: (77006, 77007, 77008)},
)  # fmt: skip
SHOWN = Variant(
    sku=f"{CANARY}-sku-2", metafields={"ticket.capacity": "88001"}, item=88002, levels={88003: (40, 88004, 88005)}
)


def event_of(product):
    seen = changes.sighting(by_read(product), Rules())
    stock = {
        item: tuple(Stock(each.location_id, each.available, each.committed, each.on_hand) for each in levels)
        for item, levels in seen.levels.items()
    }
    return project(seen.product, Facts(stock, {}, "EUR"), Rules(), complete=True)


def documents(product=None):
    return render(event_of(product or Product()), EDITION)


def read(text):
    return orjson.loads(text)


def test_an_event_has_the_promised_keys_in_their_order():
    document = read(documents().document)
    assert list(document) == EVENT
    assert list(document["tickets"][0]) == TICKET
    assert list(document["venue"]) == ["name", "address", "city", "country"]
    assert list(document["images"][0]) == ["url", "alt"]


def test_a_list_item_is_the_same_without_description_tickets_and_exact_numbers():
    document, item = read(documents().document), read(documents().item)
    assert list(item) == ITEM
    own = {"updated_at", "revision"}  # of the last change that lists show
    assert {name: item[name] for name in ITEM if name not in own} == {
        name: document[name] for name in ITEM if name not in own
    }
    assert (item["revision"], item["updated_at"]) == (9, "2026-11-05T09:00:05Z")


def test_organizers_get_what_the_public_gets_and_their_own_fields():
    made = documents()
    public, managed = read(made.document), read(made.manage_document)
    assert set(managed) - set(public) == ORGANIZERS
    assert set(managed["tickets"][0]) - set(public["tickets"][0]) == ORGANIZERS_OF_TICKETS
    assert set(read(made.manage_item)) - set(read(made.item)) == {"capacity"}
    assert list(managed["tickets"][0]["locations"][0]) == ["location_id", "available", "committed", "on_hand"]


def test_the_tickets_document_is_the_tickets_of_the_event():
    made = documents(Product(variants=many(3)))
    for tickets, event in (
        (made.tickets_document, made.document),
        (made.manage_tickets_document, made.manage_document),
    ):
        assert list(read(tickets)) == ["event_id", "tickets", "revision"]
        assert read(tickets)["tickets"] == read(event)["tickets"]
        assert read(tickets)["event_id"] == read(event)["id"]


def test_ids_are_strings_money_is_a_string_and_time_is_utc():
    document = read(
        documents(Product(id=2**63 - 1, metafields={"event.starts_at": "2026-12-01T20:00:00+01:00"})).manage_document
    )
    assert document["id"] == "9223372036854775807"
    ticket = document["tickets"][0]
    assert all(
        isinstance(each, str)
        for each in (ticket["id"], ticket["inventory_item_id"], ticket["locations"][0]["location_id"])
    )
    assert (document["price_min"], ticket["price"], document["starts_at"]) == ("25.00", "25.00", "2026-12-01T19:00:00Z")


def test_nothing_private_is_in_any_public_document():
    """Promise P10: neither of a hidden ticket nor of a shown one."""
    made = documents(Product(variants=(SECRET, SHOWN)))
    for public in (made.document, made.tickets_document, made.item):
        for private in (CANARY, "77001", "77002", "7777", "7003", "7700", "88001", "88002", "88003", "88004", "88005"):
            assert private not in public
        for key in ORGANIZERS | ORGANIZERS_OF_TICKETS:
            assert f'"{key}"' not in public
    for managed in (made.manage_document, made.manage_tickets_document):
        for private in (CANARY, "77001", "77004", "77005", "77006", "77007", "77008", "88001"):
            assert private in managed


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_any_text_arrives_as_it_was_written(text):
    text = text.replace("\x00", "")
    made = documents(Product(title=text, html=text, tags=()))
    assert (read(made.document)["title"], read(made.document)["description_html"]) == (text, text)


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        ("25", "25.00"),
        ("1E+3", "1000.00"),
        ("0", "0.00"),
        ("1.5", "1.50"),
        ("1.255", "1.255"),
        ("999999999999999.999", "999999999999999.999"),
        (None, None),
    ],
)
def test_money_has_two_decimals_and_three_where_it_needs_them(amount, shown):
    assert _money(None if amount is None else Decimal(amount)) == shown


def test_the_same_event_is_rendered_to_the_same_bytes():
    assert documents() == documents()
    event = event_of(Product())
    assert render(replace(event, title="Other"), EDITION) != documents()
