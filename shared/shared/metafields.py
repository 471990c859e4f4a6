"""Where Shopify keeps what it has no column for: a field of ours <-> a metafield, and its type. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

LINE, TIME, WHOLE, TRUTH = "single_line_text_field", "date_time", "number_integer", "boolean"

# Shopify's type of each field. The names are ours, and the keys of the default mapping.
EVENT_TYPES: Mapping[str, str] = {
    "subtitle": LINE,
    "starts_at": TIME,
    "ends_at": TIME,
    "timezone": LINE,
    "venue_name": LINE,
    "venue_address": LINE,
    "venue_city": LINE,
    "venue_country": LINE,
    "organizer": LINE,
    "category": LINE,
}
TICKET_TYPES: Mapping[str, str] = {"capacity": WHOLE, "type": LINE, "max_per_order": WHOLE, "visible": TRUTH}
EVENT_FIELDS, TICKET_FIELDS = tuple(EVENT_TYPES), tuple(TICKET_TYPES)

# Which job made a product or a variant: how a lost answer to a creation is told from a creation that never was.
JOB_NAMESPACE, JOB_KEY = "understudy", "job"


def event_defaults() -> dict[str, str]:
    """Field of an event -> "namespace.key", where the settings say nothing else."""
    return {name: f"event.{name}" for name in EVENT_FIELDS}


def ticket_defaults() -> dict[str, str]:
    """Field of a ticket -> "namespace.key", where the settings say nothing else."""
    return {name: f"ticket.{name}" for name in TICKET_FIELDS}


@dataclass(frozen=True)
class Metafields:
    """Both mappings, each from a field of ours to "namespace.key"."""

    event: Mapping[str, str] = field(default_factory=event_defaults)
    ticket: Mapping[str, str] = field(default_factory=ticket_defaults)

    def of_event(self, name: str) -> "Metafield":
        return _metafield(self.event[name], EVENT_TYPES[name])

    def of_ticket(self, name: str) -> "Metafield":
        return _metafield(self.ticket[name], TICKET_TYPES[name])


@dataclass(frozen=True, slots=True)
class Metafield:
    """A metafield's name and Shopify's type of it."""

    namespace: str
    key: str
    type: str

    def text(self, value: Any) -> str:
        """As Shopify wants it written: `true`, `10`, RFC 3339."""
        return str(value).lower() if isinstance(value, bool) else str(value)

    def as_input(self, value: Any) -> dict[str, str]:
        """Of GraphQL's MetafieldInput, for a value that isn't null."""
        return {"namespace": self.namespace, "key": self.key, "type": self.type, "value": self.text(value)}

    def named(self, owner: str) -> dict[str, str]:
        """Of GraphQL's MetafieldIdentifierInput; `owner` is a global id."""
        return {"ownerId": owner, "namespace": self.namespace, "key": self.key}

    def says(self, stored: str | None, value: Any) -> bool:
        """Whether what Shopify stores is that value: it writes times in its own way. None: there is no metafield."""
        if stored is None or value is None:
            return stored is value
        if self.type == TIME:
            return _time(stored) == _time(str(value))
        return stored == self.text(value)


def _metafield(name: str, type_: str) -> Metafield:
    namespace, _, key = name.partition(".")
    return Metafield(namespace, key, type_)


def _time(text: str) -> datetime | None:
    """None when it can't be read; without an offset it is UTC, as Shopify has it."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
