"""Migrations are applied once, in order, by one process at a time, and never changed."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from shared import migrations
from shared.errors import Permanent
from shared.migrations import MigrationRefused, load, migrate
from shared.postgres import PostgresBusy, PostgresUnavailable

FIRST = "CREATE TABLE a (id int PRIMARY KEY);\nINSERT INTO a VALUES (1);"
SECOND = "INSERT INTO a VALUES (2);"


@pytest.fixture
def package(tmp_path: Path, monkeypatch):
    """Write the migrations of a package of the test's own; returns its name."""
    name = f"owner_{tmp_path.name}".replace("-", "_").replace("[", "_").replace("]", "_")
    folder = tmp_path / name / "migrations"
    folder.mkdir(parents=True)
    (tmp_path / name / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(**files):
        for each in folder.glob("*"):
            each.unlink()
        for file, sql in files.items():
            (folder / f"{file.lstrip('_')}.sql").write_text(sql)
        return name

    return write


async def rows(dsn, statement="SELECT id FROM a ORDER BY id"):
    connection = await asyncpg.connect(dsn)
    try:
        return [row[0] for row in await connection.fetch(statement)]
    finally:
        await connection.close()


async def test_what_is_missing_is_applied_in_order_and_once(database, package):
    owner = package(_0001_first=FIRST, _0002_second=SECOND)
    assert [each.number for each in await migrate(database, owner)] == [1, 2]
    assert await migrate(database, owner) == []
    assert await rows(database) == [1, 2]


async def test_a_new_file_alone_is_applied_to_a_database_in_use(database, package):
    await migrate(database, package(_0001_first=FIRST))
    applied = await migrate(database, package(_0001_first=FIRST, _0002_second=SECOND))
    assert [(each.number, each.name) for each in applied] == [(2, "second")]
    assert await rows(database) == [1, 2]


async def test_many_processes_at_once_apply_everything_once(database, package):
    owner = package(_0001_first=FIRST, _0002_second=SECOND)
    applied = await asyncio.gather(*(migrate(database, owner) for _ in range(6)))
    assert sorted(len(each) for each in applied) == [0, 0, 0, 0, 0, 2]
    assert await rows(database) == [1, 2]


async def test_owners_number_their_files_each_for_itself(database, package):
    await migrate(database, package(_0001_first=FIRST))
    assert len(await migrate(database, "syncer")) >= 1
    owners = await rows(database, "SELECT DISTINCT owner FROM schema_migrations ORDER BY 1")
    assert "syncer" in owners
    assert len(owners) == 2


async def test_a_file_that_was_changed_after_it_was_applied_is_refused_by_name(database, package):
    await migrate(database, package(_0001_first=FIRST))
    with pytest.raises(MigrationRefused, match="0001 first was changed"):
        await migrate(database, package(_0001_first=FIRST + " ", _0002_second=SECOND))
    assert await rows(database) == [1]


async def test_a_database_that_is_ahead_is_left_alone(database, package):
    await migrate(database, package(_0001_first=FIRST, _0002_second=SECOND))
    with pytest.raises(MigrationRefused, match=r"does not know: \[2\]"):
        await migrate(database, package(_0001_first=FIRST))


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"_0001_a": "", "_0003_b": ""}, "not numbered 1, 2, 3"),
        ({"_0002_a": ""}, "not numbered 1, 2, 3"),
        ({"_0001_a": "", "_0001_b": ""}, "not numbered 1, 2, 3"),
        ({"_1_a": ""}, "is not called like"),
        ({"_first": ""}, "is not called like"),
    ],
)
def test_a_gap_a_double_or_another_name_is_refused(package, files, reason):
    with pytest.raises(MigrationRefused, match=reason):
        load(package(**files))


async def test_a_migration_that_fails_leaves_nothing_of_itself_and_keeps_those_before(database, package):
    broken = "INSERT INTO a VALUES (7); SELECT 1/0;"
    with pytest.raises(MigrationRefused, match="0002 broken: division by zero"):
        await migrate(database, package(_0001_first=FIRST, _0002_broken=broken))
    assert await rows(database) == [1]
    await migrate(database, package(_0001_first=FIRST, _0002_second=SECOND))
    assert await rows(database) == [1, 2]


async def test_a_database_that_is_not_there_has_a_name():
    with pytest.raises(PostgresUnavailable):
        await migrate("postgresql://nobody@127.0.0.1:1/none", "syncer")
    assert issubclass(MigrationRefused, Permanent)


async def test_a_migration_that_must_wait_too_long_gives_up(database, package, monkeypatch):
    monkeypatch.setattr(migrations, "LOCK_TIMEOUT", "50ms")
    holder = await asyncpg.connect(database)
    await holder.execute("SELECT pg_advisory_lock($1)", migrations.LOCK)
    with pytest.raises(PostgresBusy):
        await migrate(database, package(_0001_first=FIRST))
    await holder.close()
