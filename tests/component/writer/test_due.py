"""Whose turn it is: the first open job of each event, in the order of acceptance, and no row again and again."""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

import asyncpg
import pytest
from databases import fresh_database
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.migrations import migrate
from shared.postgres import close, connect
from shared.settings import PostgresSettings
from writer.jobs import WINDOW, Jobs

LIMIT = 28  # what a dispatcher asks for
QUEUE = 20_000  # jobs
QUEUED, BEGUN, MEMBER, ENDED = "queued", "dispatching", "member", "succeeded"

Pool = asyncpg.Pool


@pytest.fixture(scope="module")
async def pool(postgres_dsn: str, template_database: str) -> AsyncIterator[Pool]:
    """Of one connection: what it has read is what was asked here."""
    async with fresh_database(postgres_dsn, template_database) as dsn:
        for owner in ("syncer", "writer"):
            await migrate(dsn, owner)
        made = await connect(PostgresSettings(postgres_dsn=dsn, postgres_pool_size=1), "test")
        yield made
        await close(made)


@dataclass(frozen=True)
class Row:
    """`event`: None is an event that is being created. `member`: another job of the event carries it out."""

    event: int | None
    state: str
    parked: bool
    id: UUID


rows = st.builds(
    Row,
    st.none() | st.integers(1, 4),
    st.sampled_from([QUEUED, QUEUED, QUEUED, BEGUN, MEMBER, ENDED]),
    st.sampled_from([False, False, True]),
    st.uuids(version=4),
)
tables = st.lists(rows, max_size=16, unique_by=lambda row: row.id)


@settings(max_examples=60, deadline=None)
@given(table=tables, busy=st.sets(st.integers(1, 4), max_size=2), limit=st.integers(1, 6), window=st.integers(1, 5))
async def test_the_first_open_job_of_each_event_that_is_not_busy_is_found_in_the_order_of_acceptance(
    pool: Pool, table: list[Row], busy: set[int], limit: int, window: int
) -> None:
    table = list(one_at_a_time(table))
    await fill(pool, table)
    found = await Jobs(pool, horizon=0.0, window=window).due(busy, limit)
    assert [job.id for job in found] == [row.id for row in turns(table, busy)][:limit]


def one_at_a_time(table: Sequence[Row]) -> Iterator[Row]:
    """As the table itself demands: of one event at most one has begun."""
    begun: set[int | None] = {None}
    for row in table:
        if row.state in {BEGUN, MEMBER} and row.event is None:
            yield Row(None, BEGUN, row.parked, row.id)
        elif row.state == BEGUN and row.event in begun:
            yield Row(row.event, QUEUED, row.parked, row.id)
        else:
            begun |= {row.event} if row.state == BEGUN else set()
            yield row


def turns(table: Sequence[Row], busy: set[int]) -> list[Row]:
    """The same, said plainly. What is being created is an event of its own."""
    lanes = {row.id: row.event or -place for place, row in enumerate(table, 1)}
    open_ = [row for row in table if row.state in {BEGUN, QUEUED} and lanes[row.id] not in busy]
    heads: dict[int, Row] = {}
    for row in sorted(open_, key=lambda row: row.state == QUEUED):  # stable: by seq, begun ones first
        heads.setdefault(lanes[row.id], row)
    return [row for row in heads.values() if not row.parked]


async def fill(pool: Pool, table: Sequence[Row]) -> None:
    leader = uuid4()
    await pool.execute("TRUNCATE jobs RESTART IDENTITY CASCADE")
    await pool.executemany(
        "INSERT INTO jobs (id, kind, event_id, command, owner, state, superseded_by, due_at)"
        " VALUES ($1, $2, $3, '{}', 'organizer', $4, $5, now() + make_interval(hours => $6))",
        [
            (
                row.id,
                "event.edit" if row.event else "event.create",
                row.event,
                BEGUN if row.state == MEMBER else row.state,
                leader if row.state == MEMBER else None,
                int(row.parked),
            )
            for row in table
        ],
    )


@pytest.mark.parametrize(
    ("event_of", "turns_found", "most_reads"),
    [
        # Every row at most once to find out who else is there, and the first window.
        pytest.param("1", 1, QUEUE + 2 * WINDOW, id="20,000 of one event"),
        pytest.param("1 + g % 500", LIMIT, 2 * WINDOW, id="40 of each of 500 events, by turns"),
        pytest.param("1 + g / 40", LIMIT, 10 * WINDOW, id="40 of each of 500 events, one after the other"),
    ],
)
async def test_a_long_queue_is_not_read_again_and_again(
    pool: Pool, event_of: str, turns_found: int, most_reads: int
) -> None:
    await fill_with(pool, event_of)
    jobs = Jobs(pool, horizon=0.0)
    for _ in range(7):  # from the sixth on PostgreSQL may have a plan for whatever is asked
        before = await rows_read(pool)
        assert len(await jobs.due(set(), LIMIT)) == turns_found
        assert await rows_read(pool) - before <= most_reads


async def test_parked_events_do_not_hide_who_waits_behind_them(pool: Pool) -> None:
    await fill_with(pool, "1 + g % 500")
    await pool.execute("UPDATE jobs SET due_at = now() + interval '1 hour' WHERE seq <= 495")
    before = await rows_read(pool)
    found = await Jobs(pool, horizon=0.0).due(set(), LIMIT)
    assert len({job.lane for job in found}) == 5
    assert await rows_read(pool) - before <= QUEUE + 2 * WINDOW


async def fill_with(pool: Pool, event_of: str) -> None:
    """`event_of`: SQL, of the number g of a job."""
    await pool.execute("TRUNCATE jobs RESTART IDENTITY CASCADE")
    made = f"SELECT gen_random_uuid(), 'event.edit', {event_of}, '{{}}', 'organizer' FROM generate_series(1, $1) g"  # noqa: S608 (ours)
    await pool.execute(f"INSERT INTO jobs (id, kind, event_id, command, owner) {made}", QUEUE)
    await pool.execute("ANALYZE jobs")


async def rows_read(pool: Pool) -> int:
    """Of the table of jobs, ever, through this pool; index or not."""
    async with pool.acquire() as connection:
        await connection.execute("SELECT pg_stat_force_next_flush()")
        read = await connection.fetchval(
            "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'jobs'"
        )
        return int(read)
