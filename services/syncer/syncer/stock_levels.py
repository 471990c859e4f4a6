"""Inventory items and their stock levels as they are stored, each level guarded by a version of its own."""

from collections.abc import Collection, Iterable, Mapping

from shared.postgres import Connection, queries
from syncer.rows import LostGuard
from syncer.source import SourceVersion
from syncer.versions import KnownLevel

SQL = queries("syncer")


async def owners(connection: Connection, items: Collection[int]) -> dict[int, int]:
    """The event that each item belongs to, as far as anybody knows."""
    if not items:
        return {}
    rows = await connection.fetch(SQL.get_owners, items)
    return {row["id"]: row["event_id"] for row in rows}


async def meet(connection: Connection, items: Mapping[int, int | None]) -> dict[int, int]:
    """Claim items for their events; and lock those of which only the stock was seen (None).

    A product and a level that arrive at once meet at the item's row: whoever comes second sees the first. Returns the
    events that they belong to now.
    """
    if not items:
        return {}
    rows = await connection.fetch(SQL.meet_items, list(items), list(items.values()))
    return {row["id"]: row["event_id"] for row in rows if row["event_id"] is not None}


async def get(connection: Connection, items: Collection[int]) -> dict[int, dict[int, KnownLevel]]:
    """By item and location; an item of which no level was ever seen is left out."""
    levels: dict[int, dict[int, KnownLevel]] = {}
    if not items:
        return levels
    for item_id, location_id, available, committed, on_hand, version in await connection.fetch(SQL.get_levels, items):
        level = KnownLevel(available, SourceVersion(*version), committed, on_hand)
        levels.setdefault(item_id, {})[location_id] = level
    return levels


async def put(connection: Connection, levels: Iterable[tuple[int, int, KnownLevel]]) -> None:
    """Write levels of (item, location).

    Raises:
        LostGuard: a newer one is stored.
    """
    rows = [
        (item_id, location_id, level.available, level.committed, level.on_hand, *level.version)
        for item_id, location_id, level in sorted(levels, key=lambda each: each[:2])
    ]
    if not rows:
        return
    written = await connection.fetch(SQL.put_levels, *zip(*rows, strict=True))
    if len(written) != len(rows):
        raise LostGuard(f"{len(rows) - len(written)} stock levels were refused")
