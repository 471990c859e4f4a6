"""Databases of a test's own, made in milliseconds by copying a template."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

import asyncpg


@asynccontextmanager
async def fresh_database(admin_dsn: str, template: str | None = None) -> AsyncIterator[str]:
    """The DSN of a new database, a copy of the one that the DSN `template` names; dropped afterwards.

    While it is copied, nobody may be connected to the template.
    """
    name = f"test_{secrets.token_hex(6)}"
    source = urlsplit(template).path.lstrip("/") if template else "template1"
    await _run(admin_dsn, f'CREATE DATABASE "{name}" TEMPLATE "{source}"')
    try:
        yield urlunsplit(urlsplit(admin_dsn)._replace(path=f"/{name}"))
    finally:
        await _run(admin_dsn, f'DROP DATABASE "{name}" WITH (FORCE)')


async def _run(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
