"""Carry a package's numbered SQL files forward, once each, in order: `0001_events.sql`, `0002_….sql`.

Plain SQL, forward only, each in its own transaction, under one lock for the database. A file that was applied must not
change.
"""

import asyncio
import hashlib
import re
import sys
from dataclasses import dataclass
from importlib.resources import files

import asyncpg
import structlog

from shared import telemetry
from shared.errors import Permanent, UnderstudyError
from shared.postgres import answering
from shared.settings import PostgresSettings, ServiceSettings
from shared.settings import load as load_settings

log = structlog.get_logger()

LOCK = 0x756E6465727374  # "underst": one migration runs at a time in a database
LOCK_TIMEOUT = "60s"  # for another migration to end, and for a lock on a table in use
NAME = re.compile(r"(\d{4})_(\w+)\.sql")

LEDGER = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    owner text NOT NULL, number integer NOT NULL, name text NOT NULL, checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (owner, number)
)"""


class MigrationRefused(Permanent):
    """The migrations do not fit the database."""


@dataclass(frozen=True)
class Migration:
    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def load(package: str) -> list[Migration]:
    """The migrations in `<package>/migrations/`, in order.

    Raises:
        MigrationRefused: a number is missing, doubled, or a file has another kind of name.
    """
    found = []
    for file in (files(package) / "migrations").iterdir():
        if not file.name.endswith(".sql"):
            continue
        match = NAME.fullmatch(file.name)
        if match is None:
            raise MigrationRefused(f"{file.name} is not called like 0001_what_it_does.sql")
        found.append(Migration(int(match[1]), match[2], file.read_text()))
    found.sort(key=lambda migration: migration.number)
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise MigrationRefused(f"the migrations of {package} are not numbered 1, 2, 3 …")
    return found


def run_migrations(owner: str) -> None:
    """A service's command `migrate`: apply what is missing in POSTGRES_DSN, or leave with exit code 1."""
    telemetry.configure(ServiceSettings(), "migrate")
    settings = load_settings(PostgresSettings)
    try:
        applied = asyncio.run(migrate(settings.postgres_dsn.get_secret_value(), owner))
    except UnderstudyError as error:
        log.error("migrate.failed", owner=owner, error=str(error))  # noqa: TRY400 (the message says it all)
        sys.exit(1)
    log.info("migrate.done", owner=owner, applied=len(applied))


async def migrate(dsn: str, owner: str) -> list[Migration]:
    """Apply what is missing; returns what was applied.

    Raises:
        MigrationRefused: an applied file was changed, the database is ahead of this code, or a statement failed.
        PostgresUnavailable: nobody answers there.
    """
    migrations = load(owner)
    async with answering():
        connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(dsn, timeout=5)
        try:
            await connection.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
            await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
            await connection.execute(LEDGER)
            return await _apply(connection, owner, migrations)
        finally:
            await connection.close(timeout=5)


async def _apply(
    connection: "asyncpg.Connection[asyncpg.Record]", owner: str, migrations: list[Migration]
) -> list[Migration]:
    rows = await connection.fetch("SELECT number, checksum FROM schema_migrations WHERE owner = $1", owner)
    applied = {row["number"]: row["checksum"] for row in rows}
    if ahead := applied.keys() - {migration.number for migration in migrations}:
        raise MigrationRefused(
            f"the database has migrations of {owner} that this version does not know: {sorted(ahead)}"
        )
    for migration in migrations:
        if applied.get(migration.number, migration.checksum) != migration.checksum:
            raise MigrationRefused(f"{owner} {migration.number:04} {migration.name} was changed after it was applied")
    missing = [migration for migration in migrations if migration.number not in applied]
    for migration in missing:
        try:
            async with connection.transaction():
                await connection.execute(migration.sql)
                await connection.execute(
                    "INSERT INTO schema_migrations (owner, number, name, checksum) VALUES ($1, $2, $3, $4)",
                    owner, migration.number, migration.name, migration.checksum,
                )  # fmt: skip
        except (asyncpg.SyntaxOrAccessError, asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
            raise MigrationRefused(f"{owner} {migration.number:04} {migration.name}: {error}") from error
        log.info("migration.applied", owner=owner, number=migration.number, name=migration.name)
    return missing
