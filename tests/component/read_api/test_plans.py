"""The statements of the hot questions use their indexes, on a shop of 20,000 events."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest
from databases import fresh_database
from projected import Event, save

from read_api.audience import Audience
from read_api.cursor import Position
from read_api.listing import SQL, numbered, page_query
from read_api.parameters import ListParameters, ManageListParameters, Question, ask
from shared.migrations import migrate
from shared.postgres import READER_ROLE

ROWS = 20_000


@pytest.fixture(scope="module")
async def crowded(postgres_dsn: str) -> "AsyncIterator[asyncpg.Connection[Any]]":
    async with fresh_database(postgres_dsn) as dsn:
        await migrate(dsn, "syncer")
        connection = await asyncpg.connect(dsn)
        await save(connection, Event(1))
        await _multiply(connection)
        await connection.execute("ANALYZE events")
        yield connection
        await connection.close()


async def _multiply(connection: "asyncpg.Connection[Any]") -> None:
    names = await connection.fetch(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'events'::regclass AND attnum > 0 AND attgenerated = ''"
    )
    changed = {
        "id": "n",
        "handle": "'h' || n",
        "title": "'Event ' || n",
        "category": "'c' || n % 20",
        "venue_city": "'city' || n % 50",
        "tags": "ARRAY['t' || n % 100]",
        "starts_at": "CASE WHEN n % 10 > 0 THEN starts_at + n * interval '1 minute' END",
        "listed_at": "listed_at + n * interval '1 second'",
        "status": "CASE WHEN n % 7 > 0 THEN 'active' ELSE 'draft' END",
        "search": "to_tsvector('simple', 'word' || n)",
    }
    columns = [row["attname"] for row in names]
    values = ", ".join(changed.get(name, name) for name in columns)
    await connection.execute(
        f"INSERT INTO events ({', '.join(columns)}) SELECT {values} "  # noqa: S608 (columns of the table)
        f"FROM events, generate_series(2, {ROWS}) AS n WHERE id = 1"
    )


async def plan_of(connection: "asyncpg.Connection[Any]", text: str, arguments: list[Any]) -> dict[str, Any]:
    async with connection.transaction():
        await connection.execute(f"SET LOCAL ROLE {READER_ROLE}")
        plan = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {text}", *arguments)
    found: dict[str, Any] = json.loads(plan)[0]["Plan"]
    return found


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", []):
        yield from nodes(below)


def touched(plan: dict[str, Any]) -> float:
    """Rows of `events` that were looked at."""
    return sum(
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        for node in nodes(plan)
        if node.get("Relation Name") == "events"
    )


def public(**asked: Any) -> Question:
    return ask(Audience.PUBLIC, ListParameters.model_validate(asked))


def second_page(question: Question, place: Any) -> Question:
    cursor = question.next_cursor(Position(place, 9000))
    return ask(question.audience, question.parameters.model_copy(update={"cursor": cursor}))


@pytest.mark.parametrize("sort", ["starts_at", "-starts_at", "title", "-title", "updated_at", "-updated_at"])
async def test_a_page_looks_at_its_own_rows_only(sort: str, crowded):
    question = public(sort=sort)
    row = await crowded.fetchrow("SELECT starts_at, title, listed_at FROM events WHERE id = 9001")
    place = {"starts_at": row["starts_at"], "title": row["title"], "updated_at": row["listed_at"]}[sort.strip("-")]
    for asked in (question, second_page(question, place)):
        plan = await plan_of(crowded, *page_query(asked))
        assert touched(plan) <= 2 * 51
        assert not [node for node in nodes(plan) if node["Node Type"] == "Seq Scan" and "events" in str(node)]


async def test_the_undated_tail_is_found_by_index(crowded):
    plan = await plan_of(crowded, *page_query(second_page(public(), None)))
    assert touched(plan) <= 51


@pytest.mark.parametrize(
    ("asked", "most"),
    [
        ({"category": "c3"}, 102),
        ({"city": "city9"}, 102),
        ({"tag": "t5"}, 4000),
        ({"q": "word777"}, 51),
        ({"starts_after": "2026-12-05T00:00:00Z"}, 51),
        ({"starts_after": "2026-12-05T00:00:00Z", "category": "c3"}, 60),
        ({"available": "true"}, 102),
    ],
)
async def test_filters_have_their_indexes(asked: dict[str, str], most: int, crowded):
    plan = await plan_of(crowded, *page_query(public(**asked)))
    assert touched(plan) <= most


async def test_organizers_lists_of_a_status_have_their_index(crowded):
    question = ask(Audience.ORGANIZER, ManageListParameters(status="draft"))
    assert touched(await plan_of(crowded, *page_query(question))) <= 102


@pytest.mark.parametrize("name", ["public_handle", "organizer_handle"])
async def test_a_handle_is_found_by_index(name: str, crowded):
    plan = await plan_of(crowded, *numbered(getattr(SQL, name), {"handle": "h777"}))
    assert touched(plan) <= 1
