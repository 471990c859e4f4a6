"""The lines of an export in PostgreSQL, until they are products again.

What was staged and where to go on are one commit. The table keeps no log, so that it costs little: a crash of
PostgreSQL empties it. Whoever reads from it looks whether it is all there (`ExportLost`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from shared.postgres import queries, transaction
from syncer.export import lines
from syncer.export.assembly import Staged
from syncer.export.download import Lines
from syncer.export.errors import ExportLost, ExportMalformed, ExportTruncated
from syncer.export.lines import Kind
from syncer.export.parts import Part

SQL = queries("syncer", "export/export.sql")

CODES: dict[Kind, bytes] = {"product": b"p", "variant": b"v", "medium": b"m", "level": b"l"}
COLUMNS = ("part", "kind", "id", "parent", "place", "children", "media", "line", "updated_at")
ADDED_AT_ONCE = 2000  # products whose lines one statement adds up
HANDED_AT_ONCE = 100  # products that are put together at once,
HANDED_VARIANTS = 500  # or fewer, with this many variants: bounds what is in memory
DROPPED_AT_ONCE = 50_000  # lines
ASKED_FOR_ONE_BY_ONE = 20  # products of a part that don't add up and are no sign of a cut: they were edited meanwhile,
SHARE_OF_THEM = 0.01  # or this share of all


@dataclass(frozen=True, slots=True)
class Sum:
    products: int = 0
    tickets: int = 0
    levels: int = 0
    media: int = 0
    differing: int = 0
    examples: tuple[int, ...] = ()

    @property
    def lines(self) -> int:
        return self.products + self.tickets + self.levels + self.media

    def plus(self, row: asyncpg.Record) -> "Sum":
        return Sum(
            self.products + row["products"],
            self.tickets + row["tickets"],
            self.levels + row["levels"],
            self.media + row["media"],
            self.differing + row["differing"],
            (self.examples + tuple(row["examples"] or ()))[:5],
        )


class Staging:
    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool

    async def put(self, part: Part, batch: Lines) -> None:
        """Keep these lines, and that the download has come so far.

        Raises:
            ExportMalformed: one of them is none; nothing of the batch was kept.
        """
        records = [_record(part.id, place, line) for place, line in batch]
        last, line = batch[-1]
        reached, number = last + len(line) + 1, part.lines + len(batch)
        async with transaction(self._pool) as connection:
            await connection.copy_records_to_table("export_lines", records=records, columns=COLUMNS)
            await connection.execute(SQL.staged_on, part.id, reached, number)
        part.bytes, part.lines = reached, number

    async def is_lost(self, part: Part) -> bool:
        async with transaction(self._pool) as connection:
            return part.lines > 0 and not await connection.fetchval(SQL.any_line, part.id)

    async def drop(self, part: Part) -> None:
        """Forget the lines of a part, whose row says already that it has none."""
        while True:
            async with transaction(self._pool) as connection:
                status = await connection.execute(SQL.drop_lines, part.id, DROPPED_AT_ONCE)
            if int(status.split()[-1]) < DROPPED_AT_ONCE:
                return

    async def add_up(self, part: Part) -> Sum:
        """Count the products of a part, and the children of each.

        Raises:
            ExportLost: the table is not what was staged.
            ExportTruncated: it is, and lacks parents, or the children of more products than are edited in that time.
        """
        async with transaction(self._pool) as connection:
            await connection.execute(SQL.look_at_lines)
        total, last = Sum(), 0
        while True:
            async with transaction(self._pool) as connection:
                [row] = await connection.fetch(SQL.add_up, part.id, last, ADDED_AT_ONCE)
            total, last = total.plus(row), row["last"]
            if row["products"] < ADDED_AT_ONCE:
                break
        if total.lines != part.lines:
            async with transaction(self._pool) as connection:
                kept = await connection.fetchval(SQL.count_lines, part.id)
            if kept != part.lines:
                raise ExportLost(f"{kept} of {part.lines} lines are staged")
            raise ExportTruncated(f"{part.lines - total.lines} lines belong to nothing that came")
        if total.differing > max(ASKED_FOR_ONE_BY_ONE, SHARE_OF_THEM * total.products):
            words = f"{total.differing} products lack variants, media or stock levels, e.g. {list(total.examples)}"
            raise ExportTruncated(words)
        return total

    async def next(self, part: Part, after: int) -> list[Staged]:
        """The lines of the products that come after the product `after`; none: there is no more."""
        async with transaction(self._pool) as connection:
            rows = await connection.fetch(SQL.next_lines, part.id, after, HANDED_AT_ONCE, HANDED_VARIANTS)
        return [Staged(row["kind"], row["id"], row["parent"], row["line"]) for row in rows]

    async def forget(self, run_id: int, parts: Sequence[Part]) -> None:
        """Drop a run's parts with all their lines: at once where no other run has any."""
        async with transaction(self._pool) as connection:
            shared = await connection.fetchval(SQL.other_parts, run_id)
            if parts and not shared:
                await connection.execute(SQL.empty_lines)
        for part in parts if shared else ():
            await self.drop(part)
        async with transaction(self._pool) as connection:
            await connection.execute(SQL.forget_parts, run_id)


def _record(part: int, place: int, line: bytes) -> tuple[object, ...]:
    try:
        read = lines.read(line)
    except ExportMalformed as error:
        raise ExportMalformed(f"byte {place}: {error}") from None
    return (part, CODES[read.kind], read.id, read.parent, place, read.children, read.media, line, read.updated_at)
