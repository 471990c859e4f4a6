"""`understudy drift`: what reconciling found to differ from Shopify, and repaired."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import orjson
import typer

from ops import bus, output
from ops.commands.options import Json, PostgresDsn
from ops.database import Row
from ops.database import postgres as connected
from ops.runs import SQL, Runs
from ops.spans import moment

MAX_VALUE, LEAST_VALUE = 32, 8  # characters of a value that people are shown, as far as there is room
GAP = 2  # characters between columns
WIDE = 110  # characters of a line from which on each figure has a column of its own
WIDE_COLUMNS = ("event", "ticket", "field", "ours", "theirs", "since", "found", "cause")
VALUES = ("ours", "theirs")
NARROW_COLUMNS = ("event, ticket", "field, cause", "ours, theirs", "since, found")


class Cause(StrEnum):
    MISSED = "missed"
    LATE = "late"
    TRUNCATED = "truncated"
    TIE = "tie"


def drift(
    *,
    since: Annotated[
        str | None, typer.Option(help="Found since: 2026-11-22T20:00 (UTC), or 2h. Default: ever.")
    ] = None,
    event: Annotated[int | None, typer.Option(min=1, max=2**63 - 1, help="Of this event.")] = None,
    cause: Annotated[Cause | None, typer.Option(help="Of this cause.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, newest first.")] = 50,
    postgres: PostgresDsn = None,
    json: Json = False,
) -> None:
    """One row for each field that was repaired, newest first.

    Causes: missed (no webhook came), late (it came after the repair), truncated (what we had was incomplete),
    tie (two contents under one time of Shopify's).
    """

    async def work() -> list[Row]:
        async with connected(postgres) as database:
            after = None if since is None else moment(since, await Runs(database).now())
            return await database.rows(SQL.drift, after, event, None if cause is None else cause.value, limit + 1)

    found = bus.run(work())
    more, found = len(found) > limit, found[:limit]
    if json:
        output.document({"drift": [_summary(row) for row in found], "more": more})
        return
    if not found:
        output.line("No drift.")
        return
    width = output.console().width
    if width >= WIDE:
        output.table("Drift", WIDE_COLUMNS, _wide(found, width))
    else:
        output.table("Drift", NARROW_COLUMNS, _narrow(found, width))
    if more:
        output.note(f"There are more: --limit {limit * 10}, or --json for programs.")


def _summary(row: Row) -> dict[str, Any]:
    """Ids as the API has them: strings of digits."""
    ids = {name: None if row[name] is None else str(row[name]) for name in ("event_id", "ticket_id")}
    return {**dict(row), **ids}


def _wide(found: Sequence[Row], width: int) -> list[list[str]]:
    """A line for each; the values share what the others leave them."""
    others = [_others(row) for row in found]
    headings = [name for name in WIDE_COLUMNS if name not in VALUES]
    taken = sum(max(map(len, column)) + GAP for column in zip(headings, *others, strict=True)) + GAP
    most = _most((width - taken) // len(VALUES))
    return [
        [event, ticket, field, *(shortened(row[name], most) for name in VALUES), since, found_at, cause]
        for row, (event, ticket, field, since, found_at, cause) in zip(found, others, strict=True)
    ]


def _narrow(found: Sequence[Row], width: int) -> list[list[str]]:
    """The same in two lines, and a blank one in between."""
    cells = [
        (f"{event}\n{ticket}", f"{field}\n{cause}", f"{since}\n{found_at}")
        for event, ticket, field, since, found_at, cause in map(_others, found)
    ]
    headings = [name for name in NARROW_COLUMNS if name != "ours, theirs"]
    lines = [[line for cell in column for line in cell.split("\n")] for column in zip(headings, *cells, strict=True)]
    most = _most(width - sum(max(map(len, column)) + GAP for column in lines) - len("theirs "))
    table: list[list[str]] = []
    for row, (ids, what, when) in zip(found, cells, strict=True):
        values = f"ours   {shortened(row['ours'], most)}\ntheirs {shortened(row['theirs'], most)}"
        table += [[ids, what, values, when], [""] * len(NARROW_COLUMNS)]
    return table[:-1]


def _others(row: Row) -> tuple[str, str, str, str, str, str]:
    """All but the values: event, ticket, field, since, found, cause."""
    ids = (str(row["event_id"]), str(row["ticket_id"] or "-"))
    return *ids, row["field"], _when(row["since"]), _when(row["found_at"]), row["cause"]


def _most(room: int) -> int:
    return max(LEAST_VALUE, min(MAX_VALUE, room))


def shortened(value: Any, most: int) -> str:
    """A string as it is, anything else as JSON; one line of at most so many characters."""
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    line = " ".join(text.split()) or '""'
    return line if len(line) <= most else line[: most - 1] + "…"


def _when(time: datetime | None) -> str:
    return "-" if time is None else f"{time:%m-%d %H:%M:%S}"
