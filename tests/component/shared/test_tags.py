"""The cache protocol on a real Valkey: no document outlives a purge, no slow loader brings one back."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import pytest
import redis.asyncio
from hypothesis import given, settings
from hypothesis import strategies as st
from waiting import eventually

from shared import tags as module
from shared.errors import Unavailable
from shared.settings import RedisSettings
from shared.tags import Document, Hit, Lead, RedisUnavailable, Tags, Wait, connect, event_tag
from shared.tags.names import PUBLIC_EVENT

TAG, NAME = event_tag(42), "public"


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[redis.asyncio.Redis]:
    made = connect(RedisSettings(redis_url=redis_url))
    yield made
    await made.aclose()


@pytest.fixture
def tags(client: redis.asyncio.Redis) -> Tags:
    return fresh(client)


def fresh(client: redis.asyncio.Redis) -> Tags:
    """Nobody else's keys."""
    return Tags(client, prefix=f"test:{secrets.token_hex(6)}:")


def document(revision: int, status: int = 200, body: bytes = b"{}") -> Document:
    return Document(revision, status, body)


async def lead(tags: Tags, name: str = NAME, tag: str = TAG) -> str:
    elected = await tags.elect(tag, name)
    assert isinstance(elected, Lead)
    return elected.lease


async def stored(tags: Tags, revision: int, name: str = NAME, tag: str = TAG) -> bool:
    return await tags.fill(tag, name, await lead(tags, name, tag), document(revision))


async def test_one_of_many_is_elected_and_the_others_wait(tags):
    answers = await asyncio.gather(*(tags.elect(TAG, NAME) for _ in range(50)))
    assert sum(isinstance(answer, Lead) for answer in answers) == 1
    assert sum(isinstance(answer, Wait) for answer in answers) == 49


@pytest.mark.parametrize("body", [b"{}", b"", b"a b c", "🎷 ערב".encode(), b"\x00\xff\r\n", b"x" * 1_000_000])
async def test_what_was_filled_is_what_is_found(tags, body):
    lease = await lead(tags)
    assert await tags.fill(TAG, NAME, lease, document(7, 404, body))
    assert await tags.elect(TAG, NAME) == Hit(document(7, 404, body))


async def test_documents_of_one_tag_have_leases_of_their_own(tags):
    await lead(tags, "public")
    await lead(tags, "manage")
    await lead(tags, "public", event_tag(43))


async def test_a_purge_takes_every_document_of_the_tag_and_of_no_other(tags):
    for name in ("public", "manage"):
        assert await stored(tags, 1, name)
    assert await stored(tags, 1, tag=event_tag(43))
    assert await tags.purge(TAG, 2)
    assert isinstance(await tags.elect(TAG, "public"), Lead)
    assert isinstance(await tags.elect(TAG, "manage"), Lead)
    assert isinstance(await tags.elect(event_tag(43), NAME), Hit)


async def test_a_purge_may_bring_the_new_document_along(tags, client):
    slow = await tags.elect(TAG, PUBLIC_EVENT)
    assert await tags.purge(TAG, 2, document(2, body=b"new"))
    assert await tags.elect(TAG, PUBLIC_EVENT) == Hit(document(2, body=b"new"))
    assert not await tags.fill(TAG, PUBLIC_EVENT, slow.lease, document(2, body=b"of a lease that is void"))
    assert isinstance(await tags.elect(TAG, "public:tickets"), Lead)
    assert 0 < await client.pttl(tags._key(TAG)) <= module.DOCUMENT_TTL * 1000


async def test_a_purge_brings_only_what_somebody_has_asked_for_since_the_one_before(tags, client):
    await tags.purge(TAG, 1, document(1))
    assert await fields(tags, client) == {"r"}, "nobody has ever asked for it"
    assert await stored(tags, 1, PUBLIC_EVENT)
    await tags.purge(TAG, 2, document(2))
    assert await fields(tags, client) == {"r", "u", f"d:{PUBLIC_EVENT}", f"b:{PUBLIC_EVENT}"}
    await tags.purge(TAG, 3, document(3))
    assert await fields(tags, client) == {"r"}, "it was brought, and nobody has asked for it"
    assert isinstance(await tags.elect(TAG, PUBLIC_EVENT), Lead)
    for revision in range(4, 8):
        await tags.purge(TAG, revision, document(revision))
        assert await tags.elect(TAG, PUBLIC_EVENT) == Hit(document(revision)), "one reader after each is enough"


async def test_who_asks_for_another_document_of_the_event_makes_no_purge_bring_this_one(tags, client):
    await lead(tags, "public:tickets")
    await tags.purge(TAG, 1, document(1))
    assert await fields(tags, client) == {"r"}


async def fields(tags: Tags, client: redis.asyncio.Redis) -> set[str]:
    return {name.decode() for name in await client.hkeys(tags._key(TAG))}


async def test_a_document_that_was_brought_goes_with_a_fill_from_a_newer_commit(tags):
    await lead(tags, PUBLIC_EVENT)
    await tags.purge(TAG, 1, document(1))
    assert await stored(tags, 2, "public:tickets")
    assert await stored(tags, 2, PUBLIC_EVENT)
    await tags.purge(TAG, 3, document(3))
    assert await tags.elect(TAG, PUBLIC_EVENT) == Hit(document(3))


async def test_a_purge_that_comes_late_brings_nothing(tags):
    await lead(tags, PUBLIC_EVENT)
    await tags.purge(TAG, 3, document(3, body=b"newer"))
    assert not await tags.purge(TAG, 2, document(2, body=b"older"))
    assert await tags.elect(TAG, PUBLIC_EVENT) == Hit(document(3, body=b"newer"))


async def test_a_purge_brings_no_document_of_another_revision(tags):
    for tag in (TAG, event_tag(43)):
        await lead(tags, PUBLIC_EVENT, tag)
    await tags.purge_all([(TAG, 4), (event_tag(43), 1)], {TAG: document(3), event_tag(43): document(1)})
    assert isinstance(await tags.elect(TAG, PUBLIC_EVENT), Lead)
    assert await tags.elect(event_tag(43), PUBLIC_EVENT) == Hit(document(1))


async def test_a_purge_that_is_not_newer_changes_nothing(tags):
    assert await tags.purge(TAG, 5)
    assert await stored(tags, 5)
    assert not await tags.purge(TAG, 5)
    assert not await tags.purge(TAG, 4)
    assert await tags.elect(TAG, NAME) == Hit(document(5))


async def test_a_purge_voids_the_lease_of_a_slow_loader(tags):
    slow = await lead(tags)
    await tags.purge(TAG, 2)
    assert not await tags.fill(TAG, NAME, slow, document(1))
    assert not await tags.fill(TAG, NAME, slow, document(99))
    assert isinstance(await tags.elect(TAG, NAME), Lead)


async def test_a_document_below_its_tag_is_refused_even_with_a_lease(tags):
    await tags.purge(TAG, 5)
    assert not await stored(tags, 4)
    assert await stored(tags, 5)


async def test_a_fill_from_a_newer_commit_than_was_raised_takes_every_older_document_along(tags):
    """Its syncer was killed before it raised the tag: nobody else would, for as long as its messages lie unanswered."""
    await tags.purge(TAG, 1)
    assert await stored(tags, 1, "tickets")
    assert await stored(tags, 1, "manage")
    assert await stored(tags, 2, "public")
    assert isinstance(await tags.elect(TAG, "tickets"), Lead)
    assert isinstance(await tags.elect(TAG, "manage"), Lead)
    assert await tags.elect(TAG, "public") == Hit(document(2))


async def test_a_tag_that_a_fill_has_raised_refuses_slower_loaders_and_keeps_those_of_the_same_commit(tags):
    slow, equal = await lead(tags, "slow"), await lead(tags, "equal")
    assert await stored(tags, 2)
    assert not await tags.fill(TAG, "slow", slow, document(1))
    assert await tags.fill(TAG, "equal", equal, document(2))


async def test_the_purge_that_comes_after_such_a_fill_finds_nothing_left_to_do(tags):
    assert await stored(tags, 2)
    assert not await tags.purge(TAG, 2)
    assert await tags.elect(TAG, NAME) == Hit(document(2))
    assert await tags.purge(TAG, 3)


async def test_a_tag_with_more_documents_than_lua_can_unpack_is_raised_by_a_fill(tags, client, monkeypatch):
    monkeypatch.setattr(module, "MAX_DOCUMENTS", 20_000)
    await client.hset(tags._key(TAG), mapping={f"d:{number}": document(1).encode() for number in range(12_000)})
    assert await stored(tags, 2)
    assert await client.hlen(tags._key(TAG)) == 3  # the document, the revision, the end


async def test_revisions_are_compared_as_numbers(tags):
    await tags.purge(TAG, 9)
    assert await tags.purge(TAG, 10)
    assert not await tags.purge(TAG, 9)
    assert await tags.purge(TAG, 2**52)
    assert not await stored(tags, 2**52 - 1)


async def test_a_flush_voids_every_lease(tags, client):
    slow = await lead(tags)
    await client.delete(tags._key(TAG))  # what an eviction, an expiry or a restart does
    assert not await tags.fill(TAG, NAME, slow, document(1))


async def test_when_a_loader_dies_another_is_elected_and_the_first_may_not_fill(tags, monkeypatch):
    monkeypatch.setattr(module, "LEASE", 0.05)
    dead = await lead(tags)
    successor = await eventually(lambda: next_lead(tags))
    assert not await tags.fill(TAG, NAME, dead, document(1))
    assert await tags.fill(TAG, NAME, successor, document(2))


async def next_lead(tags: Tags) -> str | None:
    answer = await tags.elect(TAG, NAME)
    return answer.lease if isinstance(answer, Lead) else None


async def test_a_lease_that_is_given_up_elects_the_next_at_once(tags):
    await tags.release(TAG, NAME, await lead(tags))
    await lead(tags)


async def test_only_its_holder_gives_a_lease_up(tags):
    await lead(tags)
    await tags.release(TAG, NAME, "somebody else's")
    assert isinstance(await tags.elect(TAG, NAME), Wait)


async def test_a_lease_fills_once(tags):
    lease = await lead(tags)
    assert await tags.fill(TAG, NAME, lease, document(1))
    assert not await tags.fill(TAG, NAME, lease, document(1))


async def test_a_tag_that_is_full_takes_no_more_names_and_everyone_loads(tags, client, monkeypatch):
    monkeypatch.setattr(module, "MAX_DOCUMENTS", 20)
    for number in range(60):
        answer = await tags.elect(TAG, f"cursor {number}")
        assert isinstance(answer, Lead)
        await tags.fill(TAG, f"cursor {number}", answer.lease, document(1))
    for number in range(60, 120):
        assert isinstance(await tags.elect(TAG, f"cursor {number}"), Lead)
    assert await client.hlen(tags._key(TAG)) <= 22
    assert isinstance(await tags.elect(TAG, "cursor 0"), Hit)
    await tags.purge(TAG, 2)
    assert await stored(tags, 2, "cursor 100")


async def test_everything_expires(tags, client):
    await lead(tags, tag="only asked for")
    assert 0 < await client.pttl(tags._key("only asked for")) <= module.LEASE * 10_000
    await tags.purge("only purged", 1)
    assert 0 < await client.pttl(tags._key("only purged")) <= module.DOCUMENT_TTL * 1000
    await stored(tags, 1, tag="filled")
    assert module.LEASE * 10_000 < await client.pttl(tags._key("filled")) <= module.DOCUMENT_TTL * 1000


async def test_what_does_not_exist_is_forgotten_sooner(tags, client):
    await tags.fill(TAG, NAME, await lead(tags), document(0, 404))
    assert 0 < await client.pttl(tags._key(TAG)) <= module.NEGATIVE_TTL * 1000


async def test_later_fills_do_not_put_off_the_end_of_earlier_ones(tags, client, monkeypatch):
    monkeypatch.setattr(module, "DOCUMENT_TTL", 60.0)
    await stored(tags, 1, "first")
    first = await client.pexpiretime(tags._key(TAG))
    monkeypatch.setattr(module, "DOCUMENT_TTL", 3600.0)
    await stored(tags, 1, "second")
    assert await client.pexpiretime(tags._key(TAG)) <= first + 5


async def test_redis_away_has_one_name():
    nobody = Tags(connect(RedisSettings(redis_url="redis://127.0.0.1:1/0")))
    for call in (
        nobody.elect(TAG, NAME),
        nobody.fill(TAG, NAME, "lease", document(1)),
        nobody.release(TAG, NAME, "lease"),
        nobody.purge(TAG, 1),
        nobody.ping(),
    ):
        with pytest.raises(RedisUnavailable) as caught:
            await call
        assert isinstance(caught.value, Unavailable)
    await nobody.client.aclose()


NAMES = st.sampled_from([PUBLIC_EVENT, "manage"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("change"), st.none()),  # commit, the purge still on its way
        st.tuples(st.just("purge"), st.booleans()),  # the oldest that is on its way, with its document or without
        st.tuples(st.just("elect"), NAMES),
        st.tuples(st.just("fill"), st.integers(0, 3)),  # by one of those who load
        st.tuples(st.just("forget"), st.none()),  # an eviction or a restart
    ),
    max_size=40,
)


@pytest.fixture(scope="module")
def complete() -> Iterator[Callable[[Coroutine[Any, Any, None]], None]]:
    """Run a coroutine from a test that is none: Hypothesis calls no others."""
    loop = asyncio.new_event_loop()
    yield loop.run_until_complete
    loop.close()


@given(steps=STEPS)
@settings(max_examples=120, deadline=None)
def test_no_schedule_brings_back_what_was_purged(redis_url, complete, steps):
    """A reader never finds a document older than the newest purge or fill since the cache was last emptied, nor one
    older than what it was loaded from; and a loader who began before a purge or a loss stores nothing."""
    complete(scheduled(redis_url, steps))


async def scheduled(redis_url, steps):
    client = connect(RedisSettings(redis_url=redis_url))
    try:
        await run(fresh(client), client, steps)
    finally:
        await client.aclose()


async def run(tags, client, steps):  # noqa: C901 (one case for each thing that may happen)
    committed, raised, unsaid, loading, epoch = 1, 0, [], [], 0
    for step, argument in steps:
        match step:
            case "change":
                committed += 1
                unsaid.append(committed)
            case "purge" if unsaid:
                revision = unsaid.pop(0)
                news = await tags.purge(TAG, revision, document(revision) if argument else None)
                assert news == (revision > raised)
                epoch, raised = epoch + news, max(raised, revision)
            case "forget":
                await client.delete(tags._key(TAG))
                epoch, raised = epoch + 1, 0
            case "elect":
                answer = await tags.elect(TAG, argument)
                if isinstance(answer, Lead):
                    loading.append((argument, answer.lease, committed, epoch))
                if isinstance(answer, Hit):
                    assert answer.document.revision >= raised
            case "fill" if loading:
                name, lease, revision, began = loading.pop(argument % len(loading))
                kept = await tags.fill(TAG, name, lease, document(revision))
                assert kept == (began == epoch and revision >= raised)
                raised = max(raised, revision) if kept else raised
    for name in (PUBLIC_EVENT, "manage"):
        answer = await tags.elect(TAG, name)
        if isinstance(answer, Hit):
            assert answer.document.revision >= raised
