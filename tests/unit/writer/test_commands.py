"""A command has one spelling, whatever was sent, and what it asks for decides whether it is the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from writer.api.commands import Command, CreateEvent, EditEvent, EditTicket, NewTicket
from writer.api.currencies import decimals, places, spelled

TICKETS = '[{"name": "a", "price": "1"}]'


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("25", "25.00"),
        ("25.5", "25.50"),
        ("0025.50", "25.50"),
        ("25.125", "25.125"),
        ("25.120", "25.12"),
        ("0", "0.00"),
    ],
)
def test_an_amount_has_one_spelling(sent, stored):
    ticket = NewTicket.model_validate_json(f'{{"name": "a", "price": "{sent}"}}')
    assert ticket.fields()["price"] == stored


@pytest.mark.parametrize(
    ("amount", "number"), [("25.00", 0), ("25.50", 1), ("25.05", 2), ("25.125", 3), ("100", 0), ("0.10", 1)]
)
def test_decimals_that_say_something_are_counted(amount, number):
    assert places(amount) == number
    assert spelled(spelled(amount)) == spelled(amount)


def test_currencies_have_their_decimals():
    assert [decimals(code) for code in ("EUR", "JPY", "KWD", None)] == [2, 0, 3, 3]


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("2026-12-01T19:00:00Z", "2026-12-01T19:00:00Z"),
        ("2026-12-01t20:00:00.999+01:00", "2026-12-01T19:00:00Z"),
        ("2026-12-31T23:30:00-01:00", "2027-01-01T00:30:00Z"),
    ],
)
def test_a_time_is_utc_in_whole_seconds(sent, stored):
    edit = EditEvent.model_validate_json(f'{{"starts_at": "{sent}"}}')
    assert edit.command(1).fields == {"starts_at": stored}


@pytest.mark.parametrize(
    "sent", ["2026-12-01", "2026-12-01T19:00:00", "2026-02-30T00:00:00Z", "9999-12-31T23:59:59-01:00", "now", ""]
)
def test_what_is_no_time_is_refused(sent):
    with pytest.raises(ValidationError):
        EditEvent.model_validate_json(f'{{"starts_at": "{sent}"}}')


def test_a_draft_unless_it_is_said_otherwise():
    plain = CreateEvent.model_validate_json(f'{{"title": "a", "tickets": {TICKETS}}}').command()
    named = CreateEvent.model_validate_json(f'{{"title": "a", "status": "draft", "tickets": {TICKETS}}}').command()
    assert plain.fields["status"] == "draft"
    assert plain.digest == named.digest


def test_what_asks_for_something_else_has_another_digest():
    commands = [
        Command("event.publish", 1),
        Command("event.publish", 2),
        Command("event.archive", 1),
        Command("ticket.edit", 1, 2, {"name": "a"}),
        Command("ticket.edit", 1, 2, {"name": "b"}),
        Command("ticket.edit", 1, 3, {"name": "a"}),
        Command("ticket.edit", 1, 3, {"name": None}),
    ]
    assert len({command.digest for command in commands}) == len(commands)


@given(st.permutations(["name", "price", "capacity", "visible"]))
def test_the_order_of_fields_says_nothing(order):
    values = {"name": '"a"', "price": '"1.00"', "capacity": "3", "visible": "false"}
    body = ",".join(f'"{name}": {values[name]}' for name in order)
    fields = EditTicket.model_validate_json(f"{{{body}}}").fields()
    assert (
        Command("ticket.edit", 1, 2, fields).digest == Command("ticket.edit", 1, 2, dict(sorted(fields.items()))).digest
    )


@given(st.text(max_size=300))
def test_any_title_is_taken_tidied_or_refused(text):
    try:
        edit = EditEvent.model_validate({"title": text})
    except ValidationError:
        return
    title = edit.command(1).fields["title"]
    assert title == text.strip()
    assert 1 <= len(title) <= 255
    assert title.encode().decode() == title
