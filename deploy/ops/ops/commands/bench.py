"""`understudy bench`: measure ours beside peers, on this machine, in one run."""

import asyncio
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
import uvloop

from ops import output
from ops.bench import bare, freshness, machine, pages, plots, read, requirements, write
from ops.bench.plots import Series
from ops.bench.report import Report, Row
from ops.bench.simulated import Limits
from ops.bench.subject import Say, Subject, running
from ops.commands.options import Json
from ops.failures import SettingWrong
from sandbox import reaper

EVENTS = 500
REPLICAS = 2  # read-apis: for the cold document and for what is visible everywhere; the others ask only the first
STREAMS = 10_000
RATES_PLOT, FRESHNESS_PLOT, WRITE_PLOT = "latency-over-load.png", "freshness-over-rate.png", "mutations-over-time.png"

app = typer.Typer(
    help="Measure ours beside peers on this machine, in one run: rates, latencies, ratios, targets met and missed.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Seconds = Annotated[float, typer.Option(min=1, max=600, help="Of each measurement.")]
Out = Annotated[
    Path | None, typer.Option(file_okay=False, help="Write JSON, plots and a page with all tables to this directory.")
]
Events = Annotated[int, typer.Option(min=10, max=100_000, help="In the simulated shop.")]
Given = Annotated[
    Path | None,
    typer.Option(
        "--system",
        dir_okay=False,
        exists=True,
        help="Measure this running system: a file with the line that `understudy up --json` printed. "
        "Default: start one, and stop it.",
    ),
]


@app.command("read")
def read_(
    *,
    seconds: Seconds = 5.0,
    part: Annotated[
        list[read.Part] | None, typer.Option(help="Only this; may be repeated. Default: all of them.")
    ] = None,
    out: Out = None,
    events: Events = EVENTS,
    system: Given = None,
    json: Json = False,
) -> None:
    """Hot, mixed and cold reads, beside nginx and FastAPI with the usual caches. Needs wrk and nginx."""
    parts = part or list(read.Part)
    read.check(parts)
    if out:
        plots.check()
    on = machine.facts()
    with _bench(system, events, json=json) as (subject, scratch, say):
        found = read.measure(subject, subject.events(), parts, seconds, scratch, say)
    picture = partial(plots.draw, title="One hot document", over="requests/s", series=found.series())
    drawn = [(RATES_PLOT, picture)] if found.points else []
    _tell("read", on, found.rows, drawn, out, json=json)


@app.command("freshness")
def freshness_(
    *, seconds: Seconds = 5.0, out: Out = None, events: Events = EVENTS, system: Given = None, json: Json = False
) -> None:
    """From a webhook's 200 to the new title on every replica, at several rates, beside bare NATS and a bare read."""
    if out:
        plots.check()

    async def work(subject: Subject, say: Say) -> list[Row]:
        there = subject.events()
        found = await freshness.measure(subject, there, seconds, say)
        say("freshness: bare NATS and bare reads")
        baselines = await bare.measure(subject, there, freshness.PROMISED_AT, seconds)
        series.extend(freshness.series(found))
        return freshness.rows(found, baselines, len(subject.read_apis))

    on, series = machine.facts(), list[Series]()
    with (
        _bench(system, events, json=json) as (subject, _, say),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        rows = runner.run(work(subject, say))
    title = "Webhook answered -> visible on every replica"
    picture = partial(plots.draw, title=title, over="edits/s", series=series)
    _tell("freshness", on, rows, [(FRESHNESS_PLOT, picture)], out, json=json)


@app.command()
def live(
    *,
    seconds: Seconds = 20.0,
    streams: Annotated[int, typer.Option(min=1, max=15_000, help="Browsers that listen.")] = STREAMS,
    out: Out = None,
    json: Json = False,
) -> None:
    """Browsers that listen for purges on one process: its memory, and how soon all have heard one."""
    run: Callable[..., Sequence[Row]] = import_module("ops.bench.live").run
    on = machine.facts()
    with _ending():
        rows = run(streams=streams, seconds=seconds, progress=_say(json=json))
    _tell("live", on, rows, [], out, json=json)


@app.command("write")
def write_(
    *,
    edits: Annotated[int, typer.Option(min=10, max=100_000, help="Commands of each measurement.")] = 2_000,
    events: Annotated[int, typer.Option(min=5, max=10_000, help="That they are for, in turn.")] = EVENTS,
    latency: Annotated[float, typer.Option(min=0, max=30, help="Seconds that Shopify takes for an answer.")] = 2.0,
    rate: Annotated[float, typer.Option(min=10, max=10_000, help="Points that Shopify restores each second.")] = 100.0,
    pace: Annotated[float, typer.Option(min=1, max=10_000, help="Commands that are sent each second.")] = write.PACE,
    peer_seconds: Annotated[float, typer.Option(min=5, max=3600, help="After that, a peer is stopped.")] = 75.0,
    out: Out = None,
    json: Json = False,
) -> None:
    """Commands as fast as Shopify allows, beside FastAPI with RQ at 2 requests/s and a client that backs off.

    A whole system runs, as `understudy up --no-traffic` starts it.
    """
    requirements.library("rq")
    if out:
        plots.check()
    plan = write.Plan(edits, events, Limits(write.bucket_of(rate), rate, latency), peer_seconds, pace)
    on, say = machine.facts(), _say(json=json)
    with (
        _ending(),
        _scratch() as scratch,
        running(1, events, say, write.settings(plan)) as (subject, _),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        event_ids = [event["id"] for event in subject.events()]
        found = runner.run(write.measure(subject, plan, event_ids, scratch, say))
    _tell("write", on, found.rows, [(WRITE_PLOT, found.draw)], out, json=json)


@contextmanager
def _bench(given: Path | None, events: int, *, json: bool) -> Iterator[tuple[Subject, Path, Say]]:
    """The system, a directory for scratch, and where to say how far we are. All of it is gone in the end."""
    say = _say(json=json)
    with _ending(), _scratch() as scratch:
        if given is not None:
            yield Subject.of_summary(_summary(given)), scratch, say
            return
        with running(REPLICAS, events, say) as (subject, _):
            yield subject, scratch, say


def _say(*, json: bool) -> Say:
    return (lambda text: output.note(orjson.dumps({"progress": text}).decode())) if json else output.note


def _tell(
    command: str,
    on: Mapping[str, str],
    rows: Sequence[Row],
    drawn: Sequence[tuple[str, Callable[[Path], None]]],
    out: Path | None,
    *,
    json: bool,
) -> None:
    report = Report(
        command=command,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=on,
        rows=rows,
        notes=machine.warnings(on),
        plots=[file for file, *_ in drawn] if out else [],
    )
    if out:
        out.mkdir(parents=True, exist_ok=True)
        for file, draw in drawn:
            draw(out / file)
        pages.save(report, out)
    if json:
        output.document(report.document())
        return
    pages.show(report)


@contextmanager
def _ending() -> Iterator[None]:
    """SIGTERM and SIGHUP end us as Ctrl-C does: through every `finally`."""
    before = {number: signal.signal(number, _interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


@contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="understudy-bench-", ignore_cleanup_errors=True) as name:
        reaper.remove_at_end(Path(name))
        Path(name).chmod(0o711)
        yield Path(name)
    reaper.removed(Path(name))


def _summary(file: Path) -> Any:
    try:
        return orjson.loads(file.read_bytes())
    except orjson.JSONDecodeError:
        raise SettingWrong(f"{file} is not what `understudy up --json` printed") from None
