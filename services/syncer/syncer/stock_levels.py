"""Write stock levels, each guarded by a version of its own."""

from datetime import datetime

from shared.postgres import Connection, queries
from syncer.projections import Stock
from syncer.source import Level, Levels, SourceVersion
from syncer.versions import KnownLevel, judge_level

SQL = queries("syncer")


async def put_seen(
    connection: Connection, item_id: int, level: Level, seen_at: datetime
) -> tuple[bool, datetime | None]:
    """A webhook saw one level: whether it was stored; where it ties, when the later of the two was seen, else None."""
    return await _put(connection, {item_id: (level,)}, seen_at, is_read=False)


async def put_read(connection: Connection, levels: Levels, seen_at: datetime) -> bool:
    """We read all levels of these items: whether any stock moved. What is no longer shown is stocked there no more."""
    if not levels:
        return False
    shown = {(item_id, level.location_id) for item_id, of_item in levels.items() for level in of_item}
    gone: dict[int, tuple[Level, ...]] = {}
    for (item_id, location_id), known in (await _known(connection, levels)).items():
        if (item_id, location_id) not in shown and known.available is not None:
            # Its own `updated_at`, not our clock's: whatever Shopify says next of this level must be able to win.
            level = Level(location_id=location_id, available=None, updated_at=known.version.updated_at)
            gone[item_id] = (*gone.get(item_id, ()), level)
    everything = {item_id: (*of_item, *gone.get(item_id, ())) for item_id, of_item in levels.items()}
    moved, _ = await _put(connection, everything, seen_at, is_read=True)
    return moved


async def of_items(connection: Connection, items: list[int]) -> dict[int, tuple[Stock, ...]]:
    """The stock of each item, by location; a location where it is not stocked any more is left out.

    An item of which no level was ever seen is left out as well; one that is stocked nowhere is there, with nothing.
    """
    stock: dict[int, tuple[Stock, ...]] = {}
    for row in await connection.fetch(SQL.get_levels, items):
        levels = stock.setdefault(row["inventory_item_id"], ())
        if row["available"] is not None:
            level = Stock(row["location_id"], row["available"], row["committed"], row["on_hand"])
            stock[row["inventory_item_id"]] = (*levels, level)
    return stock


async def _put(
    connection: Connection, levels: Levels, seen_at: datetime, *, is_read: bool
) -> tuple[bool, datetime | None]:
    known = await _known(connection, levels)
    winners, tied_at = [], None
    for item_id, of_item in levels.items():
        for level in of_item:
            version = SourceVersion(level.updated_at, seen_at)
            before = known.get((item_id, level.location_id))
            wins, tie = judge_level(before, level, version, is_read)
            if before is not None and tie:
                tied_at = max(seen_at, before.version.seen_at, tied_at or seen_at)
            if wins:
                quantities = (level.available, level.committed, level.on_hand)
                winners.append((item_id, level.location_id, *quantities, list(version)))
    if winners:
        await connection.executemany(SQL.put_level, winners)
    return bool(winners), tied_at


async def _known(connection: Connection, levels: Levels) -> dict[tuple[int, int], KnownLevel]:
    return {
        (row["inventory_item_id"], row["location_id"]): KnownLevel(
            row["available"], SourceVersion(*row["source_version"])
        )
        for row in await connection.fetch(SQL.get_levels, list(levels))
    }
