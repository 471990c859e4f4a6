"""`understudy drift`: what was repaired, shortened for people and whole for programs."""

import json
from collections.abc import AsyncIterator

import asyncpg
import pytest
from command_line import Said, understudy
from databases import fresh_database

from shared.migrations import migrate

LONG = "a title that is too long for any table " * 3
ROWS = [
    (42, None, "title", "Jazz", LONG, "missed", 3),
    (42, 4210, "available", 100, 98, "late", 2),
    (43, None, "venue", {"city": "Berlin"}, {"city": "Bonn"}, "tie", 1),
]


@pytest.fixture(scope="module")
async def tables(postgres_dsn: str) -> AsyncIterator[str]:
    """With three rows of drift, found 3, 2 and 1 hours ago."""
    async with fresh_database(postgres_dsn) as dsn:
        await migrate(dsn, "syncer")
        connection = await asyncpg.connect(dsn)
        try:
            for event, ticket, field, ours, theirs, cause, age in ROWS:
                await connection.execute(
                    "INSERT INTO drift (event_id, ticket_id, field, ours, theirs, cause, found_at, theirs_at)"
                    " VALUES ($1, $2, $3, $4, $5, $6, now() - make_interval(hours => $7), now())",
                    event, ticket, field, json.dumps(ours), json.dumps(theirs), cause, age,
                )  # fmt: skip
        finally:
            await connection.close()
        yield dsn


async def drift(dsn: str, *words: str, columns: int = 200) -> Said:
    return await understudy("drift", *words, env={"POSTGRES_DSN": dsn, "COLUMNS": str(columns)})


async def test_programs_get_every_value_whole_newest_first(tables: str):
    answer = (await drift(tables, "--json")).answer
    assert [(row["event_id"], row["ticket_id"], row["field"], row["cause"]) for row in answer["drift"]] == [
        ("43", None, "venue", "tie"),
        ("42", "4210", "available", "late"),
        ("42", None, "title", "missed"),
    ]
    assert answer["drift"][2]["theirs"] == LONG
    assert answer["drift"][0]["ours"] == {"city": "Berlin"}
    assert answer["more"] is False


async def test_it_is_filtered_and_ends_at_its_limit(tables: str):
    filtered = (await drift(tables, "--json", "--event", "42", "--since", "150m")).answer["drift"]
    assert [row["field"] for row in filtered] == ["available"]
    first = (await drift(tables, "--json", "--limit", "1")).answer
    assert ([row["field"] for row in first["drift"]], first["more"]) == (["venue"], True)
    assert (await drift(tables, "--cause", "truncated")).out == "No drift.\n"
    said = await drift(tables, "--since", "yesterday")
    assert (said.code, "neither a time" in said.err) == (2, True)


@pytest.mark.parametrize("columns", [80, 110, 160])
async def test_people_get_lines_that_fit(tables: str, columns: int):
    lines = (await drift(tables, columns=columns)).out.splitlines()
    assert all(len(line) <= columns for line in lines)
    text = " ".join(lines)
    assert "a title that is too" in text
    assert text.count("…") == 1
    assert '{"city":"Bonn"}' in text
    assert len(lines) == 2 + (len(ROWS) * 3 - 1 if columns == 80 else len(ROWS))
    assert ("ours   Jazz" in text, "theirs a title" in text) == ((True, True) if columns == 80 else (False, False))
