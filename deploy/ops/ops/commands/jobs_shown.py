"""Jobs, as `understudy jobs` prints them: many in a table, one with its whole story."""

from dataclasses import asdict, dataclass
from typing import Any

from rich.text import Text

from ops import jobs_in_words, output
from ops.job import Dispatcher, Job, Story
from ops.jobs_in_words import STYLES
from ops.leaseholder import started_by
from ops.spans import span


@dataclass(frozen=True)
class Listed:
    """`counts`: of all jobs, by state. `jobs`: those that were asked for."""

    dispatcher: Dispatcher
    counts: dict[str, int]
    jobs: list[Job]

    def document(self) -> dict[str, Any]:
        """For programs."""
        jobs = [job.summary() for job in self.jobs]
        return {"dispatcher": asdict(self.dispatcher), "counts": self.counts, "jobs": jobs}


def print_list(listed: Listed) -> None:
    holder = jobs_in_words.lease(listed.dispatcher, started_by(listed.dispatcher))
    output.line(f"{jobs_in_words.counts(listed.counts)}; {holder}")
    if closed := jobs_in_words.breaker(listed.dispatcher):
        output.line(closed)
    if not listed.jobs:
        output.line("No jobs.")
        return
    columns = ("id", "command", "accepted", "state", "took", "requests", "error")
    output.table("\nJobs", columns, [_row(job) for job in listed.jobs])


def print_story(story: Story) -> None:
    for name, said in jobs_in_words.facts(story):
        output.line(f"{name:<14}{said}")
    if asked := jobs_in_words.asked(story):
        shown = "" if story.served is None else f" (revision {story.served.get('revision')})"
        output.table("\nWhat is wanted", ("field", "wanted", f"readers have{shown}"), asked)
    if story.calls:
        columns = ("", "mutation", "retry class", "sent at", "within", "outcome", "points", "")
        output.table("\nWhat was sent", columns, jobs_in_words.calls(story))
    if advice := jobs_in_words.advice(story):
        output.line("\n" + "\n".join(advice))


def _row(job: Job) -> list[object]:
    """Of an error only its code, so that a job is a line or two: `jobs show` has its words."""
    return [
        job.id,
        f"{job.kind} {job.ticket_id or job.event_id or ''}".strip(),
        f"{job.created_at:%m-%d %H:%M:%S}",
        Text(jobs_in_words.state(job), style=STYLES[job.state]),
        span(job.seconds) if job.ended else None,
        job.attempts or None,
        (job.error or {}).get("code"),
    ]
