"""How many statements PostgreSQL carried out for one event, as PostgreSQL itself says: it logs them while we look."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ops import bus
from ops.database import postgres as connected
from ops.failures import Refused

KNOWN = 7  # statements that a look is tried with first
# With the extended protocol, a statement's parameters are on a line of their own behind it.
PARAMETER = re.compile(r"DETAIL: +parameters: .*?\$1 = '(-?\d+)'", re.IGNORECASE)
TRIAL = "SELECT revision FROM events WHERE id = $1"
IN_FORCE_WITHIN = 10.0  # seconds for a setting
POLL = 0.05  # seconds
NOBODY = -1  # the id of no event


class Statements:
    """`of(event_id)`: statements whose first parameter it was, since the look began."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._from = log.stat().st_size

    def of(self, event_id: int) -> int:
        with self._log.open("rb") as log:
            log.seek(self._from)
            text = log.read().decode(errors="replace")
        return sum(int(number) == event_id for number in PARAMETER.findall(text))


@contextmanager
def counted(dsn: str, log: Path) -> Iterator[Statements]:
    """While this lasts, every statement is logged. Raises Refused when the log lacks what was sent to try it."""
    bus.run(_set(dsn, "ALTER SYSTEM SET log_statement = 'all'", "all"))
    try:
        looking = Statements(log)
        bus.run(_try_out(dsn))
        if (seen := looking.of(NOBODY)) != KNOWN:
            raise Refused(f"PostgreSQL logged {seen} of {KNOWN} statements in {log}; nothing can be counted")
        yield looking
    finally:
        bus.run(_set(dsn, "ALTER SYSTEM RESET log_statement", "none"))


async def _set(dsn: str, statement: str, becomes: str) -> None:
    """Until new sessions have it: the old ones were told before."""
    async with connected(dsn) as database:
        await database.rows(statement)
        await database.rows("SELECT pg_reload_conf()")
    async with asyncio.timeout(IN_FORCE_WITHIN):
        while True:
            async with connected(dsn) as database:
                rows = await database.rows("SHOW log_statement")
            if rows[0]["log_statement"] == becomes:
                return
            await asyncio.sleep(POLL)


async def _try_out(dsn: str) -> None:
    async with connected(dsn) as database:
        for _ in range(KNOWN):
            await database.rows(TRIAL, NOBODY)
