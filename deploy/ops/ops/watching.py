"""How a run is shown while it goes on, always on stderr: a bar for people, lines where nobody watches, or JSON."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

from ops import output
from ops.following import Watcher
from ops.runs import Run
from ops.spans import span

LINE_EVERY = 10.0  # seconds between lines of text, while only the figures change
SPEED_OVER = 20.0  # seconds that the rate is an average of
SHOWN = ("id", "kind", "scope", "state", "stage", "done", "expected", "error")  # of a line of JSON


@contextmanager
def watching(*, json: bool) -> Iterator[Watcher]:
    if json:
        yield JsonLines()
        return
    if not sys.stderr.isatty():
        yield TextLines()
        return
    with _bar() as progress:
        yield Bar(progress)


class JsonLines:
    """One object for each change."""

    def __init__(self) -> None:
        self._before: dict[str, Any] = {}

    def show(self, run: Run) -> None:
        now = {
            name: getattr(run, name) for name in ("id", "kind", "scope", "state", "stage", "done", "expected", "error")
        }
        if now != self._before:
            self._before = now
            self._write({**now, "seconds": round(run.seconds, 1)})

    def say(self, sentence: str) -> None:
        self._write({"note": sentence})

    def _write(self, told: dict[str, Any]) -> None:
        output.note(orjson.dumps(told).decode())


class TextLines:
    """A line for each stage, and one now and then."""

    def __init__(self) -> None:
        self._before: tuple[str, str | None] | None = None
        self._said_at = 0.0

    def show(self, run: Run) -> None:
        now = (run.state, run.stage)
        if now == self._before and time.monotonic() - self._said_at < LINE_EVERY:
            return
        self._before, self._said_at = now, time.monotonic()
        figures = f" {amount(run.done, run.expected)}" if run.open and run.stage else ""
        output.note(f"{run.name}: {stage(run)}{figures}, {span(run.seconds)}")

    def say(self, sentence: str) -> None:
        output.note(sentence)


class Bar:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=None, stage="", seconds=0.0)
        self._stage: str | None = None

    def show(self, run: Run) -> None:
        told: dict[str, Any] = {"description": run.name, "completed": run.done, "total": run.expected}
        told |= {"stage": stage(run), "seconds": run.seconds}
        if run.open and run.stage != self._stage:
            self._stage = run.stage
            self._progress.reset(self._task, **told)  # another stage has another rate
        self._progress.update(self._task, **told)

    def say(self, sentence: str) -> None:
        self._progress.console.print(sentence, markup=False, highlight=False, soft_wrap=True)


class Figures(ProgressColumn):
    """`1,200/10,000  430/s  22 s left`, as far as that is known."""

    def render(self, task: Task) -> Text:
        if task.total is None and not task.completed:
            return Text("")
        said = [amount(int(task.completed), None if task.total is None else int(task.total))]
        if task.speed is not None and task.speed > 0:
            said.append(f"{task.speed:,.0f}/s" if task.speed >= 10 else f"{task.speed:.1f}/s")  # noqa: PLR2004  # legible
            if task.total is not None and task.completed < task.total:
                said.append(f"{span((task.total - task.completed) / task.speed)} left")
        return Text("  ".join(said), style="cyan", no_wrap=True)


class Elapsed(ProgressColumn):
    """The run's own time, not that of our looking on."""

    def render(self, task: Task) -> Text:
        return Text(span(task.fields["seconds"]), style="dim", no_wrap=True)


def stage(run: Run) -> str:
    if run.state == "running":
        return run.stage or "beginning"
    return {"asked": "waiting"}.get(run.state, run.state)


def amount(done: int, expected: int | None) -> str:
    return f"{done:,}" if expected is None else f"{done:,}/{expected:,}"


def _bar() -> Progress:
    whole = Column(no_wrap=True)  # where it is narrow, the bar itself gives way
    return Progress(
        TextColumn("[bold]{task.description}", table_column=whole),
        TextColumn("{task.fields[stage]}", table_column=whole),
        BarColumn(bar_width=None),
        Figures(table_column=whole),
        Elapsed(table_column=whole),
        console=output.errors(),
        expand=True,
        speed_estimate_period=SPEED_OVER,
        transient=True,
    )
