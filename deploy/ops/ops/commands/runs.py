"""`understudy runs`: list, follow and cancel the long works of the syncer."""

from typing import Annotated

import typer
from rich.text import Text

from ops import bus, output
from ops.commands.following import Manner, follow_again
from ops.commands.options import Json, PostgresDsn, Within
from ops.database import postgres as connected
from ops.runs import Run, Runs
from ops.spans import span
from ops.watching import amount, stage

STYLES = {"running": "cyan", "succeeded": "green", "failed": "bold red", "cancelled": "yellow"}

app = typer.Typer(
    help="Backfills, reconciles, doctor's visits and rebuilds: list, follow, cancel.",
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

RunId = Annotated[int, typer.Argument(min=1, max=2**63 - 1, help="The run's id.")]


@app.callback()
def list_(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many, newest first.")] = 20,
    postgres: PostgresDsn = None,
    json: Json = False,
) -> None:
    """The newest runs, open ones among them."""
    if context.invoked_subcommand is not None:
        return

    async def work() -> list[Run]:
        async with connected(postgres) as database:
            return await Runs(database).recent(limit)

    found = bus.run(work())
    if json:
        output.document({"runs": [run.summary() for run in found]})
        return
    if not found:
        output.line("No runs.")
        return
    columns = ("id", "run", "asked by", "asked at", "state", "took", "progress, error")
    output.table("Runs", columns, [_row(run) for run in found])


@app.command()
def follow(run_id: RunId, postgres: PostgresDsn = None, within: Within = None, json: Json = False) -> None:
    """Follow a run to its end; exit code 5 when it fails or is cancelled."""
    follow_again(run_id, Manner(postgres, json, within=within))


@app.command()
def cancel(run_id: RunId, postgres: PostgresDsn = None, json: Json = False) -> None:
    """End a run; the syncer lets go of it within seconds. What it has done so far stays done."""

    async def work() -> Run:
        async with connected(postgres) as database:
            return await Runs(database).cancel(run_id)

    run = bus.run(work())
    if json:
        output.document(run.summary())
        return
    output.line(f"{run.name}: cancelled")


def _row(run: Run) -> list[object]:
    return [
        run.id,
        f"{run.kind} {run.scope}".strip(),
        run.asked_by,
        f"{run.asked_at:%m-%d %H:%M}",
        Text(run.state, style=STYLES.get(run.state, "")),
        None if run.started_at is None else span(run.seconds),
        _progress(run),
    ]


def _progress(run: Run) -> str | None:
    """Of an error only its name, so that a run is a line: `runs follow` and --json have its words."""
    said = [f"{stage(run)} {amount(run.done, run.expected)}"] if run.state == "running" else []
    if run.error:
        said.append(run.error.partition(":")[0])
    return "\n".join(said) or None
