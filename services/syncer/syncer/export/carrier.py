"""Carry one part of an export through, from being planned to being handed on, and on from wherever it stopped.

planned -> starting -> running -> staged -> whole -> handed
|          |
+----------+--> downloaded once more, then the operation started once more, then given up
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import asyncpg
import structlog

from shared.ending import end
from shared.postgres import queries, transaction
from syncer import metrics
from syncer.export import query
from syncer.export.assembly import Assembled, assemble
from syncer.export.download import Lines, Results
from syncer.export.errors import (
    ExportError,
    ExportExpired,
    ExportFailed,
    ExportLost,
    ExportMalformed,
    ExportRefused,
    ExportStalled,
    ExportTruncated,
    ResultUnavailable,
    TooManyExports,
)
from syncer.export.operations import Operation, Operations, Pace, Wake
from syncer.export.parts import Part
from syncer.export.staging import Staging, Sum
from syncer.rules import Rules

log = structlog.get_logger()
SQL = queries("syncer", "export/export.sql")

OPERATIONS = 3  # started for one part, before it is given up
DOWNLOADS = 2  # of one operation's result, from the first byte
BREAKS = 5  # of a download in a row, without a line in between
LOOKS_AT_COUNT = 3  # before a count that is too low is believed: Shopify's index lags
BATCH = 1 << 20  # bytes of lines that are staged at once

HandOn = Callable[[Part, Sequence[Assembled]], Awaitable[None]]


@dataclass
class Clock:
    """Seconds by phase: of all parts together, which go on at the same time."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - began
            self.seconds[name] = self.seconds.get(name, 0.0) + spent
            metrics.EXPORT_SECONDS.labels(name).inc(spent)


class Carrier:
    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        operations: Operations,
        results: Results,
        rules: Rules,
        pace: Pace,
        woken: Wake,
        clock: Clock,
    ) -> None:
        self._pool = pool
        self._operations = operations
        self._results = results
        self._rules = rules
        self._pace = pace
        self._woken = woken
        self._clock = clock
        self._staging = Staging(pool)
        self._handing = asyncio.Lock()

    async def carry(self, part: Part, hand_on: HandOn) -> None:
        """Until it is handed on.

        Raises:
            ExportError: what went wrong at the last of all attempts, and which products are missing.
            others: it can go on later from where it stands.
        """
        while part.state != "handed":
            try:
                await self._advance(part, hand_on)
            except ExportError as error:
                metrics.EXPORT_FAILURES.labels(type(error).__name__).inc()
                await self._mend(part, error)
            except ExportLost as error:
                metrics.EXPORT_FAILURES.labels(type(error).__name__).inc()
                log.warning("export.lost", part=part.id, products=str(part.range), error=str(error))
                await self._download_anew(part, counts=0)

    async def _advance(self, part: Part, hand_on: HandOn) -> None:
        """One step further."""
        match part.state:
            case "planned" | "starting":
                with self._clock.phase("start"):
                    await self._start(part)
            case "running":
                await self._download(part)
            case "staged":
                with self._clock.phase("check"):
                    await self._check(part)
            case _:
                async with self._handing:  # one part after the other: two chunks are in memory, not two of each part
                    await self._hand(part, hand_on)

    # Starting

    async def _start(self, part: Part) -> None:
        if part.state == "starting" and part.name is not None:  # whether it was, nobody knew when we stopped
            operation = await self._operations.find(part.name)
            if operation is not None:
                return await self._started(part, operation)
        deadline = time.monotonic() + self._pace.start_within
        while True:
            waiting = self._woken.waiting()
            try:
                return await self._started(part, await self._ask(part))
            except TooManyExports as error:
                part.waits = True
                log.info("export.waits", part=part.id, reason=str(error))
                if time.monotonic() > deadline:
                    raise
            await self.cancel_strays()
            await waiting(self._pace.ask_again)

    async def _ask(self, part: Part) -> str:
        began_at = datetime.now(UTC)  # what Shopify says of an earlier moment is older than this
        async with transaction(self._pool) as connection:
            name = await connection.fetchval(SQL.name_operation, part.id, began_at)
        part.state, part.name, part.began_at, part.downloads = "starting", name, began_at, 1
        part.operations += 1
        try:
            return await self._operations.start(query.bulk_query(name, self._rules, part.range))
        except (TooManyExports, ExportRefused):
            async with transaction(self._pool) as connection:
                await connection.execute(SQL.unstarted, part.id)
            part.state, part.name = "planned", None
            part.operations -= 1
            raise

    async def _started(self, part: Part, operation: str) -> None:
        async with transaction(self._pool) as connection:
            await connection.execute(SQL.started, part.id, operation)
        part.state, part.operation, part.waits = "running", operation, False
        log.info("export.started", part=part.id, products=str(part.range), operation=operation)

    async def cancel_strays(self) -> None:
        """Operations of ours that nobody waits for: their run was cancelled, or whoever started them died of it."""
        async with transaction(self._pool) as connection:
            names = [row["name"] for row in await connection.fetch(SQL.strays)]
        if names:
            await self._operations.cancel(names)
            async with transaction(self._pool) as connection:
                await connection.execute(SQL.drop_names, names)

    # Downloading

    async def _download(self, part: Part) -> None:
        """Once the operation is completed, stage its result to the end."""
        if await self._staging.is_lost(part):
            raise ExportLost
        operation = await self._completed(part)
        breaks, before = 0, part.bytes
        while operation.url is not None:
            try:
                with self._clock.phase("download"):
                    await self._stage(part, operation)
                break
            except ResultUnavailable:
                breaks = breaks + 1 if part.bytes == before else 1
                before = part.bytes
                if breaks > BREAKS:
                    raise
                log.info("export.broke_off", part=part.id, bytes=part.bytes, breaks=breaks)
                await self._woken.waiting()(min(self._pace.longest_poll, self._pace.first_poll * 2**breaks))
                operation = await self._completed(part)
        if part.lines != operation.objects:
            raise ExportTruncated(f"{part.lines} lines came, Shopify's objectCount is {operation.objects}")
        async with transaction(self._pool) as connection:
            await connection.execute(SQL.all_staged, part.id, operation.created_at, operation.roots)
        part.state, part.opened_at, part.roots = "staged", operation.created_at, operation.roots

    async def _completed(self, part: Part) -> Operation:
        if part.operation is None:
            raise ExportExpired("no operation was started")
        with self._clock.phase("shopify"):
            operation = await self._operations.finished(part.operation, part.saw)
        self._woken()  # where there was no room for another operation, there may be now
        return operation

    async def _stage(self, part: Part, operation: Operation) -> None:
        batch: Lines = []
        held = 0
        if operation.size is not None and part.bytes >= operation.size:
            return  # all of it is staged; the last line's feed counted, whether it is there or not
        try:
            async for lines in self._results.lines(operation.url or "", part.bytes, operation.size):
                batch += lines
                held += sum(len(line) for _, line in lines)
                if held >= BATCH:
                    await self._put(part, batch)
                    batch, held = [], 0
        except ResultUnavailable:
            if batch:  # a way that breaks often gets further, too
                await self._put(part, batch)
            raise
        if batch:
            await self._put(part, batch)

    async def _put(self, part: Part, batch: Lines) -> None:
        with self._clock.phase("stage"):
            before = part.bytes
            await self._staging.put(part, batch)
        metrics.EXPORT_LINES.inc(len(batch))
        metrics.EXPORT_BYTES.inc(part.bytes - before)

    # Checking

    async def _check(self, part: Part) -> None:
        """Nothing is handed on before all of it has been found to be there."""
        total = await self._staging.add_up(part)
        if part.roots is not None and total.products != part.roots:
            raise ExportTruncated(f"{total.products} products came, Shopify's rootObjectCount is {part.roots}")
        await self._compare_with_count(part, total)
        async with transaction(self._pool) as connection:
            await connection.execute(SQL.found_whole, part.id, total.products, total.tickets, total.levels)
        part.state, part.products, part.tickets, part.levels = "whole", total.products, total.tickets, total.levels
        log.info("export.whole", part=part.id, products=total.products, differing=total.differing)

    async def _compare_with_count(self, part: Part, total: Sum) -> None:
        """Whoever was there when it began, and still is, must have come; who was created since explains the rest."""
        for look in range(1, LOOKS_AT_COUNT + 1):
            counted = await self._operations.count(part.range)
            if counted is None or counted <= total.products:
                return
            created = 0
            if part.opened_at is not None:
                since = f"created_at:>='{part.opened_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}'"
                created = await self._operations.count(part.range, since) or 0
            if counted - created <= total.products:
                return
            if look < LOOKS_AT_COUNT:
                await asyncio.sleep(self._pace.ask_again)
        words = f"{total.products} products came; Shopify counts {counted}, {created} of them new since it began"
        raise ExportTruncated(words)

    # Handing on

    async def _hand(self, part: Part, hand_on: HandOn) -> None:
        """Chunk by chunk; the next one is fetched while this one is worked off."""
        coming = asyncio.create_task(self._chunk(part, part.handed_to))
        try:
            while chunk := await coming:
                coming = asyncio.create_task(self._chunk(part, chunk[-1].product_id))
                await hand_on(part, chunk)
        finally:
            await end(coming)
        if part.handed != part.products:
            raise ExportLost(f"{part.handed} of {part.products} products could be put together")
        async with transaction(self._pool) as connection:
            await connection.execute(SQL.all_handed, part.id)
        part.state = "handed"

    async def _chunk(self, part: Part, after: int) -> list[Assembled]:
        with self._clock.phase("assemble"):
            return assemble(await self._staging.next(part, after))

    # Mending

    async def _mend(self, part: Part, error: ExportError) -> None:
        """Download it once more, or start the operation once more; or give up, and say what is missing."""
        log.warning("export.failed", part=part.id, products=str(part.range), state=part.state, error=repr(error))
        match error:
            case ExportTruncated() | ExportMalformed() if part.downloads < DOWNLOADS:
                await self._download_anew(part, counts=1)
            case ExportTruncated() | ExportMalformed() | ExportExpired() | ExportFailed() | ExportStalled() if (
                part.operations < OPERATIONS
            ):
                await self._start_anew(part)
                await asyncio.sleep(self._pace.mend_after)
            case _:
                raise type(error)(f"{part.range} could not be read: {error}") from error

    async def _download_anew(self, part: Part, counts: int) -> None:
        async with transaction(self._pool) as connection:
            await connection.execute(SQL.download_anew, part.id, counts)
        part.state, part.bytes, part.lines, part.downloads = "running", 0, 0, part.downloads + counts
        await self._staging.drop(part)

    async def _start_anew(self, part: Part) -> None:
        async with transaction(self._pool) as connection:
            await connection.execute(SQL.start_anew, part.id)
        part.state, part.name, part.operation = "planned", None, None
        part.bytes = part.lines = part.handed_to = part.handed = part.refetched = part.downloads = 0
        part.roots = part.opened_at = None
        await self._staging.drop(part)
