"""A job, its calls, and who dispatches, as the writer's tables have them. Pure."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

STATES = ("queued", "dispatching", "succeeded", "failed", "in_doubt", "cancelled", "superseded")
EFFECTIVE = ("succeeded", "superseded")  # states of what was carried out, by its own call or by another job's


@dataclass(frozen=True)
class Job:
    """A row of `jobs`. `due_in`: seconds until its event is due. `seconds`: from acceptance to its end, or now.

    `retried_from`: the number of its first call since an operator had it tried again. `waits_for`: unknown_outcome
    (what was sent may take effect yet), shopify (it could not be asked); None: its turn. `waits_because`: in words.
    """

    id: UUID
    kind: str
    event_id: int | None
    ticket_id: int | None
    command: dict[str, Any]
    merged: dict[str, Any] | None
    owner: str
    state: str
    superseded_by: UUID | None
    attempts: int
    retried_from: int
    due_at: datetime
    waits_for: str | None
    waits_because: str | None
    epoch: int | None
    error: dict[str, Any] | None
    note: str | None
    cost: float | None
    observed_at: datetime | None
    visible_revision: int | None
    version: int
    created_at: datetime
    dispatched_at: datetime | None
    finished_at: datetime | None
    due_in: float
    seconds: float

    @property
    def ended(self) -> bool:
        """Nothing becomes of it by itself any more; what was taken in by another job waits for that one."""
        return self.finished_at is not None

    @property
    def over(self) -> bool:
        """It has ended, and if it took effect, readers can see it: for whoever waits, done is visible."""
        return self.ended and (self.state not in EFFECTIVE or self.visible_revision is not None)

    @property
    def parked(self) -> bool:
        return self.due_in > 0 and self.state in ("queued", "dispatching")

    @property
    def name(self) -> str:
        """As people are told of it."""
        return f"job {self.id} ({self.kind})"

    @property
    def wanted(self) -> dict[str, Any]:
        """What is carried out: its own command, or with it those that it took in."""
        return self.command if self.merged is None else self.merged

    def summary(self) -> dict[str, Any]:
        """For programs; the ids of events and tickets are strings, as in the API."""
        told = asdict(self)
        for internal in ("due_in", "version", "retried_from"):
            del told[internal]
        ids = {name: None if told[name] is None else str(told[name]) for name in ("id", "event_id", "ticket_id")}
        parked_until = self.due_at if self.parked else None
        return {**told, **ids, "parked_until": parked_until, "seconds": round(self.seconds, 3)}


@dataclass(frozen=True)
class Call:
    """A mutation that was sent, or may have been. `outcome`: done, refused, not_sent; None: nobody knows (yet)."""

    number: int
    document: str
    variables: dict[str, Any]
    retry: str
    epoch: int
    sent_at: datetime
    within: float
    outcome: str | None
    answer: dict[str, Any] | None
    cost: float | None
    answered_at: datetime | None
    gave_up_at: datetime | None
    late: bool
    discarded: bool


@dataclass(frozen=True)
class Dispatcher:
    """Who may dispatch. `held`: somebody may now, for `expires_in` more seconds unless they renew it.

    `breaker_in`: seconds until something is sent to Shopify again; 0: the breaker is closed. `latency`: seconds that a
    mutation took lately.
    """

    owner: str | None
    epoch: int
    held: bool
    expires_in: float
    breaker_in: float
    breaker_reason: str | None
    latency: float | None


@dataclass(frozen=True)
class Census:
    """How many jobs aren't over. `oldest_seconds`: since the oldest open one was accepted; None: none is open."""

    open: int
    in_doubt: int
    oldest_seconds: float | None


@dataclass(frozen=True)
class Story:
    """A job and all that is known of it. `took_in`: jobs that it carried with it, or will.

    `served`: what organizers read of its event now; None: nothing is known of it. `deleted`: it is gone in Shopify.
    """

    job: Job
    calls: Sequence[Call]
    took_in: Sequence[UUID]
    served: dict[str, Any] | None
    deleted: bool

    def document(self) -> dict[str, Any]:
        """For programs."""
        return {**self.job.summary(), "calls": [asdict(call) for call in self.calls], "took_in": list(self.took_in)}
