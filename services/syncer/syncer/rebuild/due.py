"""Know whether what readers see was made by the code and the settings of today; if not, ask for a rebuild."""

import structlog

from shared.postgres import queries, transaction
from syncer import metrics
from syncer.rebuild.version import Making, difference
from syncer.runs import Runs

log = structlog.get_logger()
SQL = queries("syncer", "rebuild/rebuild.sql")

IN_VAIN = 86_400.0  # seconds after a rebuild that came to nothing until another one is asked for without an operator


class Due:
    """`automatically`: ask by itself; else only say so."""

    def __init__(self, runs: Runs, making: Making, *, automatically: bool) -> None:
        self._runs = runs
        self._making = making
        self._automatically = automatically

    async def rebuild_due(self) -> str | None:
        """Why the projections must be made anew, in words; None: they need not, or nothing was ever read whole.

        Tables that nothing was read into yet are made as we make them: that is written down.
        """
        async with transaction(self._runs.pool) as connection:
            row = await connection.fetchrow(SQL.get_making)
            filled = await connection.fetchval(SQL.is_filled)
            if row is None and (not filled or await connection.fetchval(SQL.is_empty)):
                await connection.execute(SQL.put_making, self._making.version, self._making.rules, None)
                return None
        if not filled:
            return None
        if row is None:
            return "nobody wrote down by which settings the events were made"
        return difference(Making(row["version"], row["rules"]), self._making)

    async def step(self) -> bool:
        """Look, and ask. Never more to do."""
        reason = await self.rebuild_due()
        metrics.REBUILD_DUE.set(reason is not None)
        if reason is None:
            return False
        run_id = await self._ask()
        log.warning("rebuild.due", reason=reason, run=run_id, todo=None if run_id else "run `understudy rebuild`")
        return False

    async def _ask(self) -> int | None:
        """None: not by ourselves. One that failed, or that somebody cancelled, is not begun anew at every look."""
        if not self._automatically:
            return None
        async with transaction(self._runs.pool) as connection:
            if await connection.fetchval(SQL.was_in_vain, IN_VAIN):
                return None
            return await self._runs.ask("rebuild", asked_by="start", connection=connection)
