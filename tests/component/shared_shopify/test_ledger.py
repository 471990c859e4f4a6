"""The ledger in Redis does what the pure bucket does, and Shopify admits what it grants, whoever asks."""

import asyncio
import heapq
import itertools
import secrets
import time
from dataclasses import dataclass, field

import pytest
import redis.asyncio
from hypothesis import given, settings
from hypothesis import strategies as st
from leaky_bucket import SMALL, Shopify, limits, requests

from shared.points import Points, points_key, points_left
from shared.settings import RedisSettings
from shared.shopify.bucket import Bucket, ThrottleStatus
from shared.shopify.ledger import START, Ledger
from shared.shopify.shares import HEAD_ROOM, Share
from shared.shopify.till import Ask, Granted, Later, Never
from shared.tags import RedisUnavailable, connect

BEGIN = 1000.0  # seconds of the tests' own clock
SETTLED = 10.0  # seconds, after which a new ledger is no longer careful


@pytest.fixture(scope="session")
async def valkey(redis_url):
    client = connect(RedisSettings(redis_url=redis_url))
    yield client
    await client.aclose()


def new_shop():
    return f"{secrets.token_hex(8)}.myshopify.com"


def ask(ledger, cost, share=Share.COMMANDS):
    return Ask(ledger.process + secrets.token_hex(6), cost, share, share.rank)


async def bucket_of(valkey, shop):
    names = ("maximum", "rate", "available", "at", "held", "taken", "allowed", "cut_at", "misled_at")
    kept = await valkey.hmget(points_key(shop), *names)
    return Bucket(*(float(number) for number in kept))


async def told(ledger, status, now):
    """The level is known, and nobody has to be careful any more."""
    granted, _ = await ledger.take(ask(ledger, 1), now=now)
    await ledger.give_back(granted.id, 1, status, now=now)
    return now + SETTLED


async def full(valkey, maximum=2000, rate=100):
    """A ledger that knows of a full bucket, and the time then."""
    ledger = Ledger(valkey, new_shop())
    return ledger, await told(ledger, ThrottleStatus(maximum, maximum, rate), BEGIN)


@dataclass(frozen=True)
class Step:
    passed: float
    takes: bool
    cost: int
    share: Share
    which: int
    actual: float
    status: ThrottleStatus | None
    refused: bool


steps = st.builds(
    Step,
    passed=st.floats(0, 20),
    takes=st.booleans(),
    cost=st.integers(1, 1200),
    share=st.sampled_from(Share),
    which=st.integers(0, 100),
    actual=st.floats(0, 1),
    status=st.none()
    | st.builds(
        ThrottleStatus,
        maximum=st.sampled_from([500.0, 1000.0, 2000.0, 20000.0]),
        available=st.integers(0, 2000).map(float),
        rate=st.sampled_from([25.0, 50.0, 100.0, 1000.0]),
    ),
    refused=st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(steps, max_size=25))
async def test_it_does_exactly_the_arithmetic_of_the_bucket(valkey, sequence):
    shop = new_shop()
    ledger = Ledger(valkey, shop, request_timeout=1e9)  # claims that expire are another test's
    now = await told(ledger, ThrottleStatus(1000.0, 1000.0, 50.0), BEGIN)
    bucket, held = await bucket_of(valkey, shop), {}
    for step in sequence:
        now += step.passed
        if step.takes:
            asked = ask(ledger, step.cost, step.share)
            outcome, _ = await ledger.take(asked, now=now)
            await ledger.leave(asked)
            bucket = bucket.now(now)
            left = max(HEAD_ROOM, step.share.left.points(step.cost, bucket.fill, bucket.held))
            if step.cost > bucket.maximum:
                assert isinstance(outcome, Never)
            elif (wait := bucket.wait_for(step.cost, now, left)) > 0:
                assert isinstance(outcome, Later)
                assert wait == float("inf") or outcome.seconds == pytest.approx(min(max(wait, 0.01), 1.0))
            else:
                assert isinstance(outcome, Granted)
                bucket, held[outcome.id] = bucket.take(step.cost, now)
        elif held:
            name = list(held)[step.which % len(held)]
            claim = held.pop(name)
            actual = 0.0 if step.refused else claim.cost * step.actual
            if step.refused:
                bucket = bucket.refused(claim, step.status, now)
            else:
                bucket = bucket.give_back(claim, actual, now)
                bucket = bucket if step.status is None else bucket.follow(step.status, claim, now)
            entry = await ledger.give_back(name, actual, step.status, refused=step.refused, now=now)
            assert entry.level == bucket.level(now)
        else:
            continue
        assert await bucket_of(valkey, shop) == bucket


@dataclass
class World:
    """Several processes with their own ledgers of one key, Shopify, and a network that reorders."""

    ledgers: list
    shopify: Shopify
    time: float = BEGIN
    events: list = field(default_factory=list)
    number: itertools.count = field(default_factory=itertools.count)
    refused: int = 0

    def later(self, at, action):
        heapq.heappush(self.events, (at, next(self.number), action))

    async def run_until(self, at):
        while self.events and self.events[0][0] <= at:
            self.time, _, action = heapq.heappop(self.events)
            await action()
        self.time = max(self.time, at)

    async def send(self, request, process, share):
        await self.run_until(self.time + request.gap)
        ledger = self.ledgers[process]
        asked = ask(ledger, request.cost, share)
        for _ in range(2000):
            outcome, _ = await ledger.take(asked, now=self.time)
            match outcome:
                case Never():
                    return
                case Later(seconds):
                    await self.run_until(min(self.time + seconds, self.events[0][0] if self.events else float("inf")))
                case _:
                    self.later(self.time + request.there, lambda: self.arrive(request, ledger, asked.id))
                    return
        raise AssertionError("it never gets its points")

    async def arrive(self, request, ledger, claim):
        admitted = self.shopify.admit(request.cost, self.time)
        self.refused += not admitted
        self.later(self.time + (request.inside if admitted else 0), lambda: self.work(request, ledger, claim, admitted))

    async def work(self, request, ledger, claim, admitted):
        actual = request.cost * request.used if admitted else 0.0
        if admitted:
            self.shopify.finish(request.cost - actual, self.time)
        self.shopify.pass_time(self.time)
        status = self.shopify.status() if request.speaks else None
        self.later(self.time + request.back, lambda: ledger.give_back(claim, actual, status, now=self.time))


sent_by = st.tuples(requests, st.integers(0, 2), st.sampled_from(Share))


@settings(max_examples=40, deadline=None)
@given(limits, st.lists(sent_by, max_size=25))
async def test_what_it_grants_to_several_processes_shopify_admits_however_slow_and_disordered_the_network_is(
    valkey, limit, sent
):
    shop = new_shop()
    world = World([Ledger(valkey, shop) for _ in range(3)], Shopify(*limit, at=BEGIN))
    for request, process, share in sent:
        await world.send(request, process, share)
    await world.run_until(world.time + 100)
    assert world.refused == 0
    assert (await bucket_of(valkey, shop)).held < SMALL if sent else True


@settings(max_examples=20, deadline=None)
@given(limits, st.lists(sent_by, min_size=1, max_size=12), st.integers(0, 12))
async def test_a_redis_that_forgets_everything_costs_no_refusal(valkey, limit, sent, when):
    shop = new_shop()
    world = World([Ledger(valkey, shop) for _ in range(3)], Shopify(*limit, at=BEGIN))
    for number, (request, process, share) in enumerate(sent):
        if number == when:
            await world.run_until(world.time + 20)  # all answers are in; what they spent is not known any more
            await valkey.delete(points_key(shop))
        await world.send(request, process, share)
    await world.run_until(world.time + 100)
    assert world.refused == 0


async def test_a_large_page_passes_a_bucket_that_was_cut_in_half_for_every_share(valkey):
    for share in Share:
        ledger, now = await full(valkey)
        now = await told(ledger, ThrottleStatus(1000, 1000, 50), now)
        command, _ = await ledger.take(ask(ledger, 13), now=now)  # something is always under way
        page = ask(ledger, 709, share)
        for _ in range(100):
            outcome, _ = await ledger.take(page, now=now)
            if isinstance(outcome, Granted):
                break
            now += outcome.seconds
        assert isinstance(outcome, Granted)
        assert command


async def test_whoever_dies_with_points_has_used_them(valkey):
    ledger, now = await full(valkey)
    await ledger.take(ask(ledger, 900), now=now)
    _, entry = await ledger.take(ask(ledger, 1500), now=now + 39)
    assert entry.available == 1100  # full, beside what may still be under way
    _, entry = await ledger.take(ask(ledger, 1900), now=now + 42)
    assert entry.available == pytest.approx(1100 + 200)  # 40 s after it was taken it flows in again
    outcome, _ = await ledger.take(ask(ledger, 1900), now=now + 60)
    assert isinstance(outcome, Granted)


async def test_whoever_dies_in_the_line_holds_it_up_for_two_seconds_at_most(valkey):
    ledger, now = await full(valkey)
    await ledger.take(ask(ledger, 1900), now=now)
    large, small = ask(ledger, 1000), ask(ledger, 10)
    assert isinstance((await ledger.take(large, now=now))[0], Later)
    assert isinstance((await ledger.take(small, now=now))[0], Later)  # 100 points are there: it does not overtake
    assert isinstance((await ledger.take(small, now=now + 2.1))[0], Granted)


async def test_a_higher_share_overtakes_and_a_lower_one_waits_behind_it_in_every_process(valkey):
    ledger, now = await full(valkey)
    other = Ledger(valkey, ledger._key.rpartition(":")[2])
    hold, _ = await ledger.take(ask(ledger, 1900), now=now)
    backfill, command = ask(ledger, 10, Share.BACKFILL), ask(other, 100)
    assert isinstance((await ledger.take(backfill, now=now))[0], Later)
    assert isinstance((await other.take(command, now=now))[0], Later)
    await ledger.give_back(hold.id, 1850, now=now)
    assert isinstance((await ledger.take(backfill, now=now + 0.5))[0], Later)
    assert isinstance((await other.take(command, now=now + 0.5))[0], Granted)


async def test_the_same_question_asked_twice_takes_the_points_once(valkey):
    ledger, now = await full(valkey)
    once = ask(ledger, 500)
    for _ in range(2):
        outcome, entry = await ledger.take(once, now=now)
    assert isinstance(outcome, Granted)
    assert entry.available == 1500


async def test_an_unknown_level_begins_with_little_and_is_raised_by_the_first_answer(valkey):
    ledger = Ledger(valkey, new_shop())
    first = ask(ledger, 13)
    assert isinstance((await ledger.take(first, now=BEGIN))[0], Granted)
    outcome, entry = await ledger.take(ask(ledger, 191), now=BEGIN)
    assert isinstance(outcome, Later)
    assert not entry.told
    entry = await ledger.give_back(first.id, 3, ThrottleStatus(2000, 1997, 100), now=BEGIN)
    assert entry.told
    assert entry.available == 1997


async def test_whoever_was_away_brings_its_requests_and_takes_the_level_down(valkey):
    ledger, now = await full(valkey)
    entry, _ = await ledger.join({f"{ledger.process}1": 300.0}, away=True, now=now)
    assert entry.available <= START
    assert not entry.told
    held, _ = await ledger.take(ask(ledger, 10), now=now)
    entry = await ledger.give_back(held.id, 10, ThrottleStatus(2000, 1900, 100), now=now)
    assert entry.available == 1900 - 300  # it may not have arrived yet


async def test_what_was_learnt_of_documents_is_there_for_the_next_process(valkey):
    ledger, now = await full(valkey)
    await ledger.give_back("nobody's", 0, None, ("product/0badcafe", 191.0), now=now)
    await ledger.give_back("nobody's", 0, None, ("product/0badcafe", 150.0), now=now)
    _, costs = await ledger.join({}, away=False, now=now)
    assert costs == {"product/0badcafe": 191.0}


async def test_the_key_goes_when_nobody_asks_for_a_day(valkey):
    ledger, _ = await full(valkey)
    assert 86_000_000 < await valkey.pttl(ledger._key) <= 86_400_000


async def test_readers_see_the_points_that_are_left(valkey):
    shop = new_shop()
    assert await points_left(valkey, shop) is None
    ledger = Ledger(valkey, shop)
    granted, _ = await ledger.take(ask(ledger, 20))
    await ledger.give_back(granted.id, 20, ThrottleStatus(2000, 1500, 100))
    seen = await points_left(valkey, shop)
    assert (seen.maximum, seen.restore_rate) == (2000, 100)
    assert 1500 <= seen.available < 1600
    assert isinstance(seen, Points)


async def test_a_redis_that_hangs_is_away_within_a_quarter_of_a_second():
    async def hang(reader, writer):
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    client = redis.asyncio.Redis(host="127.0.0.1", port=server.sockets[0].getsockname()[1], socket_timeout=5)
    began = time.monotonic()
    with pytest.raises(RedisUnavailable):
        await Ledger(client, new_shop()).join({}, away=False)
    assert time.monotonic() - began < 0.5
    await client.aclose()
    server.close()


async def test_a_look_takes_and_writes_nothing(valkey):
    ledger, now = await full(valkey)
    await ledger.take(ask(ledger, 700), now=now)
    before = await valkey.hgetall(ledger._key)
    entry = await ledger.look(now=now + 3)
    assert await valkey.hgetall(ledger._key) == before
    level = entry.level
    assert (level.available, level.maximum, level.rate, level.held) == (1300, 2000, 100, 700)


async def test_a_look_at_nothing_leaves_nothing(valkey):
    ledger = Ledger(valkey, new_shop())
    assert (await ledger.look()).available == START
    assert not await valkey.exists(ledger._key)


async def test_a_round_trip_of_refusals_cuts_once_whoever_of_the_processes_met_them(valkey):
    ledger, now = await full(valkey)
    other = Ledger(valkey, ledger._key.rpartition(":")[2])
    claims = [(one, (await one.take(ask(one, 10), now=now))[0].id) for one in (ledger, other) * 3]
    for one, claim in claims:
        entry = await one.give_back(claim, 0, refused=True, now=now + 2)
    assert entry.allowed == pytest.approx(0.7)
    assert entry.level.rate == pytest.approx(70)


async def test_a_ledger_of_an_earlier_version_goes_on(valkey):
    ledger, now = await full(valkey)
    claim = (await ledger.take(ask(ledger, 10), now=now))[0].id
    written = await valkey.hget(ledger._key, f"c:{claim}")
    await valkey.hset(ledger._key, f"c:{claim}", written.rpartition(b" ")[0])
    await valkey.hdel(ledger._key, "allowed", "cut_at", "misled_at")
    entry = await ledger.give_back(claim, 10, ThrottleStatus(2000, 1990, 100), now=now + 1)
    assert (entry.allowed, entry.held, entry.available) == (1, 0, 1990)
