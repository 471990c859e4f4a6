"""What may be commanded: the bodies of requests, and the flat command that is stored of them. Pure."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from writer.api.currencies import spelled
from writer.api.fields import (
    MAX_TICKETS,
    Amount,
    Capacity,
    Currency,
    Handle,
    Html,
    Instant,
    PerOrder,
    Tags,
    Text,
    Zone,
)

VENUE = ("name", "address", "city", "country")
MONEY = ("price", "compare_at_price")
EMPTY: Mapping[str, Any] = {"description_html": "", "tags": []}  # what null means where Shopify knows no null


def _without_null(schema: dict[str, Any]) -> None:
    """A field that may be left out, but not be null: FastAPI's clients shall not be told otherwise."""
    schema.pop("default", None)
    schema |= next(kind for kind in schema.pop("anyOf") if kind != {"type": "null"}) | schema


@dataclass(frozen=True, slots=True)
class Command:
    """`fields` is what is stored: flat, one spelling for each value, only what was named.

    `currency` is what the client believes the shop's to be.
    """

    kind: str
    event_id: int | None = None
    ticket_id: int | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    currency: str | None = None

    @property
    def digest(self) -> bytes:
        """Equal for what asks for the same, however it was spelled."""
        asked = [self.kind, self.event_id, self.ticket_id, self.fields]
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).digest()


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    def named(self) -> dict[str, Any]:
        return self.model_dump(exclude_unset=True)


class _Edit(_Body):
    """Left out: as it was. Null: cleared, where that can be."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    @model_validator(mode="before")
    @classmethod
    def _something_given(cls, value: Any) -> Any:
        if isinstance(value, dict) and not value.keys() - {"currency"}:
            raise ValueError("names nothing to change")
        return value


class Venue(_Body):
    name: Text | None = None
    address: Text | None = None
    city: Text | None = None
    country: Text | None = None


class NewTicket(_Body):
    """A ticket that doesn't exist yet."""

    name: Text = Field(examples=["Standing"])
    price: Amount
    compare_at_price: Amount | None = Field(None, description="Shown as the price before a reduction.")
    capacity: Capacity | None = Field(None, description="How many there are; left out: not counted, never sells out.")
    type: Text | None = None
    max_per_order: PerOrder | None = None
    visible: bool | None = Field(None, json_schema_extra=_without_null, description="False: for organizers only.")
    sku: Text | None = None

    @field_validator("visible", mode="before")
    @classmethod
    def _given(cls, value: Any) -> Any:
        return _not_null(value)

    def fields(self) -> dict[str, Any]:
        return _money({name: value for name, value in self.named().items() if value is not None})


class EditTicket(_Edit):
    """Any subset of what a ticket is sold by."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "examples": [{"price": "30.00", "capacity": 250}]})

    name: Text | None = Field(None, json_schema_extra=_without_null)
    price: Amount | None = Field(None, json_schema_extra=_without_null)
    compare_at_price: Amount | None = None
    capacity: Capacity | None = Field(
        None, json_schema_extra=_without_null, description="How many there are, sold ones included."
    )
    type: Text | None = None
    max_per_order: PerOrder | None = None
    visible: bool | None = Field(None, json_schema_extra=_without_null)

    @field_validator("name", "price", "capacity", "visible", mode="before")
    @classmethod
    def _given(cls, value: Any) -> Any:
        return _not_null(value)

    def fields(self) -> dict[str, Any]:
        return _money(self.named())


class _EventFields(BaseModel):
    subtitle: Text | None = None
    description_html: Html | None = None
    category: Text | None = None
    tags: Tags | None = None
    organizer: Text | None = None
    starts_at: Instant | None = None
    ends_at: Instant | None = Field(None, description="After `starts_at`.")
    timezone: Zone | None = None
    venue: Venue | None = None
    currency: Currency | None = Field(None, json_schema_extra=_without_null)


class CreateEvent(_EventFields, _Body):
    """An event that doesn't exist yet, with its tickets."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "title": "Jazz Night",
                    "starts_at": "2026-12-01T19:00:00Z",
                    "timezone": "Europe/Berlin",
                    "venue": {"name": "Blue Hall", "city": "Berlin"},
                    "tickets": [{"name": "Standing", "price": "25.00", "capacity": 200}],
                }
            ]
        }
    )

    title: Text = Field(examples=["Jazz Night"])
    handle: Handle | None = Field(
        None, json_schema_extra=_without_null, description="Made of the title when it is left out."
    )
    status: Literal["draft", "active", "archived", "unlisted"] = "draft"
    tickets: list[NewTicket] = Field(min_length=1, max_length=MAX_TICKETS, description="At least one, each name once.")

    @field_validator("handle", "currency", mode="before")
    @classmethod
    def _given(cls, value: Any) -> Any:
        return _not_null(value)

    def command(self) -> Command:
        named = {name: value for name, value in _flat(self.named()).items() if value is not None}
        named |= {"status": self.status, "tickets": [ticket.fields() for ticket in self.tickets]}
        return Command("event.create", fields=named, currency=self.currency)


class EditEvent(_EventFields, _Edit):
    """Any subset. Of a venue, too: what it doesn't name stays."""

    model_config = ConfigDict(
        json_schema_extra={"minProperties": 1, "examples": [{"title": "Jazz Night, sold out", "subtitle": None}]}
    )

    title: Text | None = Field(None, json_schema_extra=_without_null)
    handle: Handle | None = Field(None, json_schema_extra=_without_null)

    @field_validator("title", "handle", "currency", mode="before")
    @classmethod
    def _given(cls, value: Any) -> Any:
        return _not_null(value)

    @model_validator(mode="after")
    def _something_named(self) -> Self:
        if (
            self.venue is not None
            and not self.venue.model_fields_set
            and self.model_fields_set <= {"venue", "currency"}
        ):
            raise ValueError("names nothing to change")
        return self

    def command(self, event_id: int) -> Command:
        return Command("event.edit", event_id, fields=_flat(self.named()), currency=self.currency)


def _flat(named: dict[str, Any]) -> dict[str, Any]:
    """`venue: {name}` as `venue_name`; null as Shopify knows it."""
    flat = {name: EMPTY.get(name) if value is None else value for name, value in named.items()}
    flat.pop("currency", None)
    if "venue" in flat:
        venue = flat.pop("venue")
        parts = dict.fromkeys(VENUE) if venue is None else venue
        flat |= {f"venue_{name}": value for name, value in parts.items()}
    return flat


def _money(named: dict[str, Any]) -> dict[str, Any]:
    return {name: spelled(value) if name in MONEY and value is not None else value for name, value in named.items()}


def _not_null(value: Any) -> Any:
    if value is None:
        raise ValueError("can't be null; leave it out")
    return value
