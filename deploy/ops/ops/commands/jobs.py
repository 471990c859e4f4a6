"""`understudy jobs`: list, show, wait for, retry, resolve and cancel what was commanded."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, TypeVar
from uuid import UUID

import typer

from ops import bus, jobs_in_words, output
from ops.commands.confirming import confirm
from ops.commands.jobs_shown import Listed, print_list, print_story
from ops.commands.options import Json, Port, PostgresDsn, Yes, postgres_at
from ops.database import postgres as connected
from ops.failures import Exit, Refused, SettingWrong
from ops.job import EFFECTIVE, STATES, Job, Story
from ops.jobs import CANCEL, RESOLVE, RETRY, Jobs, Move, check
from ops.spans import span
from ops.waiting_for_jobs import followed

T = TypeVar("T")

app = typer.Typer(
    help="Commands and what became of them: list, show, wait, retry, resolve, cancel.",
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
Within = Annotated[
    float | None, typer.Option(min=0, help="Seconds to wait at most (exit code 3); the job goes on. Default: no limit.")
]
Note = Annotated[str | None, typer.Option(help="Your words, for whoever looks at the job later; its client sees them.")]


@dataclass(frozen=True)
class Asking:
    """`question`: asked before the move is done. `done`: said after it. `also`: looked at before; raises Refused."""

    move: Move
    question: str
    done: str
    also: Callable[[Job], None] = lambda _: None


@dataclass(frozen=True)
class Manner:
    postgres: str | None
    port: int | None
    json: bool
    yes: bool = False


@app.callback()
def jobs(
    context: typer.Context,
    state: States = None,
    event: Event = None,
    limit: Limit = 20,
    postgres: PostgresDsn = None,
    port: Port = None,
    json: Json = False,
) -> None:
    """The newest jobs, how many there are by state, and who dispatches."""
    if context.invoked_subcommand is None:
        _list(state, event, limit, Manner(postgres, port, json))
    elif any(_typed(context, name) for name in context.params):
        raise SettingWrong(f"options go behind `{context.invoked_subcommand}`, not before it")


@app.command("list")
def list_(
    *,
    state: States = None,
    event: Event = None,
    limit: Limit = 20,
    postgres: PostgresDsn = None,
    port: Port = None,
    json: Json = False,
) -> None:
    """The same as without a command: the newest jobs."""
    _list(state, event, limit, Manner(postgres, port, json))


@app.command()
def show(job: JobId, postgres: PostgresDsn = None, port: Port = None, json: Json = False) -> None:
    """The whole story of one: what was asked, what was sent, what came of it, and what you can do about it."""

    async def work(found: Jobs) -> Story:
        return await found.story(await found.find(job))

    story = _ask(Manner(postgres, port, json), work)
    if json:
        output.document(story.document() | {"advice": jobs_in_words.advice(story)})
        return
    print_story(story)


@app.command()
def retry(
    *,
    job: JobId,
    note: Note = None,
    yes: Yes = False,
    postgres: PostgresDsn = None,
    port: Port = None,
    json: Json = False,
) -> None:
    """Once more, behind all that was accepted since. What may have been done already is looked up first."""
    asking = Asking(RETRY, "Send it once more?", "queued again")
    _move(asking, job, lambda found, job_id: found.retry(job_id, note), Manner(postgres, port, json, yes))


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
    port: Port = None,
    json: Json = False,
) -> None:
    """Say what became of a job in doubt. Nothing is sent to Shopify; an event that was touched is read anew."""

    def also(found: Job) -> None:
        _check_event(found, became, event)

    async def work(found: Jobs, job_id: UUID) -> Job:
        return await found.resolve(job_id, became.value, note, event)

    asking = Asking(RESOLVE, f"Call it {became.value}?", f"now {became.value}", also)
    _move(asking, job, work, Manner(postgres, port, json, yes))


@app.command()
def cancel(job: JobId, yes: Yes = False, postgres: PostgresDsn = None, port: Port = None, json: Json = False) -> None:
    """Take back a job that is still queued."""
    asking = Asking(CANCEL, "Cancel it?", "cancelled")
    _move(asking, job, lambda found, job_id: found.cancel(job_id), Manner(postgres, port, json, yes))


@app.command()
def wait(
    job: JobId, within: Within = None, postgres: PostgresDsn = None, port: Port = None, json: Json = False
) -> None:
    """Wait for a job until readers see its effect; exit code 5 when it has come to nothing or is in doubt."""

    async def work(found: Jobs) -> Job:
        return await followed(found, await found.find(job), within, json=json)

    ended = _ask(Manner(postgres, port, json), work)
    if json:
        output.document(ended.summary())
    else:
        revision = "" if ended.visible_revision is None else f", visible from revision {ended.visible_revision} on"
        output.line(f"{ended.name}: {ended.state.replace('_', ' ')} after {span(ended.seconds)}{revision}")
    if ended.error and not json:
        output.note(f"understudy: {ended.error.get('message')}")
    if ended.state not in EFFECTIVE:
        raise typer.Exit(Exit.RUN_FAILED)


def _list(states: list[State] | None, event: int | None, limit: int, manner: Manner) -> None:
    async def work(found: Jobs) -> Listed:
        wanted = [state.value for state in states or ()]
        return Listed(await found.dispatcher(), await found.counts(event), await found.newest(wanted, event, limit))

    listed = _ask(manner, work)
    if manner.json:
        output.document(listed.document())
        return
    print_list(listed)


def _typed(context: typer.Context, name: str) -> bool:
    """Whether this option stands on the command line."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _ask(manner: Manner, work: Callable[[Jobs], Awaitable[T]]) -> T:
    async def asked() -> T:
        async with connected(postgres_at(manner.postgres, manner.port)) as database:
            return await work(Jobs(database))

    return bus.run(asked())


def _move(asking: Asking, text: str, work: Callable[[Jobs, UUID], Awaitable[Job]], manner: Manner) -> None:
    """Nobody is asked whether they are sure of what can't be done."""

    async def moved(found: Jobs) -> Job:
        job = await found.get(await found.find(text))
        check(job, asking.move)
        asking.also(job)
        if not manner.yes:
            what = f"{job.name}, {jobs_in_words.target(job)}, {jobs_in_words.state(job)}"
            await asyncio.to_thread(confirm, f"{what}. {asking.question}")
        return await work(found, job.id)

    job = _ask(manner, moved)
    if manner.json:
        output.document(job.summary())
        return
    output.line(f"{job.name}: {asking.done}")


def _check_event(job: Job, became: Became, event: int | None) -> None:
    """Readers are told of what was made only if somebody says what that is. Raises Refused."""
    nameless = job.kind == "event.create" and job.event_id is None
    if nameless and became is Became.SUCCEEDED and event is None:
        raise Refused("an event was created: say which, with --event and its id in Shopify")
    if event is not None and not (nameless and became is Became.SUCCEEDED):
        raise Refused("--event goes with an event.create that succeeded, and whose event isn't known")
