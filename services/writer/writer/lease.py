"""The time-limited right to dispatch: a row with an owner, an epoch and an expiry by PostgreSQL's clock.

One replica holds it. Whoever takes it over has a higher epoch, and every transition of a dispatcher's carries its own;
Shopify knows no epochs, so right before a request leaves `left` says how long the lease lasts for certain.
"""

import os
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import structlog

from shared.errors import Transient, UnderstudyError
from shared.postgres import Connection, queries, transaction
from shared.shopify.clock import Clock
from writer import metrics

log = structlog.get_logger()
SQL = queries("writer", "lease.sql")

NEWEST = 0.1  # of the latest answer in the average of how long they take


class LeaseLost(Transient):
    """Another dispatcher may have taken over."""


class Lease:
    """`step` takes it, or renews it; run it several times in `seconds`, over a pool that nobody else uses up."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", seconds: float, clock: Clock | None = None) -> None:
        self.owner = f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}"
        self.epoch = 0
        self.latency: float | None = None  # seconds that a mutation took lately; handed on with the lease
        self._pool = pool
        self.seconds = seconds
        self._monotonic = (clock or Clock()).monotonic  # goes on while the machine is suspended
        self._ends_at = float("-inf")

    def left(self) -> float:
        """Seconds that it lasts for certain: by our own clock, from before we asked for it."""
        return max(0.0, self._ends_at - self._monotonic())

    @property
    def held(self) -> bool:
        return self.left() > 0.0

    async def step(self) -> bool:
        """Take or renew it; never more at once. Raises PostgresUnavailable, PostgresBusy: it is as it was."""
        asked_at = self._monotonic()
        try:
            async with transaction(self._pool) as connection:
                epoch = await connection.fetchval(SQL.renew, self.owner, self.seconds, self.latency)
                if epoch is None and await connection.fetchval(SQL.find_free):
                    epoch = await connection.fetchval(SQL.take, self.owner, self.seconds)
        except UnderstudyError as error:
            log.warning("lease.not_renewed", left=round(self.left(), 2), reason=str(error))
            raise
        if epoch is None:
            self._lose()
        else:
            self._keep(epoch, asked_at + self.seconds)
        metrics.LEADING.set(self.held)
        return False

    def took(self, seconds: float) -> None:
        """A mutation was answered after so long."""
        self.latency = seconds if self.latency is None else self.latency + (seconds - self.latency) * NEWEST

    async def release(self) -> None:
        """Let another one have it now. Nothing of ours may be under way any more."""
        if not self.held:
            return
        self._ends_at = float("-inf")
        metrics.LEADING.set(0)
        async with transaction(self._pool) as connection:
            await connection.execute(SQL.release, self.owner, self.epoch)
        log.info("lease.released", epoch=self.epoch)

    def _keep(self, epoch: int, ends_at: float) -> None:
        if epoch != self.epoch:
            log.info("lease.taken", epoch=epoch, owner=self.owner)
        self.epoch, self._ends_at = epoch, ends_at

    def _lose(self) -> None:
        if self._ends_at != float("-inf"):
            log.warning("lease.lost", epoch=self.epoch)
        self._ends_at = float("-inf")


@asynccontextmanager
async def holding(pool: "asyncpg.Pool[asyncpg.Record]", epoch: int) -> AsyncIterator[Connection]:
    """A transaction in which the lease is ours: the next holder waits until it has ended.

    Raises:
        LeaseLost: it is not; nothing was written.
        PostgresUnavailable: what `shared.postgres.transaction` says.
    """
    async with transaction(pool) as connection:
        if not await connection.fetchval(SQL.prove, epoch):
            raise LeaseLost(f"epoch {epoch} holds it no more")
        yield connection
