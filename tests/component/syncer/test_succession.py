"""What a syncer had committed when it was killed is announced by the next one, or at once by another replica."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import nats
import pytest
from nats.js.errors import NotFoundError
from products import ITEM, PRODUCT, VARIANT, Product, Variant, by_read
from waiting import eventually

from sandbox.servers import free_port
from shared.bus import Bus, make_broker, running, stream_problem
from shared.contracts import EventProjectedV1, Origin, parse
from shared.ending import end
from shared.postgres import queries
from shared.provision import provision
from shared.settings import NatsSettings, RedisSettings
from shared.tags import EVENTS, Tags, connect, event_tag
from shared.topology import PROJECTIONS
from syncer.announcer import Announcer, Said
from syncer.succession import LATELY, Succession

SQL = queries("syncer", "succession.sql")
NOTICED_WITHIN = 1.0  # seconds; promise P5


@pytest.fixture
async def redis(redis_url):
    client = connect(RedisSettings(redis_url=redis_url))
    yield client
    await client.aclose()


@pytest.fixture
def tags(redis) -> Tags:
    return Tags(redis, prefix=f"test:{secrets.token_hex(6)}:")


@pytest.fixture
async def jetstream(nats_url) -> AsyncIterator:
    """PROJECTIONS is empty, and knows no message of before."""
    settings = NatsSettings(nats_url=nats_url)
    client = await nats.connect(nats_url)
    made = client.jetstream()
    with suppress(NotFoundError):
        await made.delete_stream(PROJECTIONS.name)
    await provision(settings)
    yield made
    await client.close()


@pytest.fixture
async def bus(nats_url, jetstream) -> AsyncIterator[Bus]:  # noqa: ARG001 (the stream is there before anyone publishes)
    broker = make_broker(NatsSettings(nats_url=nats_url), "test")
    async with running(broker):
        await eventually(lambda: answers(broker))
        yield Bus(broker)


async def answers(broker) -> bool:
    return await stream_problem(broker, PROJECTIONS) is None


async def said(jetstream) -> list[EventProjectedV1]:
    state = (await jetstream.stream_info(PROJECTIONS.name)).state
    numbers = range(max(1, state.first_seq), state.last_seq + 1)
    messages = [await jetstream.get_msg(PROJECTIONS.name, number) for number in numbers]
    return [parse(each.headers, each.data or b"") for each in messages]


@asynccontextmanager
async def taking_over(books, tags, bus) -> AsyncIterator[asyncio.Task]:
    """A syncer that has just started."""
    task = asyncio.create_task(Succession(books.pool, Announcer(books.store, tags, bus), bus).step())
    try:
        yield task
    finally:
        await end(task)
        assert task.cancelled(), task.exception()


@asynccontextmanager
async def replica(books) -> AsyncIterator:
    """Another syncer that is there, until its connection is cut, as when it is killed."""
    async with books.pool.acquire() as connection:
        await connection.execute(SQL.be_present)
        yield connection


async def test_a_new_syncer_announces_what_a_dead_one_committed(books, tags, bus, jetstream):
    projected = await books.project(by_read(Product()))
    async with taking_over(books, tags, bus):
        [one] = await eventually(lambda: said(jetstream))
    assert (one.event_id, one.revision, one.events_revision) == (PRODUCT, 1, projected.events_revision)
    assert (one.visible, one.deleted, one.caused_by) == (True, False, None)
    assert one.origin is not Origin.WEBHOOK, "it would count as a sample of change-to-visible"
    assert await tags.client.hget(tags._key(event_tag(PRODUCT)), "r") == b"1"
    assert await tags.client.hget(tags._key(EVENTS), "r") == str(projected.events_revision).encode()


async def test_what_was_announced_is_not_announced_again_but_for_the_lists(books, tags, bus, jetstream):
    announcer = Announcer(books.store, tags, bus)
    for number in range(3):
        change = by_read(Product(id=PRODUCT + number, variants=(Variant(id=VARIANT + number, item=ITEM + number),)))
        await announcer.announce([Said(await books.project(change), change)])
    unsaid = await books.project(by_read(Product(updated=5, title="Edited")))
    async with taking_over(books, tags, bus):
        await eventually(lambda: was_said(jetstream, PRODUCT, 2))
        assert await settled_at(jetstream) == 4, "three were announced before; only the fourth is news"
        assert (await said(jetstream))[-1].events_revision == unsaid.events_revision


async def was_said(jetstream, event_id, revision) -> bool:
    return (event_id, revision) in {(each.event_id, each.revision) for each in await said(jetstream)}


async def settled_at(jetstream) -> int:
    """How many announcements there are once two looks at it, a round of the succession apart, agree."""
    seen = [-1]

    async def still() -> int:
        seen.append(len(await said(jetstream)))
        return seen[-1] if len(seen) > 20 and len(set(seen[-20:])) == 1 else 0

    return await eventually(still)


async def test_a_list_that_changed_is_announced_even_if_the_event_was(books, tags, bus, jetstream):
    """Two batches of one event: the first, which changed a list, was committed and unsaid; the second was said."""
    first = await books.project(by_read(Product()))
    assert first.events_revision is not None
    sale = by_read(Product(updated=5, variants=(Variant(quantity=3, levels={1: (3, 0, 3)}, levels_updated=5),)))
    await Announcer(books.store, tags, bus).announce([Said(await books.project(sale), sale)])
    async with taking_over(books, tags, bus):
        await eventually(lambda: lists_said(jetstream, first.events_revision))


async def test_a_shown_event_says_where_the_lists_stand(books, tags, bus, jetstream):
    """A draft that changed after it is heard of by no reader, and purges nothing of its own at the CDN."""
    await books.project(by_read(Product()))
    await books.project(by_read(Product(id=PRODUCT + 1, status="draft", variants=())))
    async with taking_over(books, tags, bus):
        await eventually(lambda: was_said(jetstream, PRODUCT + 1, 1))
    bearers = {each.event_id: each.events_revision for each in await said(jetstream)}
    assert bearers == {PRODUCT: await books.collection(), PRODUCT + 1: None}


async def lists_said(jetstream, revision) -> bool:
    return max(each.events_revision or 0 for each in await said(jetstream)) >= revision


async def test_old_changes_are_left_alone(books, tags, bus, jetstream):
    await books.project(by_read(Product()))
    await books.rows("UPDATE events SET changed_at = now() - make_interval(secs => $1) RETURNING id", LATELY + 1)
    other = by_read(Product(id=PRODUCT + 1, variants=(Variant(id=VARIANT + 1, item=ITEM + 1),)))
    await books.project(other)
    async with taking_over(books, tags, bus):
        await eventually(lambda: said(jetstream))
    assert {each.event_id for each in await said(jetstream)} == {PRODUCT + 1}


async def test_when_a_replica_is_killed_the_others_announce_at_once_what_it_had_committed(books, tags, bus, jetstream):
    async with replica(books) as victim, taking_over(books, tags, bus):
        await eventually(lambda: watched(books, by=2))
        await books.project(by_read(Product()))
        assert await said(jetstream) == [], "its own replica would have said it"
        killed = time.monotonic()
        victim.terminate()
        await eventually(lambda: was_said(jetstream, PRODUCT, 1))
        assert time.monotonic() - killed < NOTICED_WITHIN


async def watched(books, by: int) -> bool:
    """So many syncers are there."""
    return len(await books.rows(SQL.get_present)) == by


async def test_a_commit_that_was_on_its_way_when_its_syncer_died_is_announced(books, tags, bus, jetstream):
    """The backend of a dead client finishes what it was told: `changed_at` is before the death, the commit after."""
    await books.project(by_read(Product()))
    async with replica(books) as victim, taking_over(books, tags, bus):
        await eventually(lambda: was_said(jetstream, PRODUCT, 1))
        async with books.pool.acquire() as late, late.transaction():
            await late.execute("UPDATE events SET revision = 2, changed_at = now(), synced_at = now()")
            victim.terminate()
            await eventually(lambda: watched(books, by=1))
        await eventually(lambda: was_said(jetstream, PRODUCT, 2))


async def test_without_redis_it_is_announced_all_the_same_and_the_tags_are_kept(books, bus, jetstream):
    away = connect(RedisSettings(redis_url=f"redis://127.0.0.1:{free_port()}/0"))
    await books.project(by_read(Product()))
    async with taking_over(books, Tags(away), bus):
        await eventually(lambda: was_said(jetstream, PRODUCT, 1))
    await away.aclose()
    assert {row["tag"] for row in await books.rows("SELECT tag FROM unraised")} == {event_tag(PRODUCT), EVENTS}
