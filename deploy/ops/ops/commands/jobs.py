"""`understudy jobs`: list, show, follow, retry, resolve and cancel what was commanded."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Annotated, TypeVar
from uuid import UUID

import typer
from rich.text import Text

from ops import bus, jobs_in_words, output
from ops.commands.options import Json, PostgresDsn, Within, Yes
from ops.database import postgres as connected
from ops.failures import Exit, Refused
from ops.job import EFFECTIVE, STATES, Dispatcher, Job, Story
from ops.jobs import Jobs
from ops.jobs_in_words import STYLES
from ops.spans import span
from ops.waiting_for_jobs import followed

T = TypeVar("T")

app = typer.Typer(
    help="Commands and what became of them: list, show, follow, retry, resolve, cancel.",
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

State = StrEnum("State", {state.upper(): state for state in STATES})  # type: ignore[misc]  # made of their names
Became = StrEnum("Became", {"SUCCEEDED": "succeeded", "FAILED": "failed"})

JobId = Annotated[str, typer.Argument(help="The job's id, or its beginning.")]
States = Annotated[list[State] | None, typer.Option("--state", help="Only those in this state; may be repeated.")]
Event = Annotated[int | None, typer.Option(min=1, max=2**63 - 1, help="Only those of this event.")]
Limit = Annotated[int, typer.Option(min=1, max=1000, help="At most so many, newest first.")]
Note = Annotated[str | None, typer.Option(help="Your words, for whoever looks at the job later; its client sees them.")]


@dataclass(frozen=True)
class Move:
    """`question`: asked before it is done. `done`: said after it."""

    question: str
    done: str


RETRY, CANCEL = Move("Send it once more?", "queued again"), Move("Cancel it?", "cancelled")


@dataclass(frozen=True)
class Manner:
    dsn: str | None
    json: bool
    yes: bool


@dataclass(frozen=True)
class Listed:
    dispatcher: Dispatcher
    counts: dict[str, int]
    jobs: list[Job]


@app.callback()
def jobs(
    context: typer.Context,
    state: States = None,
    event: Event = None,
    limit: Limit = 20,
    postgres: PostgresDsn = None,
    json: Json = False,
) -> None:
    """The newest jobs, how many there are by state, and who dispatches."""
    if context.invoked_subcommand is None:
        _list(state, event, limit, postgres, json=json)


@app.command("list")
def list_(
    state: States = None, event: Event = None, limit: Limit = 20, postgres: PostgresDsn = None, json: Json = False
) -> None:
    """The same as without a command: the newest jobs."""
    _list(state, event, limit, postgres, json=json)


@app.command()
def show(job: JobId, postgres: PostgresDsn = None, json: Json = False) -> None:
    """The whole story of one: what was asked, what was sent, what came of it, and what you can do about it."""

    async def work(found: Jobs) -> Story:
        return await found.story(await found.find(job))

    story = _ask(postgres, work)
    if json:
        output.document(story.document() | {"advice": jobs_in_words.advice(story)})
        return
    _print_story(story)


@app.command()
def retry(job: JobId, note: Note = None, yes: Yes = False, postgres: PostgresDsn = None, json: Json = False) -> None:
    """Once more, behind all that was accepted since. What may have been done already is looked up first."""
    _move(RETRY, job, lambda found, job_id: found.retry(job_id, note), Manner(postgres, json, yes))


@app.command()
def resolve(
    job: JobId,
    became: Annotated[Became, typer.Option("--as", help="What became of it, as you have seen it in Shopify.")],
    note: Annotated[str, typer.Option(help="How you know: for whoever looks at the job later; its client sees it.")],
    event: Annotated[
        int | None, typer.Option(min=1, max=2**63 - 1, help="Of an event.create that succeeded: the event's id.")
    ] = None,
    yes: Yes = False,
    postgres: PostgresDsn = None,
    json: Json = False,
) -> None:
    """Say what became of a job in doubt. Nothing is sent to Shopify; an event that was touched is read anew."""

    async def work(found: Jobs, job_id: UUID) -> Job:
        _check_event(await found.get(job_id), became, event)
        return await found.resolve(job_id, became.value, note, event)

    _move(Move(f"Call it {became.value}?", f"now {became.value}"), job, work, Manner(postgres, json, yes))


@app.command()
def cancel(job: JobId, yes: Yes = False, postgres: PostgresDsn = None, json: Json = False) -> None:
    """Take back a job that is still queued."""
    _move(CANCEL, job, lambda found, job_id: found.cancel(job_id), Manner(postgres, json, yes))


@app.command()
def wait(job: JobId, within: Within = None, postgres: PostgresDsn = None, json: Json = False) -> None:
    """Follow a job until readers see its effect; exit code 5 when it has come to nothing or is in doubt."""

    async def work(found: Jobs) -> Job:
        return await followed(found, await found.find(job), within, json=json)

    ended = _ask(postgres, work)
    if json:
        output.document(ended.summary())
    else:
        revision = "" if ended.visible_revision is None else f", visible from revision {ended.visible_revision} on"
        output.line(f"{ended.name}: {_words(ended)} after {span(ended.seconds)}{revision}")
    if ended.error and not json:
        output.note(f"understudy: {ended.error.get('message')}")
    if ended.state not in EFFECTIVE:
        raise typer.Exit(Exit.RUN_FAILED)


def _list(states: list[State] | None, event: int | None, limit: int, dsn: str | None, *, json: bool) -> None:
    async def work(found: Jobs) -> Listed:
        wanted = [state.value for state in states or ()]
        return Listed(await found.dispatcher(), await found.counts(event), await found.newest(wanted, event, limit))

    listed = _ask(dsn, work)
    if json:
        output.document(
            {
                "dispatcher": asdict(listed.dispatcher),
                "counts": listed.counts,
                "jobs": [job.summary() for job in listed.jobs],
            }
        )
        return
    output.line(f"{jobs_in_words.counts(listed.counts)}; {jobs_in_words.lease(listed.dispatcher)}")
    if closed := jobs_in_words.breaker(listed.dispatcher):
        output.line(closed)
    if not listed.jobs:
        output.line("No jobs.")
        return
    columns = ("id", "command", "accepted", "state", "took", "requests", "error")
    output.table("\nJobs", columns, [_row(job) for job in listed.jobs])


def _row(job: Job) -> list[object]:
    """Of an error only its code, so that a job is a line or two: `jobs show` has its words."""
    state = _words(job) + (f", parked {span(job.due_in)}" if job.parked else "")
    return [
        job.id,
        f"{job.kind} {job.ticket_id or job.event_id or ''}".strip(),
        f"{job.created_at:%m-%d %H:%M:%S}",
        Text(state, style=STYLES[job.state]),
        span(job.seconds) if job.ended else None,
        job.attempts or None,
        (job.error or {}).get("code"),
    ]


def _print_story(story: Story) -> None:
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


def _ask(dsn: str | None, work: Callable[[Jobs], Awaitable[T]]) -> T:
    async def asked() -> T:
        async with connected(dsn) as database:
            return await work(Jobs(database))

    return bus.run(asked())


def _move(move: Move, text: str, work: Callable[[Jobs, UUID], Awaitable[Job]], manner: Manner) -> None:
    async def moved(found: Jobs) -> Job:
        job = await found.get(await found.find(text))
        if not manner.yes:
            what = f"{job.name}, {jobs_in_words.target(job)}, {_words(job)}"
            await asyncio.to_thread(_confirm, f"{what}. {move.question}")
        return await work(found, job.id)

    job = _ask(manner.dsn, moved)
    if manner.json:
        output.document(job.summary())
        return
    output.line(f"{job.name}: {move.done}")


def _confirm(question: str) -> None:
    if not sys.stdin.isatty():
        raise typer.BadParameter("nobody is here to be asked: say --yes")
    if not typer.confirm(question, err=True):
        raise typer.Exit(Exit.FAILED)


def _check_event(job: Job, became: Became, event: int | None) -> None:
    """Readers are told of what was made only if somebody says what that is."""
    if job.state != "in_doubt":
        return
    nameless = job.kind == "event.create" and job.event_id is None
    if nameless and became is Became.SUCCEEDED and event is None:
        raise Refused("an event was created: say which, with --event and its id in Shopify")
    if event is not None and not (nameless and became is Became.SUCCEEDED):
        raise Refused("--event goes with an event.create that succeeded, and whose event isn't known")


def _words(job: Job) -> str:
    return job.state.replace("_", " ")
