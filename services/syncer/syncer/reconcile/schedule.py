"""Ask for reconciles when they are due, by the database's clock; any number of replicas may ask at once."""

import asyncpg

from shared.postgres import queries, transaction
from syncer import metrics
from syncer.runs import Runs

SQL = queries("syncer", "reconcile/reconcile.sql")


class Schedule:
    """`window_every` and `whole_every` in seconds."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", window_every: float, whole_every: float) -> None:
        self._pool = pool
        self._runs = Runs(pool)
        self._every = (window_every, whole_every)

    async def step(self) -> bool:
        """Ask for what is due, and keep the metrics of what ended. False: look again later."""
        async with transaction(self._pool) as connection:
            await connection.execute(SQL.lock_schedule)
            due = await connection.fetchrow(SQL.due, *self._every)
            for scope in ("whole", "window"):
                if due is not None and due[f"{scope}_is_due"]:
                    await self._runs.ask("reconcile", scope, asked_by="schedule", connection=connection)
                    break  # whoever compares everything compares the window, too
        async with transaction(self._pool) as connection:
            for last in await connection.fetch(SQL.last_ends):
                metrics.RECONCILE_SECONDS.labels(last["scope"]).set(last["seconds"])
                if last["age"] is not None:
                    metrics.RECONCILE_AGE.labels(last["scope"]).set(last["age"])
        return False
