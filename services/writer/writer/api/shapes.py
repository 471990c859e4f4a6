"""The shapes of the writer's answers, for OpenAPI. They describe; `documents.py` renders."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Digits = Annotated[str, Field(pattern=r"^[1-9][0-9]*$", description="Digits; JavaScript numbers would lose some.")]
JobId = Annotated[str, Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
Kind = Literal[
    "event.create", "event.edit", "event.publish", "event.unpublish", "event.archive", "event.delete",
    "ticket.create", "ticket.edit", "ticket.delete",
]  # fmt: skip
State = Literal["queued", "dispatching", "succeeded", "failed", "in_doubt", "cancelled", "superseded"]

JOB: dict[str, Any] = {
    "job_id": "019923d4-5b7a-7c10-8a3e-0f52f0a1b2c3", "kind": "event.edit", "event_id": "8012345678901",
    "ticket_id": None, "status": "queued", "position": 3, "eta_seconds": 4.4, "attempts": 0, "cost": None,
    "error": None, "superseded_by": None, "visible_revision": None, "created_at": "2026-11-02T09:30:00.000Z",
    "dispatched_at": None, "finished_at": None,
}  # fmt: skip


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FieldError(_Shape):
    pointer: str = Field(description="Into the command: a JSON pointer, as in #/tickets/0/price; # is all of it.")
    message: str = Field(description="Shopify's words.")
    code: str | None = Field(description="Shopify's own.")


class JobError(_Shape):
    code: str
    message: str
    errors: list[FieldError]


class Job(_Shape):
    """A command and what became of it."""

    model_config = ConfigDict(json_schema_extra={"examples": [JOB]})

    job_id: JobId
    kind: Kind
    event_id: Digits | None = Field(description="Of a create: null until Shopify has named the event.")
    ticket_id: Digits | None
    status: State
    position: int | None = Field(
        description="In the queue: 1 is the next. Null when it is not queued, and in lists, as `eta_seconds` is."
    )
    eta_seconds: float | None = Field(description="Until it has taken effect, about; by Shopify's points as they are.")
    attempts: int = Field(description="Requests that left for Shopify, or may have left.")
    cost: float | None = Field(description="Points that Shopify has charged.")
    error: JobError | None
    superseded_by: JobId | None = Field(description="The later job whose call carries what this one asked for.")
    visible_revision: int | None = Field(
        description="Readers see its effect from this revision of the event on; send it as `X-Min-Revision`."
    )
    created_at: datetime
    dispatched_at: datetime | None
    finished_at: datetime | None
    waits_for: Literal["unknown_outcome", "shopify"] | None = Field(
        None,
        description="Why it does not go on: a request had no answer, and its event is parked until nothing of it can"
        " take effect any more; or Shopify could not be asked. Left out while nothing holds it up but its turn.",
    )
    note: str | None = Field(None, description="An operator's words; left out when there are none.")


class Jobs(_Shape):
    jobs: list[Job] = Field(description="The newest first.")
    next_cursor: str | None = Field(description="The `cursor` of the next page; null on the last.")
