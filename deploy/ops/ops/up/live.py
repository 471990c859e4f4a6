"""Stay until asked to stop: keep the parts running, and show them."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ops import output
from ops.up.facts import Facts
from ops.up.startup import Stopping
from ops.up.system import System
from sandbox.processes import Supervisor

STEP = 0.25  # seconds between looks at the processes
REFRESH = 1.0  # seconds between pictures
PLAIN_REFRESH = 30.0  # seconds between lines where nobody watches live

STYLES = {"ready": "green", "starting": "yellow", "down": "red"}


def watch(system: System, summary: dict[str, Any], stopping: Stopping, *, live: bool, quiet: bool) -> None:
    """`live`: a table that renews itself; else lines; nothing at all when `quiet`."""
    if not quiet:
        for name, value in lines(summary):
            output.line(f"{name:<16} {value}")
        output.line("ready; Ctrl-C stops everything")
    if live:
        with Live(console=output.console(), auto_refresh=False, transient=False) as screen:
            _loop(system, stopping, REFRESH, lambda: screen.update(_picture(system, summary), refresh=True))
        return
    if quiet:
        _loop(system, stopping, PLAIN_REFRESH, lambda: None)
        return
    _loop(system, stopping, PLAIN_REFRESH, lambda: output.line(_line(system)))


def lines(summary: dict[str, Any]) -> list[tuple[str, str]]:
    """Name and value of what people are told; of several processes of a kind every one, named as everywhere."""
    said = []
    for key, value in summary.items():
        name = key.replace("_", "-")
        if isinstance(value, str):
            said.append((name, value))
        elif isinstance(value, list):  # of which the first stands there already
            said += [(f"{name.removesuffix('s')}-{number}", url) for number, url in enumerate(value[1:], 2)]
    return said


def _loop(system: System, stopping: Stopping, every: float, show: Callable[[], None]) -> None:
    steps = 0
    while not stopping.is_set():
        for restarted in step(system.supervisor):
            output.note(restarted)
        if steps % round(every / STEP) == 0:
            show()
        steps += 1
        stopping.wait(STEP)


def step(supervisor: Supervisor) -> list[str]:
    """One step of it; a sentence for each part that it started again."""
    died = {process.name: process.exit_code for process in supervisor.processes if not process.alive}
    before = dict(supervisor.restarts)
    supervisor.step()
    pids = {process.name: process.pid for process in supervisor.processes if process.alive}
    return [
        f"{name.replace('_', '-')} died (exit code {code}), started again" + _pid(pids.get(name))
        for name, code in died.items()
        if supervisor.restarts[name] > before[name]
    ]


def _pid(pid: int | None) -> str:
    """By which the holder of a lease is known; none of what has died again."""
    return "" if pid is None else f", pid {pid}"


def _picture(system: System, summary: dict[str, Any]) -> RenderableType:
    facts = Facts.of(system)
    parts = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("part", "state", "address", "pid", "restarts"):
        parts.add_column(column)
    for name, state, address, pid, restarts in facts.parts:
        parts.add_row(name, Text(state, style=STYLES.get(state, "")), address, str(pid or ""), str(restarts or ""))
    footer = Text(f"token {summary['token']}\nlogs  {summary['logs']}\nCtrl-C stops everything", style="dim")
    return Group(Text("Understudy", style="bold"), parts, Text(), Text(facts.figures), footer)


def _line(system: System) -> str:
    facts = Facts.of(system)
    wrong = [f"{name} {state}" for name, state, *_ in facts.parts if state != "ready"]
    return f"{datetime.now(UTC):%H:%M:%S} {facts.figures}" + (f"; {', '.join(wrong)}" if wrong else "")
