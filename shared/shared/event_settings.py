"""What the environment says about events: which products they are, and where Shopify keeps their other fields."""

import re
from typing import Annotated

from pydantic import BeforeValidator, Field, field_validator
from pydantic_settings import NoDecode

from shared.metafields import EVENT_FIELDS, TICKET_FIELDS, Metafields, event_defaults, ticket_defaults
from shared.settings import Settings

METAFIELD = re.compile(r"[\w-]+\.[\w-]+")


def split(value: object) -> object:
    """Words separated by commas."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Words = Annotated[frozenset[str], NoDecode, BeforeValidator(split)]


def _checked(mapping: dict[str, str], fields: tuple[str, ...]) -> dict[str, str]:
    """A misspelt field would be ignored in silence, and a name without a namespace never be found."""
    if unknown := mapping.keys() - set(fields):
        raise ValueError(f"there is no field {', '.join(sorted(unknown))}; there are {', '.join(fields)}")
    if odd := [name for name in mapping.values() if not METAFIELD.fullmatch(name)]:
        raise ValueError(f"a metafield is named namespace.key, not {', '.join(odd)}")
    return mapping


class EventSettings(Settings):
    """The syncer reads by these, and the writer writes by them: give both the same."""

    event_product_types: Words = Field(frozenset(), description="Product types that are events; none named: all.")
    event_tags: Words = Field(frozenset(), description="Product tags that make an event; none named: all are.")
    event_metafields: dict[str, str] = Field({}, description='Event fields from elsewhere: {"subtitle": "custom.sub"}.')
    ticket_metafields: dict[str, str] = Field({}, description='Ticket fields from elsewhere: {"capacity": "a.b"}.')

    @field_validator("event_metafields")
    @classmethod
    def _event_fields(cls, mapping: dict[str, str]) -> dict[str, str]:
        return _checked(mapping, EVENT_FIELDS)

    @field_validator("ticket_metafields")
    @classmethod
    def _ticket_fields(cls, mapping: dict[str, str]) -> dict[str, str]:
        return _checked(mapping, TICKET_FIELDS)

    def metafields(self) -> Metafields:
        return Metafields(
            event=event_defaults() | self.event_metafields, ticket=ticket_defaults() | self.ticket_metafields
        )
