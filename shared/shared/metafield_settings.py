"""What the environment says about where Shopify keeps the fields that it has no column for."""

import re

from pydantic import Field, field_validator

from shared.metafields import EVENT_FIELDS, TICKET_FIELDS, Metafields, event_defaults, ticket_defaults
from shared.settings import Settings

METAFIELD = re.compile(r"[\w-]+\.[\w-]+")


def _checked(mapping: dict[str, str], fields: tuple[str, ...]) -> dict[str, str]:
    """A misspelt field would be ignored in silence, and a name without a namespace never be found."""
    if unknown := mapping.keys() - set(fields):
        raise ValueError(f"there is no field {', '.join(sorted(unknown))}; there are {', '.join(fields)}")
    if odd := [name for name in mapping.values() if not METAFIELD.fullmatch(name)]:
        raise ValueError(f"a metafield is named namespace.key, not {', '.join(odd)}")
    return mapping


class MetafieldSettings(Settings):
    """The syncer reads by these, and the writer writes by them: give both the same."""

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
