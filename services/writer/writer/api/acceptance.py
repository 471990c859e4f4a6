"""Accept a command: checked, stored and answered in one transaction, which nothing but PostgreSQL takes part in.

    in turn -> locks -> sent before? -> limits -> target -> If-Match -> doubts -> fields -> INSERT -> commit -> wake

Within an event, commands are stored one after the other, so that `seq` is the order of the answers (promise P7).
"""

import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any

import asyncpg
import structlog

from shared.errors import Transient, Unavailable
from shared.postgres import Connection, transaction
from shared.problems import Problem
from writer.api import checks, metrics
from writer.api.census import Census
from writer.api.checks import Known, Pending, Ticket
from writer.api.commands import Command
from writer.api.conditions import Condition
from writer.api.desk import Desk
from writer.api.errands import Errands
from writer.api.job_ids import new_job_id
from writer.api.limits import ClientRates
from writer.api.statements import SQL
from writer.api.turns import Turns

log = structlog.get_logger()

KNOWN = tuple(Known.__dataclass_fields__)
MOST_ERRORS = 20  # told of one command
FULL_RETRY_AFTER = 5  # seconds; a queue that is full empties at Shopify's pace
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """A command as a client sends it."""

    owner: str
    command: Command
    key: str | None = None
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """A row of `get_job`. `replayed`: it was accepted before, under the same key."""

    row: Row
    replayed: bool = False


class Refusal(Problem):
    """A command that does not become a job. `reason` is its word in metrics and logs."""

    def __init__(self, reason: str, status: int, detail: str, **more: Any) -> None:
        super().__init__(status, detail, **more)
        self.reason = reason


class Acceptance:
    def __init__(self, desk: Desk, census: Census) -> None:
        self._desk = desk
        self._census = census
        self._rates = ClientRates(desk.settings.writer_client_rate, desk.settings.writer_client_burst)
        self._turns = Turns()
        self._errands: Errands[Accepted] = Errands()

    async def accept(self, asked: Asked) -> Accepted:
        """Raises Refusal (409, 412, 422, 429, 503), or Unavailable: whether it was stored, only its key tells then."""
        kind = asked.command.kind
        try:
            accepted = await self._accept_once(asked)
        except Refusal as refusal:
            metrics.REFUSED.labels(kind, refusal.reason).inc()
            log.info("command.refused", kind=kind, reason=refusal.reason, owner=asked.owner)
            raise
        except Transient as error:
            metrics.REFUSED.labels(kind, "unavailable").inc()
            raise error if isinstance(error, Unavailable) else Unavailable(str(error)) from error
        if accepted.replayed:
            metrics.REPLAYED.labels(kind).inc()
        return accepted

    async def job(self, job_id: Any) -> Row | None:
        """With its place in the queue."""
        async with transaction(self._desk.pool()) as connection:
            return _row(await connection.fetchrow(SQL.get_job, job_id))

    async def _accept_once(self, asked: Asked) -> Accepted:
        """Who sends one command many times at once takes one connection, and gets one job."""
        if asked.key is None:
            return await self._accept(asked)
        same = (asked.owner, asked.key, asked.command.digest, asked.condition)
        accepted, shared = await self._errands.share(same, lambda: self._accept(asked))
        return replace(accepted, replayed=True) if shared else accepted

    async def _accept(self, asked: Asked) -> Accepted:
        began = time.perf_counter()
        accepted = await self._for_event(asked)
        if accepted.replayed:
            return accepted
        kind, job_id = asked.command.kind, str(accepted.row["id"])
        self._census.accepted(asked.owner)
        self._desk.wakeups.changed(job_id)
        metrics.ACCEPTED.labels(kind).inc()
        metrics.ACCEPTANCE_SECONDS.observe(time.perf_counter() - began)
        log.info("command.accepted", kind=kind, job=job_id, event_id=asked.command.event_id, owner=asked.owner)
        return accepted

    async def _for_event(self, asked: Asked) -> Accepted:
        await self._census.current()
        if asked.key is None:  # else it may have been sent before, which costs nothing
            await self._within_limits(asked.owner)
        async with AsyncExitStack() as stack:
            if asked.command.event_id is not None:
                await stack.enter_async_context(self._turns.of(asked.command.event_id))
            connection = await stack.enter_async_context(transaction(self._desk.pool()))
            return await self._store(connection, asked)

    async def _store(self, connection: Connection, asked: Asked) -> Accepted:
        command = asked.command
        if asked.key is not None:
            await connection.execute(SQL.lock_key, asked.owner, asked.key)
            found = await _sent_before(connection, asked)
            if found is not None:
                return found
            await self._within_limits(asked.owner)
        if command.event_id is not None:
            await connection.execute(SQL.lock_event, command.event_id)
        known = await _known(connection, command)
        _refuse("unknown", list(checks.of_target(command, known)))
        if asked.condition is not None:
            await _meet(connection, asked.condition, command, known)
        if command.kind == "ticket.edit" and "capacity" in command.fields:
            await _know_the_stock(connection, command)
        pending, tickets = await _foreseen(connection, command)
        _refuse("invalid", list(checks.of_fields(command, known, pending, tickets)))
        row = _row(await connection.fetchrow(
            SQL.insert_job, new_job_id(), command.kind, command.event_id, command.ticket_id,
            _stored(command, known), asked.owner, asked.key, command.digest,
        ))  # fmt: skip
        if row is None:
            raise Unavailable("PostgreSQL stored a job and did not say so")
        return Accepted(row)

    async def _within_limits(self, owner: str) -> None:
        settings, census = self._desk.settings, self._census
        seconds = self._rates.take(owner)
        if seconds > 0:
            raise _come_again("rate", 429, "You send commands faster than you may.", seconds)
        if census.of(owner) < settings.writer_client_open and census.open < settings.writer_max_open:
            return
        await census.renew()
        if census.of(owner) >= settings.writer_client_open:
            raise _come_again("client_full", 429, "You have as many open jobs as you may.", FULL_RETRY_AFTER)
        if census.open >= settings.writer_max_open:
            raise _come_again("full", 503, "More jobs are open than can be taken on.", FULL_RETRY_AFTER)


async def _sent_before(connection: Connection, asked: Asked) -> Accepted | None:
    """The job that this key has. Raises Refusal where it asked for something else."""
    row = await connection.fetchrow(SQL.get_by_key, asked.owner, asked.key)
    if row is None:
        return None
    if row["request_hash"] != asked.command.digest:
        raise Refusal(
            "key",
            422,
            "This Idempotency-Key was used for another command.",
            extensions={"errors": [{"detail": "was used for another command", "header": "Idempotency-Key"}]},
        )
    found = _row(await connection.fetchrow(SQL.get_job, row["id"]))
    return None if found is None else Accepted(found, replayed=True)


def _row(found: "asyncpg.Record | None") -> Row | None:
    return None if found is None else dict(found)


async def _known(connection: Connection, command: Command) -> Known:
    row = await connection.fetchrow(SQL.get_known, command.event_id, command.ticket_id, command.fields.get("handle"))
    if row is None:
        raise Unavailable("PostgreSQL has no row of one value")
    return Known(**{name: row[name] for name in KNOWN})


async def _foreseen(connection: Connection, command: Command) -> tuple[list[Pending], list[Ticket]]:
    kinds = checks.kinds_to_foresee(command)
    if not kinds:
        return [], []
    rows = await connection.fetch(SQL.get_pending, command.event_id, list(kinds))
    tickets: list[asyncpg.Record] = []
    if command.kind.startswith("ticket."):
        tickets = await connection.fetch(SQL.get_tickets, command.event_id)
    pending = [Pending(row["kind"], row["ticket_id"], row["command"]) for row in reversed(rows)]
    return pending, [Ticket(row["id"], row["name"]) for row in tickets]


async def _meet(connection: Connection, condition: Condition, command: Command, known: Known) -> None:
    """`If-Match`: the event is as the client has seen it, and nothing that was accepted is going to change it."""
    if command.event_id is None:
        raise Refusal("precondition", 412, "An event that doesn't exist yet has no revision.")
    unseen = [str(row["id"]) for row in await connection.fetch(SQL.get_unseen, command.event_id)]
    if unseen or not condition.holds(known.revision):
        detail = "Accepted commands for the event are not visible yet." if unseen else "The event has moved on."
        raise Refusal("precondition", 412, detail, extensions={"revision": known.revision, "jobs": unseen})


async def _know_the_stock(connection: Connection, command: Command) -> None:
    """A new capacity is a difference from the last one: on top of one in doubt it could sell tickets twice."""
    rows = await connection.fetch(SQL.get_stock_in_doubt, command.event_id, command.ticket_id)
    if not rows:
        return
    jobs = [str(row["id"]) for row in rows]
    detail = "It is not known whether an earlier new capacity took effect. An operator has to resolve that job first."
    error = {"detail": f"in doubt: job {', '.join(jobs)}", "pointer": "#/capacity"}
    raise Refusal("in_doubt", 409, detail, extensions={"jobs": jobs, "errors": [error]})


def _stored(command: Command, known: Known) -> dict[str, Any]:
    """A capacity that was never set, only observed, is what a new one is compared with."""
    fields = dict(command.fields)
    if command.kind == "ticket.edit" and "capacity" in fields and known.known_capacity is not None:
        fields["known_capacity"] = known.known_capacity
    return fields


def _refuse(reason: str, errors: list[checks.Error]) -> None:
    if errors:
        told = {"errors": errors[:MOST_ERRORS]}
        raise Refusal(reason, 422, "The command can't be carried out; `errors` says why.", extensions=told)


def _come_again(reason: str, status: int, detail: str, seconds: float) -> Refusal:
    return Refusal(reason, status, detail, headers={"Retry-After": str(max(1, round(seconds + 0.5)))})
