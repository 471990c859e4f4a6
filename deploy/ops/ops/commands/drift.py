"""`understudy drift`: what reconciling found to differ from Shopify, and repaired."""

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

MAX_VALUE = 32  # characters of a value that people are shown; so a line fits into 80
WIDE = 140  # characters of a line from which on each figure has a column of its own
WIDE_COLUMNS = ("event", "ticket", "field", "ours", "theirs", "since", "found", "cause")
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
    if output.console().width >= WIDE:
        output.table("Drift", WIDE_COLUMNS, [_wide(row) for row in found])
    else:
        output.table("Drift", NARROW_COLUMNS, [_narrow(row) for row in found])
    if more:
        output.note(f"There are more: --limit {limit * 10}, or --json for programs.")


def _summary(row: Row) -> dict[str, Any]:
    """Ids as the API has them: strings of digits."""
    ids = {name: None if row[name] is None else str(row[name]) for name in ("event_id", "ticket_id")}
    return {**dict(row), **ids}


def _wide(row: Row) -> list[Any]:
    return [
        row["event_id"],
        row["ticket_id"],
        row["field"],
        shortened(row["ours"]),
        shortened(row["theirs"]),
        _when(row["since"]),
        _when(row["found_at"]),
        row["cause"],
    ]


def _narrow(row: Row) -> list[Any]:
    """The same in two lines."""
    event, ticket, field, ours, theirs, since, found, cause = (str(value or "-") for value in _wide(row))
    return [f"{event}\n{ticket}", f"{field}\n{cause}", f"{ours}\n{theirs}", f"{since}\n{found}"]


def shortened(value: Any) -> str:
    """A string as it is, anything else as JSON; one line of at most MAX_VALUE characters."""
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    line = " ".join(text.split()) or '""'
    return line if len(line) <= MAX_VALUE else line[: MAX_VALUE - 1] + "…"


def _when(time: datetime | None) -> str | None:
    return None if time is None else f"{time:%m-%d %H:%M:%S}"
