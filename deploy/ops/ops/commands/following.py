"""What all commands that ask for a run do: ask, follow, say what came of it, and end with the code that tells it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson
import typer
from rich.text import Text

from ops import bus, output, reports_in_words
from ops.database import postgres
from ops.failures import Exit, Refused, SettingWrong
from ops.following import follow
from ops.reports_in_words import STYLES
from ops.runs import Asked, Run, Runs
from ops.spans import moment, span
from ops.watching import watching


@dataclass(frozen=True)
class Wish:
    """A run that somebody wants. `times`: options that are moments, as they were written."""

    kind: str
    scope: str = ""
    times: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Manner:
    """How it is followed. `within`: seconds, or for as long as it takes."""

    dsn: str | None
    json: bool
    detach: bool = False
    within: float | None = None


def ask_and_follow(wish: Wish, manner: Manner) -> None:
    """Ends the command with 0 only when the run succeeded, or `--detach` asked for no more than that it was asked."""

    async def work() -> tuple[Run, bool]:
        async with postgres(manner.dsn) as database:
            runs = Runs(database)
            options = await _options(wish, runs)
            asked = await _ask(wish, options, runs, manner)
            if manner.detach:
                return await runs.get(asked.id), asked.joined
            return await _followed(runs, asked.id, manner), asked.joined

    run, joined = bus.run(work())
    if manner.detach:
        _said_detached(run, joined=joined, json=manner.json)
        return
    conclude(run, joined=joined, json=manner.json)


def follow_again(run_id: int, manner: Manner) -> None:
    async def work() -> Run:
        async with postgres(manner.dsn) as database:
            return await _followed(Runs(database), run_id, manner)

    conclude(bus.run(work()), joined=True, json=manner.json)


def conclude(run: Run, *, joined: bool, json: bool) -> None:
    """Say what came of it. Leaves with Exit.RUN_FAILED unless all is well."""
    well = run.state == "succeeded" and not (run.kind == "doctor" and reports_in_words.has_failed(run.report))
    if json:
        output.document({**run.summary(), "joined": joined})
    else:
        _print(run)
    if not well:
        raise typer.Exit(Exit.RUN_FAILED)


async def _options(wish: Wish, runs: Runs) -> dict[str, str]:
    """Moments by the database's clock, in ISO 8601."""
    if not wish.times:
        return {}
    now = await runs.now()
    told = {name: moment(text, now) for name, text in wish.times.items()}
    if told.get("since", now) >= told.get("until", now):
        raise SettingWrong("--since must be before --until, and before now")
    return {name: time.isoformat() for name, time in told.items()}


async def _ask(wish: Wish, options: Mapping[str, str], runs: Runs, manner: Manner) -> Asked:
    """A run with exactly these options; one that is open with others is waited for. Raises Refused with --detach."""
    while not (asked := await runs.ask(wish.kind, wish.scope, options)).same:
        other = await runs.get(asked.id)
        if manner.detach:
            raise Refused(f"{other.name} is open, with other options; ask again when it is over")
        _tell(f"{other.name} is open, with other options; yours comes after it", json=manner.json)
        await _followed(runs, asked.id, manner)
    if asked.joined and not manner.detach:
        joined = await runs.get(asked.id)
        by = "" if joined.asked_by == "operator" else f" by the {joined.asked_by}"
        _tell(f"{joined.name} was asked for already{by}, {span(joined.seconds)} ago; following it", json=manner.json)
    return asked


async def _followed(runs: Runs, run_id: int, manner: Manner) -> Run:
    try:
        with watching(json=manner.json) as watcher:
            return await follow(runs, run_id, watcher, manner.within)
    except asyncio.CancelledError:  # Ctrl-C
        _tell(
            f"run {run_id} goes on without you. `understudy runs follow {run_id}` follows it again, "
            f"`understudy runs cancel {run_id}` ends it",
            json=manner.json,
        )
        raise


def _tell(sentence: str, *, json: bool) -> None:
    output.note(orjson.dumps({"note": sentence}).decode() if json else sentence)


def _said_detached(run: Run, *, joined: bool, json: bool) -> None:
    if json:
        output.document({**run.summary(), "joined": joined})
        return
    state = "was asked for already" if joined else "is asked for"
    output.line(f"{run.name} {state}; `understudy runs follow {run.id}` follows it")


def _print(run: Run) -> None:
    if run.kind == "doctor" and run.report is not None:
        _print_findings(run.report)
    words = reports_in_words.sentence(run.kind, run.report) if run.report else ""
    ended = {"succeeded": "done", "failed": "failed", "cancelled": "cancelled"}[run.state]
    output.line(f"{run.name}: {ended} in {span(run.seconds)}" + (f": {words}" if words else ""))
    if run.error:
        output.note(f"understudy: {run.error}")
    if run.kind == "reconcile" and (run.report or {}).get("repaired"):
        output.note("`understudy drift` shows what was repaired.")


def _print_findings(report: Mapping[str, object]) -> None:
    found = reports_in_words.findings(report)
    rows = []
    for each in found:
        state = str(each.get("state"))
        rows.append(
            (each.get("check"), Text(state, style=STYLES.get(state, "")), each.get("says"), each.get("todo") or "")
        )
    output.table("", ("check", "state", "says", "to do"), rows)
