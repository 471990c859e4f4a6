"""Which queued commands of one event are carried out by one call: a later edit takes the earlier ones in. Pure.

Edits of the same thing that stand right behind each other are merged field by field; of two that name a field, the
later one counts. Anything else between them ends the run: a publish never overtakes an edit, nor an edit a publish.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from writer.job import Job

MERGEABLE = frozenset({"event.edit", "ticket.edit"})
MOST = 100  # commands in one call


@dataclass(frozen=True, slots=True)
class Group:
    """`leader` is the last one: its call carries the fields of all. `superseded` are the others, in order."""

    leader: Job
    superseded: tuple[Job, ...] = ()

    @property
    def merged(self) -> Mapping[str, Any] | None:
        """What the leader's call has to bring about; None: its own command, nothing else."""
        if not self.superseded:
            return None
        fields: dict[str, Any] = {}
        for job in (*self.superseded, self.leader):
            fields |= job.command
        return fields


def group(queue: Sequence[Job]) -> Group:
    """The first jobs of an event's queue that can be one call. `queue` is in order, and has one job at least."""
    first = queue[0]
    run = [first]
    for job in queue[1:MOST]:
        if not _goes_with(first, job):
            break
        run.append(job)
    return Group(run[-1], tuple(run[:-1]))


def _goes_with(first: Job, job: Job) -> bool:
    alike = (first.kind, first.event_id, first.ticket_id) == (job.kind, job.event_id, job.ticket_id)
    return alike and first.kind in MERGEABLE and not first.alone and not job.alone
