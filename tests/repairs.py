"""Long work, asked for as operators ask: by a row in `runs`, and read from it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from waiting import eventually
from whole_system import Running

Row = dict[str, Any]

ENDED = ("succeeded", "failed", "cancelled")
ENDS_WITHIN = 90.0  # seconds, on a busy machine
ASK = """
INSERT INTO runs (kind, scope, asked_by, options) VALUES ($1, $2, $3, $4)
ON CONFLICT (kind, scope) WHERE state IN ('asked', 'running') DO UPDATE SET kind = excluded.kind RETURNING id
"""


async def ask(running: Running, kind: str, scope: str = "", *, asked_by: str = "operator", **options: Any) -> int:
    """The id of the run; of the one that is open already, if there is one."""
    [row] = await running.sql(ASK, kind, scope, asked_by, orjson.dumps(options).decode())
    return int(row["id"])


async def none_is_due(running: Running) -> None:
    """No reconcile is under way, and the schedule asks for none in the next minutes: one of its own has just ended."""
    await ended(running, await ask(running, "reconcile", "window", asked_by="schedule"))


async def run_row(running: Running, run_id: int) -> Row:
    """With `cursor` and `report` read, not as text."""
    [row] = await running.sql("SELECT * FROM runs WHERE id = $1", run_id)
    texts = {name: orjson.loads(row[name]) for name in ("options", "cursor", "report") if row[name] is not None}
    return {**dict(row), **texts}


async def ended(running: Running, run_id: int, within: float = ENDS_WITHIN) -> Row:
    """The run once it is over, however it ended."""

    async def over() -> Row:
        row = await run_row(running, run_id)
        assert row["state"] in ENDED, {name: row[name] for name in ("state", "stage", "done", "expected", "error")}
        return row

    row: Row = await eventually(over, within, saying=f"run {run_id} is over")
    return row


async def carried_out(running: Running, kind: str, scope: str = "", within: float = ENDS_WITHIN, **options: Any) -> Row:
    """Ask, wait, and insist that it succeeded."""
    row = await ended(running, await ask(running, kind, scope, **options), within)
    assert row["state"] == "succeeded", f"{kind} {scope}: {row['error']}"
    return row


@asynccontextmanager
async def meanwhile(*works: Any) -> AsyncIterator[None]:
    """Coroutines that go on for as long as the block; whatever they raise, the block raises."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome
