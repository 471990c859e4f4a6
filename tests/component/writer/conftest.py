"""A command API on a real database, with one event and its ticket."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
from commanding import EVENT, TICKET, Office, open_office
from databases import fresh_database
from projected import Event

from shared.migrations import migrate

EMPTY = """
    DELETE FROM jobs; DELETE FROM tickets; DELETE FROM events; DELETE FROM shop;
    UPDATE dispatcher SET breaker_until = '-infinity', latency = NULL;
    INSERT INTO shop (domain, currency, timezone) VALUES ('test.myshopify.com', 'EUR', 'UTC');
"""


@pytest.fixture(scope="session")
async def _writer_tables(postgres_dsn: str) -> AsyncIterator[str]:
    async with fresh_database(postgres_dsn) as dsn:
        await migrate(dsn, "syncer")
        await migrate(dsn, "writer")
        yield dsn


@pytest.fixture
async def writer_database(_writer_tables: str) -> str:
    """With the tables of the syncer and of the writer, all empty, but for a shop that sells in euros."""
    connection = await asyncpg.connect(_writer_tables)
    await connection.execute(EMPTY)
    await connection.close()
    return _writer_tables


@pytest.fixture
async def office(writer_database: str) -> AsyncIterator[Office]:
    async with open_office(writer_database) as office:
        await office.add_event(Event(EVENT), tickets={TICKET: "Standing"})
        yield office
