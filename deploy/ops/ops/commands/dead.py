"""`understudy dead`: list, show, replay and drop what was buried."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
import typer

from ops import bus, output
from ops.commands.confirming import confirm
from ops.commands.options import Json, NatsUrl, Port, Yes, nats_at
from ops.dead_letters import Cemetery, DeadLetter, Filter

app = typer.Typer(
    help="Messages that were given up: list, show, replay, drop.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Sequences = Annotated[list[int] | None, typer.Argument(help="Their sequence numbers, as `list` shows them.")]
Subject = Annotated[str | None, typer.Option(help="The original subject; NATS wildcards: changes.product.*")]
Consumer = Annotated[str | None, typer.Option(help="Who gave up, e.g. syncer.")]
Reason = Annotated[str | None, typer.Option(help="Part of the reason.")]
Since = Annotated[datetime | None, typer.Option(help="Buried at this time (UTC) or later.")]
All = Annotated[bool, typer.Option("--all", help="All that match the filters.")]


@app.command("list")
def list_(
    *,
    subject: Subject = None,
    consumer: Consumer = None,
    reason: Reason = None,
    since: Since = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, oldest first.")] = 50,
    after: Annotated[int, typer.Option(min=0, help="Only those behind this sequence: the next page.")] = 0,
    nats: NatsUrl = None,
    port: Port = None,
    json: Json = False,
) -> None:
    """What was buried, oldest first."""
    wanted = _filter(subject, consumer, reason, since)

    async def work() -> list[DeadLetter]:
        found: list[DeadLetter] = []
        async with _cemetery(nats_at(nats, port)) as cemetery:
            async for letter in cemetery.matching(wanted, after):
                found.append(letter)
                if len(found) > limit:
                    break
        return found

    found = bus.run(work())
    summaries = [letter.summary() for letter in found[:limit]]
    more = len(found) > limit
    if json:
        output.document({"dead_letters": summaries, "more": more})
        return
    if not summaries:
        output.line("No dead letters.")
        return
    columns = ("sequence", "at", "consumer", "subject", "attempts", "reason")
    output.table("Dead letters", columns, [[summary[column] for column in columns] for summary in summaries])
    if more:
        output.note(f"There are more: --after {summaries[-1]['sequence']}")


@app.command()
def show(
    sequence: Annotated[int, typer.Argument(help="Its sequence number, as `list` shows it.")],
    nats: NatsUrl = None,
    port: Port = None,
    json: Json = False,
) -> None:
    """One dead letter, whole."""

    async def work() -> DeadLetter:
        async with _cemetery(nats_at(nats, port)) as cemetery:
            return await cemetery.get(sequence)

    letter = bus.run(work())
    if json:
        output.document({**letter.summary(), "headers": letter.headers, "body": _readable(letter.body)})
        return
    for name, value in sorted(letter.headers.items()):
        output.line(f"{name}: {value}")
    body = _readable(letter.body)
    pretty = body if isinstance(body, str) else orjson.dumps(body, option=orjson.OPT_INDENT_2).decode()
    output.line(f"\n{pretty}")


@app.command()
def replay(
    sequences: Sequences = None,
    *,
    everything: All = False,
    subject: Subject = None,
    consumer: Consumer = None,
    reason: Reason = None,
    since: Since = None,
    yes: Yes = False,
    nats: NatsUrl = None,
    port: Port = None,
    json: Json = False,
) -> None:
    """Publish again where they came from, with their own headers; a dead letter goes once that is stored."""
    wanted = _filter(subject, consumer, reason, since)
    _chosen(sequences, everything, wanted)
    if everything:
        _confirm("Replay all that match?", yes)

    async def work() -> list[dict[str, Any]]:
        done = []
        async with _cemetery(nats_at(nats, port)) as cemetery:
            async for letter in _letters(cemetery, sequences, wanted):
                stored = await cemetery.replay(letter)
                done.append({"sequence": letter.sequence, "subject": letter.subject, "stored_as": stored})
        return done

    done = bus.run(work())
    if json:
        output.document({"replayed": done})
        return
    for each in done:
        output.line(f"{each['sequence']} -> {each['subject']} ({each['stored_as']})")
    output.line(f"{len(done)} replayed")


@app.command()
def drop(
    sequences: Sequences = None,
    *,
    everything: All = False,
    subject: Subject = None,
    consumer: Consumer = None,
    reason: Reason = None,
    since: Since = None,
    yes: Yes = False,
    nats: NatsUrl = None,
    port: Port = None,
    json: Json = False,
) -> None:
    """Delete for good."""
    wanted = _filter(subject, consumer, reason, since)
    _chosen(sequences, everything, wanted)
    _confirm("Drop all that match?" if everything else f"Drop {len(sequences or [])}?", yes)

    async def work() -> list[int]:
        done = []
        async with _cemetery(nats_at(nats, port)) as cemetery:
            async for letter in _letters(cemetery, sequences, wanted):
                await cemetery.drop(letter)
                done.append(letter.sequence)
        return done

    done = bus.run(work())
    if json:
        output.document({"dropped": done})
        return
    output.line(f"{len(done)} dropped")


@asynccontextmanager
async def _cemetery(url: str) -> AsyncIterator[Cemetery]:
    async with bus.jetstream(url) as jetstream:
        yield Cemetery(jetstream)


async def _letters(cemetery: Cemetery, sequences: list[int] | None, wanted: Filter) -> AsyncIterator[DeadLetter]:
    if not sequences:
        async for letter in cemetery.matching(wanted):
            yield letter
        return
    # All are looked up before the first is touched: a mistyped one changes nothing.
    for letter in [await cemetery.get(sequence) for sequence in sequences]:
        yield letter


def _filter(subject: str | None, consumer: str | None, reason: str | None, since: datetime | None) -> Filter:
    return Filter(subject, consumer, reason, since.replace(tzinfo=UTC) if since else None)


def _chosen(sequences: list[int] | None, everything: bool, wanted: Filter) -> None:
    if bool(sequences) == everything:
        raise typer.BadParameter("name sequences, or say --all (with filters, if you like)")
    if sequences and wanted != Filter():
        raise typer.BadParameter("filters go with --all")


def _confirm(question: str, yes: bool) -> None:
    if not yes:
        confirm(question)


def _readable(body: bytes) -> Any:
    """What it means as JSON; else as text; else in base64."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    try:
        return body.decode()
    except UnicodeDecodeError:
        return base64.b64encode(body).decode()
