"""Read everything: plan the parts, carry each through, all at once; hand products on, whole or not at all.

Everything that it knows is in `export_parts` and `export_lines`: whoever goes on after a crash calls `read` again.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import asyncpg
import httpx2
import orjson
import structlog

from shared.errors import Permanent
from shared.postgres import queries, transaction
from shared.shopify import ShopifyClient
from shared.shopify.shares import Share
from syncer.export import query
from syncer.export.assembly import Assembled
from syncer.export.carrier import Carrier, Clock
from syncer.export.download import results
from syncer.export.errors import ExportError, ExportLost
from syncer.export.operations import Ends, Operations, Pace, Wake
from syncer.export.parts import Part
from syncer.export.ranges import Range, cut, probes
from syncer.export.staging import Staging
from syncer.graphql_nodes import Node
from syncer.rules import Rules
from syncer.runs import Run, Runs
from syncer.store import want

log = structlog.get_logger()
SQL = queries("syncer", "export/export.sql")

WORTH_A_PART = 2000  # products; fewer are not worth an operation of their own
PROBES = 7  # ids up to which Shopify counts, to see where products lie
SAY_INTERVAL = 0.5  # seconds between looks at how far it has come
LISTED_AT_ONCE = 5000  # ids
TRIES = 5  # failed reads of one product, before nobody waits for it any more
NAMED = 100  # ids that a report names
REASON = "export"  # of a refetch


@dataclass(frozen=True, slots=True)
class Seen:
    """A product as Shopify had it at `began_at` (our clock) or later; `node` as documents/product.graphql has it."""

    product_id: int
    node: Node
    began_at: datetime


@dataclass(frozen=True)
class Counts:
    """What came out. `expected`: products, as Shopify counted before it began. `seconds` by phase add up over parts,
    which go on at once. `refetched`: products that were edited while they were read, and are read one by one.
    `too_large`: ids of those that no message can hold; none of them was said.
    """

    products: int
    tickets: int
    levels: int
    operations: int
    bytes: int
    lines: int
    refetched: int
    expected: int
    seconds: dict[str, float] = field(default_factory=dict)
    too_large: Sequence[int] = ()

    def report(self) -> dict[str, object]:
        return asdict(self) | {"too_large": list(self.too_large[:NAMED])}


@dataclass(frozen=True)
class Unprojected:
    """Ids of what an export saw. `missing`: events without a living row; `behind`: it is of an older product."""

    missing: list[int] = field(default_factory=list)
    behind: list[int] = field(default_factory=list)


# Returns the ids of those that are too large to be handed on, if it knows of such.
OnProducts = Callable[[Sequence[Seen]], Awaitable[Sequence[int] | None]]


class Export:
    """`origins`: where results may be kept (BULK_RESULT_ORIGINS). `at_once`: operations, if Shopify lets them."""

    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        client: ShopifyClient,
        rules: Rules,
        origins: Collection[str],
        at_once: int = 3,
        pace: Pace | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._pool = pool
        self._client = client
        self._rules = rules
        self._origins = origins
        self._at_once = at_once
        self._pace = pace or Pace()
        self._transport = transport
        self._runs = Runs(pool)
        self._woken = Wake()
        self._staging = Staging(pool)

    def noticed(self) -> None:
        """A bulk operation has ended, says a webhook: whoever waits for one looks at once."""
        self._woken()

    async def read(
        self, run: Run, share: Share, on_products: OnProducts, *, stage: str = "publishing", reason: str = REASON
    ) -> Counts:
        """Hand every product to `on_products`, some at a time, never twice at once; then say what it was.

        A call that returns means that these need not come again, and that those it returns never will. A product that
        does not add up goes into `refetches` with this `reason` instead. Call it again after any error but a
        `Permanent` one: it goes on where it stopped.

        Raises:
            ExportError: some range of products could not be read; nothing of that range was handed on.
            RunCancelled, and whatever `on_products` raises.
            others: later.
        """
        clock = Clock()
        operations = Operations(self._client.acting_for(share), self._pace, self._woken)
        await self._forget_ended(run)
        parts = await self._parts(run) or await self._plan(run, operations)
        async with results(self._origins, self._pace.silence, self._transport) as kept:
            carrier = Carrier(self._pool, operations, kept, self._rules, self._pace, self._woken, clock)
            await carrier.cancel_strays()

            async def hand_on(part: Part, chunk: Sequence[Assembled]) -> None:
                with clock.phase("hand"):
                    await self._hand_on(run, part, chunk, on_products, reason)

            ended = asyncio.Event()

            async def carry_all() -> None:
                await _all([carrier.carry(part, hand_on) for part in parts])
                ended.set()

            await _all([carry_all(), self._say(run, parts, stage, ended)])
            await carrier.cancel_strays()
        return _counts(parts, clock)

    async def unseen(self, run: Run) -> list[int]:
        """Living events that an export, which has been read, did not see. Each may be gone, or be no part of it.

        Raises:
            ExportLost: what it saw is not known any more (PostgreSQL crashed).
        """
        return [row["id"] async for row in self._listed(run, SQL.unseen)]

    async def unprojected(self, run: Run, rules: Rules) -> Unprojected:
        """What came to nothing, once all that was said is handled, of what `rules` name an event. Raises as `unseen`.

        A change that came in since only makes a row newer. A product that is no event any more leaves none behind.
        """
        found = Unprojected()
        async for row in self._listed(run, SQL.unprojected):
            if row["lives"]:
                found.behind.append(row["id"])
            elif rules.names_event(orjson.loads(row["product_type"]) or "", orjson.loads(row["tags"]) or ()):
                found.missing.append(row["id"])
        return found

    async def still_wanted(self, reason: str = REASON) -> int:
        """How many products that did not add up have not been read one by one yet, but those that are `unread`."""
        async with transaction(self._pool) as connection:
            wanted: int = await connection.fetchval(SQL.still_wanted, reason, TRIES)
            return wanted

    async def unread(self, reason: str = REASON) -> list[int]:
        """Some of the products whose reads failed again and again. They go on being tried."""
        async with transaction(self._pool) as connection:
            return [row["id"] for row in await connection.fetch(SQL.unread, reason, TRIES, NAMED)]

    async def forget(self, run: Run) -> None:
        """Drop what was staged for this run."""
        await self._staging.forget(run.id, await self._parts(run))

    async def _listed(self, run: Run, statement: str) -> AsyncIterator[asyncpg.Record]:
        parts = await self._parts(run)
        async with transaction(self._pool) as connection:
            staged = await connection.fetchval(SQL.count_products, run.id)
        if any(part.state != "handed" for part in parts) or staged != sum(part.products for part in parts):
            raise ExportLost(f"{staged} of {sum(part.products for part in parts)} products are staged")
        last = 0
        while True:
            async with transaction(self._pool) as connection:
                rows = await connection.fetch(statement, run.id, last, LISTED_AT_ONCE)
            for row in rows:
                yield row
            if len(rows) < LISTED_AT_ONCE:
                return
            last = rows[-1]["id"]

    # Parts

    async def _parts(self, run: Run) -> list[Part]:
        """As they were left; none when there are none yet, or when they ask for something else than we would now."""
        async with transaction(self._pool) as connection:
            parts = [Part(**row) for row in await connection.fetch(SQL.parts, run.id)]
        if any(part.asks != query.digest(self._rules) for part in parts):
            log.info("export.asks_otherwise", run=run.id)
            await self._staging.forget(run.id, parts)
            return []
        return parts

    async def _plan(self, run: Run, operations: Operations) -> list[Part]:
        ends = await operations.ends()
        wanted = max(1, min(self._at_once, ends.total // WORTH_A_PART))
        ranges = [Range()] if wanted == 1 else await self._ranges(wanted, ends, operations)
        async with transaction(self._pool) as connection:
            asks = query.digest(self._rules)
            planned = [(run.id, each.low, each.high, asks, ends.total) for each in ranges]
            await connection.executemany(SQL.plan_part, planned)
        log.info("export.planned", run=run.id, expected=ends.total, parts=[str(each) for each in ranges])
        return await self._parts(run)

    async def _ranges(self, wanted: int, ends: Ends, operations: Operations) -> list[Range]:
        ids = probes(ends.low, ends.high, PROBES)
        counted = await asyncio.gather(*(operations.count(Range(None, id_)) for id_ in ids))
        known = [(id_, count) for id_, count in zip(ids, counted, strict=True) if count is not None]
        return cut(wanted, ends.low, ends.high, known, ends.total)

    async def _forget_ended(self, run: Run) -> None:
        """What runs left behind that failed, or were cancelled."""
        async with transaction(self._pool) as connection:
            ended = [row["run_id"] for row in await connection.fetch(SQL.ended_runs)]
            parts = {run_id: await connection.fetch(SQL.parts, run_id) for run_id in ended if run_id != run.id}
        for run_id, rows in parts.items():
            await self._staging.forget(run_id, [Part(**row) for row in rows])

    async def _hand_on(
        self, run: Run, part: Part, chunk: Sequence[Assembled], on_products: OnProducts, reason: str
    ) -> None:
        if part.began_at is None:
            raise ExportError("an operation that never began")
        whole = [Seen(each.product_id, each.node, part.began_at) for each in chunk if each.missing is None]
        odd = [each for each in chunk if each.missing is not None]
        too_large = list(await on_products(whole) or ())
        last = chunk[-1].product_id
        async with transaction(self._pool) as connection:
            for each in odd:
                log.info("export.does_not_add_up", product=each.product_id, missing=each.missing)
                await want(connection, "product", each.product_id, reason, part.began_at)
            await connection.execute(SQL.handed_on, part.id, last, len(chunk), len(odd), too_large)
            await connection.execute(SQL.got_further, run.id)
        part.handed_to, part.handed, part.refetched = last, part.handed + len(chunk), part.refetched + len(odd)
        part.too_large = part.too_large + too_large

    async def _say(self, run: Run, parts: Sequence[Part], stage: str, ended: asyncio.Event) -> None:
        """How far it has come, until all is done. A cancelled run ends here."""
        expected, said = parts[0].expected, ("", -1)
        while True:
            handed, found = (sum(getattr(part, name) for part in parts) for name in ("handed", "found"))
            now = (stage, handed) if handed else ("exporting", found)
            if not found and any(part.waits for part in parts):
                now = ("waiting for other bulk operations", 0)
            if now != said:
                await self._runs.progress(run, *now, max(expected, now[1]))
                said = now
            if ended.is_set():
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), SAY_INTERVAL)


def _counts(parts: Sequence[Part], clock: Clock) -> Counts:
    def total(name: str) -> int:
        return sum(getattr(part, name) for part in parts)

    return Counts(
        products=total("products"),
        tickets=total("tickets"),
        levels=total("levels"),
        operations=total("operations"),
        bytes=total("bytes"),
        lines=total("lines"),
        refetched=total("refetched"),
        expected=parts[0].expected,
        seconds={name: round(seconds, 3) for name, seconds in sorted(clock.seconds.items())},
        too_large=tuple(sorted(id_ for part in parts for id_ in part.too_large)),
    )


async def _all(works: Sequence[Any]) -> None:
    """Until all are done. The first that fails ends the others, and is raised; of several, one that is final."""
    try:
        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(work)
    except BaseExceptionGroup as failed:
        errors = list(failed.exceptions)
        raise next((error for error in errors if isinstance(error, Permanent)), errors[0]) from None
