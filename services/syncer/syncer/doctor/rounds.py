"""Ask for the doctor when a visit is due, by the database's clock."""

from datetime import timedelta

from syncer.backfill import was_read_whole
from syncer.runs import Runs


class Rounds:
    """`every` in seconds. The first visit is due as soon as everything was read once."""

    def __init__(self, runs: Runs, every: float) -> None:
        self._runs = runs
        self._every = timedelta(seconds=every)

    async def step(self) -> bool:
        """Ask if it is due; any number of replicas may. Never more to do."""
        last = await self._runs.last("doctor", "check")
        if last is None:
            due = await was_read_whole(self._runs.pool)
        else:
            due = last["now"] - last["finished_at"] >= self._every
        if due:
            await self._runs.ask("doctor", "check", asked_by="schedule")
        return False
