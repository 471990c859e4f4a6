"""The new tables: copies of the live ones in everything but their rows, made from the catalogue.

Whatever the migrations gave a table (columns, defaults, checks, indexes, keys, rights, storage) its copy has, under the
same names, so that the next migration finds what it expects. What a copy would lack is refused, not forgotten.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from shared.postgres import Connection, queries, transaction
from syncer.rebuild.errors import NotCopyable

SQL = queries("syncer", "rebuild/rebuild.sql")
CATALOGUE = queries("syncer", "rebuild/catalogue.sql")

SCHEMA = "rebuilding"
RETIRED = "retired"
SEARCH_PATH = f"{SCHEMA}, public"
PROJECTIONS = ("events", "tickets", "inventory_items", "inventory_levels")  # what is switched
# What projecting writes besides. The shadow has its own, which nobody reads: it raises, asks and reports nothing.
INERT = ("collections", "refetches", "drift", "effects")
# What stands in a row of which only the place was kept.
DOCUMENTS = ("document", "tickets_document", "item", "manage_document", "manage_tickets_document", "manage_item")
UNREAD = dict.fromkeys(DOCUMENTS, "''") | {
    "data": "'null'",
    "data_complete": "false",
    "search": "''",
    "source_version": "ARRAY[to_timestamp(0), to_timestamp(0)]",
}
UNWRITTEN = {"name": "''", "position": "-1", "data": "'null'"}  # no product says this: so it is written, whole
NOTHING: Mapping[str, str] = {}
PATIENCE = 600.0  # seconds for a statement over whole tables, of which nobody waits for any


@dataclass(frozen=True)
class State:
    """How far the shadow is. `export`: what was read, once all is in; `report`: what came out, once it was switched."""

    run_id: int
    began_at: datetime
    listening: bool
    export: dict[str, Any] | None
    report: dict[str, Any] | None


class Shadow:
    """`pool`: of connections to the live tables."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool

    async def state(self) -> State | None:
        """None: there are no new tables."""
        async with transaction(self._pool) as connection:
            if not await connection.fetchval(SQL.has_shadow):
                return None
            row = await connection.fetchrow(SQL.get_state)
        return None if row is None else State(**row)

    async def create(self, run_id: int) -> None:
        """Make the tables, and carry over what can't be read from Shopify: tombstones, strangers, the highest stocks.

        Raises:
            NotCopyable: a table has something that its copy would not have.
        """
        async with transaction(self._pool) as connection:
            await be_patient(connection)
            await connection.execute(f"CREATE SCHEMA {SCHEMA}")
            for table in (*PROJECTIONS, *INERT):
                await _copy_table(connection, table)
            await connection.execute(SQL.create_state, timeout=PATIENCE)
            await connection.execute(SQL.begin_state, run_id)
            await _seed(connection)

    async def listening(self, run_id: int) -> None:
        async with transaction(self._pool) as connection:
            await connection.execute(SQL.set_listening, run_id)

    async def exported(self, run_id: int, counts: dict[str, Any]) -> None:
        async with transaction(self._pool) as connection:
            await connection.execute(SQL.set_export, run_id, counts)

    async def make_ready(self) -> None:
        """All is in: gather what plans and index-only scans live on, so that the first reader finds it."""
        async with self._pool.acquire(timeout=5) as connection:
            await connection.execute(f"SET statement_timeout = '{PATIENCE:.0f}s'")
            for table in PROJECTIONS:
                await connection.execute(f"VACUUM (ANALYZE) {SCHEMA}.{table}", timeout=PATIENCE)

    async def drop(self) -> None:
        """The new tables, and the old ones of a switch before. Nobody reads either."""
        for schema in (SCHEMA, RETIRED):
            async with transaction(self._pool) as connection:
                await connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")


async def be_patient(connection: Connection) -> None:
    await connection.execute(f"SET LOCAL statement_timeout = '{PATIENCE:.0f}s'")


async def insert_copies(
    connection: Connection, table: str, condition: str, *values: object, instead: Mapping[str, str] = NOTHING
) -> None:
    """Copy live rows over what stands there. `condition` and what is said `instead` are ours, never input."""
    columns = [row["name"] for row in await connection.fetch(CATALOGUE.columns, f"public.{table}")]
    names, said = ", ".join(columns), ", ".join(instead.get(name, name) for name in columns)
    taken = ", ".join(f"{name} = excluded.{name}" for name in columns)
    await connection.execute(
        f"INSERT INTO {SCHEMA}.{table} ({names}) SELECT {said} FROM public.{table} WHERE {condition} "  # noqa: S608 (names of the catalogue, quoted by it)
        f"ON CONFLICT (id) DO UPDATE SET {taken}",
        *values,
        timeout=PATIENCE,
    )


async def _seed(connection: Connection) -> None:
    """Tombstones as they are; of everything else its place, its revision, and the highest stock that was ever seen.

    A place is a row of which nothing is known, older than anything: only a read fills it, and it is written whole.
    """
    await connection.execute(SQL.seed_collections)
    await insert_copies(connection, "events", "deleted_at IS NOT NULL")
    await insert_copies(connection, "events", "deleted_at IS NULL", instead=UNREAD)
    await insert_copies(connection, "tickets", "true", instead=UNWRITTEN)
    for seed in (SQL.seed_items, SQL.seed_levels):
        await connection.execute(seed, timeout=PATIENCE)


async def _copy_table(connection: Connection, table: str) -> None:
    """Its shape, and nothing in it."""
    live, new = f"public.{table}", f"{SCHEMA}.{table}"
    if lost := [row["name"] for row in await connection.fetch(CATALOGUE.not_copied, live, list(PROJECTIONS))]:
        raise NotCopyable(f"{table} has {', '.join(lost)}, which its copy would not have")
    indexes = await connection.fetch(CATALOGUE.indexes, live)
    options = await connection.fetchval(CATALOGUE.options, live)
    await connection.execute(f"CREATE TABLE {new} (LIKE {live} INCLUDING ALL EXCLUDING INDEXES)")
    await _add_constraints(connection, table)
    async with _inside(connection):
        for index in indexes:
            await connection.execute(index["definition"])
    if options:
        await connection.execute(f"ALTER TABLE {new} SET ({', '.join(options)})")
    for right in await connection.fetch(CATALOGUE.rights, live):
        await connection.execute(f"GRANT {right['privilege']} ON {new} TO {right['grantee']}")


async def _add_constraints(connection: Connection, table: str) -> None:
    """Keys; checks came with the columns. Tables are copied in an order in which keys find what they lead to."""
    definitions = await connection.fetch(CATALOGUE.constraints, f"public.{table}")
    async with _inside(connection):
        for row in definitions:
            await connection.execute(f"ALTER TABLE {SCHEMA}.{table} ADD CONSTRAINT {row['name']} {row['definition']}")


class _inside:  # noqa: N801 (used as a block, like `suppress`)
    """Names without a schema are the shadow's: the catalogue spells definitions without one."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def __aenter__(self) -> None:
        await self._connection.execute(f"SET LOCAL search_path = {SEARCH_PATH}")

    async def __aexit__(self, *_: object) -> None:
        await self._connection.execute("SET LOCAL search_path = public")
