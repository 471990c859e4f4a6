"""The seam to PostgreSQL: one name for "away", another for "busy", and an error of our own stays what it is."""

import asyncio
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from shared import postgres
from shared.errors import Permanent, Transient, Unavailable
from shared.postgres import DataRefused, NotMigrated, PostgresBusy, PostgresUnavailable, connect, queries, transaction
from shared.settings import PostgresSettings


@pytest.fixture
async def pool(database):
    made = await connect(PostgresSettings(postgres_dsn=database, postgres_pool_size=2), "test")
    yield made
    await made.close()


async def test_connections_speak_utc_json_and_the_services_name(pool):
    async with transaction(pool) as connection:
        assert await connection.fetchval("SHOW timezone") == "UTC"
        assert await connection.fetchval("SHOW application_name") == "test"
        assert await connection.fetchval("SHOW statement_timeout") == f"{postgres.COMMAND_TIMEOUT:.0f}s"
        assert await connection.fetchval("SELECT $1::jsonb", {"a": ["🎷", 2**53 + 1]}) == {"a": ["🎷", 2**53 + 1]}


async def insert_and_break(pool):
    async with transaction(pool) as connection:
        await connection.execute("INSERT INTO t VALUES (1)")
        raise RuntimeError


async def execute(pool, *statements):
    async with transaction(pool) as connection:
        for statement in statements:
            await connection.execute(statement)


async def test_a_transaction_is_all_or_nothing(pool):
    async with transaction(pool) as connection:
        await connection.execute("CREATE TABLE t (n int)")
    with pytest.raises(RuntimeError):
        await insert_and_break(pool)
    async with transaction(pool) as connection:
        assert await connection.fetchval("SELECT count(*) FROM t") == 0


async def test_nobody_there_is_unavailable():
    with pytest.raises(PostgresUnavailable):
        await connect(PostgresSettings(postgres_dsn="postgresql://nobody@127.0.0.1:1/none"), "test")
    assert issubclass(PostgresUnavailable, Unavailable)


async def test_a_login_that_is_refused_while_it_is_rotated_is_unavailable(database):
    admin = await asyncpg.connect(database)
    role = f"rotated_{database.rpartition('_')[2]}"
    await admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'old'")
    dsn = urlunsplit(urlsplit(database)._replace(netloc=f"{role}:old@{urlsplit(database).netloc.rpartition('@')[2]}"))
    pool = await connect(PostgresSettings(postgres_dsn=dsn), "test")
    try:
        await admin.execute(f"ALTER ROLE {role} NOLOGIN")
        await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", role)
        for _ in range(2):
            with pytest.raises(PostgresUnavailable):
                await execute(pool, "SELECT 1")
        await admin.execute(f"ALTER ROLE {role} LOGIN")
        await execute(pool, "SELECT 1")
    finally:
        await pool.close()
        await admin.execute(f"DROP ROLE {role}")
        await admin.close()


async def test_what_postgresql_can_never_hold_is_permanent(pool):
    await execute(pool, "CREATE TABLE t (n int)")
    with pytest.raises(DataRefused):
        await execute(pool, "INSERT INTO t VALUES (3000000000)")
    assert issubclass(DataRefused, Permanent)


async def test_a_connection_that_dies_under_a_statement_is_unavailable_and_the_next_one_works(pool):
    with pytest.raises(PostgresUnavailable):
        await execute(pool, "SELECT pg_terminate_backend(pg_backend_pid())", "SELECT 1")
    async with transaction(pool) as connection:
        assert await connection.fetchval("SELECT 1") == 1


async def test_a_pool_that_is_used_up_is_unavailable_not_endless(pool, monkeypatch):
    monkeypatch.setattr(postgres, "ACQUIRE_TIMEOUT", 0.05)
    async with transaction(pool), transaction(pool):
        with pytest.raises(PostgresUnavailable):
            async with transaction(pool):
                pass


async def test_a_statement_that_takes_too_long_is_broken_off(pool):
    with pytest.raises(PostgresUnavailable):
        await execute(pool, "SET LOCAL statement_timeout = '20ms'", "SELECT pg_sleep(5)")


async def test_a_deadlock_is_busy(pool):
    async with transaction(pool) as connection:
        await connection.execute("CREATE TABLE t (n int PRIMARY KEY, v int)")
        await connection.execute("INSERT INTO t VALUES (1, 0), (2, 0)")
    first_locked, second_locked = asyncio.Event(), asyncio.Event()

    async def lock(mine, other, locked, awaited):
        async with transaction(pool) as connection:
            await connection.execute("SET LOCAL deadlock_timeout = '10ms'")
            await connection.execute("UPDATE t SET v = 1 WHERE n = $1", mine)
            locked.set()
            await awaited.wait()
            await connection.execute("UPDATE t SET v = 1 WHERE n = $1", other)

    outcomes = await asyncio.gather(
        lock(1, 2, first_locked, second_locked), lock(2, 1, second_locked, first_locked), return_exceptions=True
    )
    assert sorted(type(each) for each in outcomes if each is not None) == [PostgresBusy]
    assert issubclass(PostgresBusy, Transient)
    assert not issubclass(PostgresBusy, Unavailable)


@pytest.mark.parametrize("statement", ["SELECT 1/0", "SELECT E'\\\\x00'::bytea::text::int"])
async def test_a_statement_that_never_will_succeed_is_not_passed_off_as_an_outage(pool, statement):
    with pytest.raises(DataRefused):
        await execute(pool, statement)


@pytest.mark.parametrize("statement", ["SELECT broken", "SELECT * FROM not_there"])
async def test_tables_of_another_version_are_waited_for(pool, statement):
    """An upgrade whose migrations have not run yet buries nothing."""
    with pytest.raises(NotMigrated, match="understudy migrate"):
        async with transaction(pool) as connection:
            await connection.execute(statement)
    assert issubclass(NotMigrated, Unavailable)


async def test_an_argument_that_no_column_holds_is_not_passed_off_as_an_outage(pool):
    """It never will succeed: as an outage it would be redelivered for ever."""
    for argument in (2**31, "text"):
        with pytest.raises(DataRefused):
            async with transaction(pool) as connection:
                await connection.fetchval("SELECT $1::int", argument)


async def test_a_role_may_read_and_nothing_else(database):
    settings = PostgresSettings(postgres_dsn=database)
    async with await connect(settings, "test") as owner, transaction(owner) as connection:
        await connection.execute("CREATE TABLE t (n int)")
        await connection.execute(
            f"DO $$ BEGIN CREATE ROLE {postgres.READER_ROLE} NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
        )
        await connection.execute(f"GRANT SELECT ON t TO {postgres.READER_ROLE}")
    async with await connect(settings, "test", role=postgres.READER_ROLE) as reader:
        async with transaction(reader) as connection:
            assert await connection.fetchval("SELECT count(*) FROM t") == 0
        with pytest.raises(NotMigrated, match="permission denied"):
            async with transaction(reader) as connection:
                await connection.execute("INSERT INTO t VALUES (1)")


def package_with(tmp_path: Path, monkeypatch, text: str) -> str:
    name = f"queries_{abs(hash(str(tmp_path)))}"
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("")
    (tmp_path / name / "queries.sql").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


def test_queries_go_by_the_names_above_them(tmp_path, monkeypatch):
    text = "-- A file.\n\n-- name: one  (why)\nSELECT 1;\n\n-- name: two\n-- a comment\nSELECT\n  2;\n"
    found = queries(package_with(tmp_path, monkeypatch, text))
    assert (found.one, found.two) == ("SELECT 1", "-- a comment\nSELECT\n  2")


def test_two_queries_of_one_name_are_refused(tmp_path, monkeypatch):
    package = package_with(tmp_path, monkeypatch, "-- name: one\nSELECT 1;\n-- name: one\nSELECT 2;")
    with pytest.raises(ValueError, match="twice"):
        queries(package)


def test_a_name_that_no_query_has_is_an_error(tmp_path, monkeypatch):
    with pytest.raises(AttributeError):
        _ = queries(package_with(tmp_path, monkeypatch, "-- name: one\nSELECT 1;")).two
