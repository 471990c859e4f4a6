"""What a procedure is shown, and what it may ask for next: shapes only. Pure.

Progress (the job, its writes and their outcomes, what was read since)  ->  next_step  ->  Step
Step = Read | Write | Succeeded | Failed | InDoubt
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from shared.errors import Permanent
from shared.metafields import Metafields
from shared.shopify.errors import UserError

MOST_WRITES = 20  # of one job; more of them without an end is nothing that time will heal


class Retry(StrEnum):
    """What may be done about a mutation of which nobody knows whether it took effect."""

    KEYED = "keyed"  # sent again with its key: Shopify carries it out once (within 24 h)
    NATURAL = "natural"  # sent again: the same value set twice is set once
    COMPARE_AND_SET = "compare_and_set"  # sent again with its key; refused when what it compares with has changed
    UNSAFE = "unsafe"  # read back first


# --- steps that go on ---


@dataclass(frozen=True, slots=True)
class Read:
    """A query. What it finds is forgotten when the process dies, and with the next write."""

    document: str
    variables: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Write:
    """A mutation: its intent is committed before it is sent, its outcome after."""

    document: str
    variables: Mapping[str, Any]
    retry: Retry


# --- what was seen of an event, to be observed ---


@dataclass(frozen=True, slots=True)
class Answered:
    """A Product as an answer gave it: what it leaves out was not said. It holds all that Shopify had by `seen_at`."""

    node: Mapping[str, Any]
    seen_at: datetime  # aware UTC, our clock: right before the mutation left

    def as_json(self) -> dict[str, Any]:
        return {"what": "answered", "node": dict(self.node), "seen_at": self.seen_at.isoformat()}


@dataclass(frozen=True, slots=True)
class Whole:
    """More changed than was answered: read the product, whole."""

    product_id: int

    def as_json(self) -> dict[str, Any]:
        return {"what": "whole", "product_id": self.product_id}


@dataclass(frozen=True, slots=True)
class Gone:
    """Shopify has no such product any more."""

    product_id: int

    def as_json(self) -> dict[str, Any]:
        return {"what": "gone", "product_id": self.product_id}


Observation = Answered | Whole | Gone


def observation_from_json(body: Mapping[str, Any]) -> Observation:
    """What `as_json` gave. Raises `Permanent` for anything else."""
    match body:
        case {"what": "answered", "node": dict(node), "seen_at": str(seen_at)}:
            return Answered(node, datetime.fromisoformat(seen_at))
        case {"what": "whole", "product_id": int(product_id)}:
            return Whole(product_id)
        case {"what": "gone", "product_id": int(product_id)}:
            return Gone(product_id)
    raise Permanent(f"no observation looks like this: {sorted(body)}")


# --- steps that end ---


@dataclass(frozen=True, slots=True)
class FieldError:
    """`pointer` into the command ("#/tickets/0/price"; "#" is all of it), and Shopify's own message and code."""

    pointer: str
    message: str
    code: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {"pointer": self.pointer, "message": self.message, "code": self.code}


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job failed: `code` for programs, `message` for people, `errors` by field of the command."""

    code: str
    message: str
    errors: tuple[FieldError, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {"code": self.code, "message": self.message, "errors": [error.as_json() for error in self.errors]}


@dataclass(frozen=True, slots=True)
class Succeeded:
    """All of it took effect, once."""

    event_id: int | None
    ticket_id: int | None
    observation: Observation


@dataclass(frozen=True, slots=True)
class Failed:
    """It didn't take effect, or, where the message says so, only a part: then what there is to see is observed.

    `clean`: nothing of it took effect, for certain, though a call of it may have had no answer. So what was merged into
    it may be tried one by one. False says nothing.
    """

    error: JobError
    event_id: int | None = None  # of an event that exists although its creation failed half-way
    observation: Observation | None = None
    clean: bool = False


@dataclass(frozen=True, slots=True)
class InDoubt:
    """It can't be known whether it took effect; the reason says what an operator has to look at."""

    reason: str


Step = Read | Write | Succeeded | Failed | InDoubt


# --- what a procedure is shown ---


@dataclass(frozen=True, slots=True)
class Done:
    """`data` as GraphQL gave it, without userErrors."""

    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Refused:
    """Understood, and not done. Of several root fields the others may have been done."""

    errors: tuple[UserError, ...]


@dataclass(frozen=True, slots=True)
class Unknown:
    """No answer, and the horizon has passed: it took effect or never will."""


Outcome = Done | Refused | Unknown


@dataclass(frozen=True, slots=True)
class Written:
    """A mutation that was sent, or may have been. `sent_at` is our clock, aware UTC."""

    number: int
    document: str
    variables: Mapping[str, Any]
    outcome: Outcome
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What a `Read` of `document` found."""

    document: str
    data: Mapping[str, Any]


Kind = Literal[
    "event.create",
    "event.edit",
    "event.publish",
    "event.unpublish",
    "event.archive",
    "event.delete",
    "ticket.create",
    "ticket.edit",
    "ticket.delete",
]


@dataclass(frozen=True, slots=True)
class Commanded:
    """`command` is merged, validated, in our own words; the venue is flat (`venue_name`, …), null clears."""

    id: str
    kind: str
    event_id: int | None
    ticket_id: int | None
    command: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Progress:
    """A job, all that was written for it (oldest first), and all that was read since the last write.

    `most_writes` bounds it; whoever has an operator's word to go on with a job may raise it.
    """

    job: Commanded
    writes: tuple[Written, ...]
    reads: tuple[ReadBack, ...]
    now: datetime  # aware UTC
    most_writes: int = MOST_WRITES

    @property
    def last(self) -> Written | None:
        return self.writes[-1] if self.writes else None

    @property
    def is_exhausted(self) -> bool:
        """Nothing more may be sent for it."""
        return len(self.writes) >= self.most_writes

    def seen(self, document: str) -> Mapping[str, Any] | None:
        """What the newest read of that document found since the last write; None when it wasn't read."""
        found = (read.data for read in reversed(self.reads) if read.document == document)
        return next(found, None)


@dataclass(frozen=True, slots=True)
class Shop:
    """What is known of the shop. Ids are Shopify's own numbers; `location_id` is where new stock is put.

    Where not every product is an event: `event_tags` make one, else `event_type` does.
    """

    location_id: int
    publication_ids: tuple[int, ...]
    currency: str
    metafields: Metafields
    event_type: str | None = None
    event_tags: tuple[str, ...] = ()
