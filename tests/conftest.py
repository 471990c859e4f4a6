"""The real servers of every test, and a database of each test's own."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from databases import fresh_database
from server_sources import open_servers
from whole_system import Running, whole_system

from sandbox.servers import Servers


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """NATS, PostgreSQL and Valkey; from wheels unless UNDERSTUDY_TEST_SERVERS says otherwise."""
    with open_servers() as addresses:
        yield addresses


@pytest.fixture(scope="session")
def nats_url(servers: Servers) -> str:
    return servers.nats_url


@pytest.fixture(scope="session")
def postgres_dsn(servers: Servers) -> str:
    """Of the server's own database: tests create theirs beside it (fixture `database`)."""
    return servers.postgres_dsn


@pytest.fixture(scope="session")
def redis_url(servers: Servers) -> str:
    return servers.redis_url


@pytest.fixture(scope="session")
async def template_database(postgres_dsn: str) -> AsyncIterator[str]:
    """The database that every test's own is a copy of."""
    async with fresh_database(postgres_dsn) as dsn:
        yield dsn


@pytest.fixture
async def database(postgres_dsn: str, template_database: str) -> AsyncIterator[str]:
    """The DSN of a fresh database, dropped after the test."""
    async with fresh_database(postgres_dsn, template_database) as dsn:
        yield dsn


@pytest.fixture(scope="session")
async def one_system() -> AsyncIterator[Running]:
    """Everything, started once. Tests ask for `running`, which sees to it that nothing of the test before is left."""
    # Not below pytest's own directory, which only its owner may enter: PostgreSQL as root runs as nobody.
    with tempfile.TemporaryDirectory(prefix="understudy-tests-") as directory:
        async with whole_system(Path(directory)) as running:
            yield running


@pytest.fixture
async def running(one_system: Running) -> Running:
    """The whole system, all parts up, nothing on its way, its shop behaving well."""
    await one_system.mend()
    return one_system
