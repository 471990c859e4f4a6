"""A job as the dispatcher sees it, and the states it may be in. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID


class State(StrEnum):
    """queued -> dispatching -> succeeded | failed | in_doubt; queued -> cancelled; both may become superseded."""

    QUEUED = "queued"
    DISPATCHING = "dispatching"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    IN_DOUBT = "in_doubt"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"


OPEN = frozenset({State.QUEUED, State.DISPATCHING})


@dataclass(frozen=True, slots=True)
class Job:
    """A row of `jobs`, as far as it decides what is done next.

    `seq` is the order of acceptance. Jobs of one `lane` are carried out one after the other. `merged` is what is
    carried out instead of `command`: it and everything that it supersedes. `retried_from` is the number of its first
    call since an operator had it retried: what was sent before counts against no limit any more.
    """

    id: UUID
    seq: int
    lane: int
    kind: str
    event_id: int | None
    ticket_id: int | None
    command: Mapping[str, Any]
    merged: Mapping[str, Any] | None
    state: State
    alone: bool
    epoch: int | None
    retried_from: int = 0

    @property
    def wanted(self) -> Mapping[str, Any]:
        """What is carried out."""
        return self.command if self.merged is None else self.merged
