"""One suite for whoever hands out points: one process alone, all through Redis, each its part while Redis is away."""

import asyncio
import secrets
import time

import pytest
import redis.asyncio
from waiting import eventually

from shared.settings import RedisSettings
from shared.shopify.bucket import Bucket, ThrottleStatus
from shared.shopify.budget import LocalBudget
from shared.shopify.errors import Throttled
from shared.shopify.governor import Governor
from shared.shopify.ledger import Ledger
from shared.shopify.line import Line
from shared.shopify.shares import HEAD_ROOM, Share
from shared.shopify.till import LocalTill
from shared.tags import connect

MAXIMUM, SLOW = 1000.0, 0.001  # points; points a second: nothing flows in while a test runs
ALL = MAXIMUM - HEAD_ROOM  # what may be taken of it


class Alone:
    """The local budget."""

    def __init__(self, _client, rate):
        self.rate = rate

    async def start(self, **more):
        return LocalBudget(Bucket.full(MAXIMUM, self.rate, time.monotonic()), **more)

    async def available(self, budget):
        return budget.bucket.available


class Shared:
    """The governor over a real Valkey that knows of a full bucket."""

    def __init__(self, client, rate):
        self.client, self.rate = client, rate
        self.shop = f"{secrets.token_hex(8)}.myshopify.com"

    async def start(self, **more):
        governor = Governor(Ledger(self.client, self.shop), part=0.25, **more)
        await governor.till.start()
        async with governor.reserve(1, deadline=1) as reservation:
            reservation.settle(1, ThrottleStatus(MAXIMUM, MAXIMUM, self.rate))
        await self.client.hset(governor.till._ledger._key, "careful", 0)
        return governor

    async def available(self, budget):
        entry, _ = await budget.till._ledger.join(budget.till._under_way, away=False)
        return entry.available


class Part:
    """What the governor lives on without Redis."""

    def __init__(self, _client, rate):
        self.rate = rate

    async def start(self, **more):
        bucket = Bucket.full(MAXIMUM, self.rate, time.monotonic())
        self.till = LocalTill(bucket, part=0.999, head_room=HEAD_ROOM / 0.999)
        return Line(self.till, **more)

    async def available(self, _budget):
        return self.till.bucket.available


@pytest.fixture(params=[Alone, Shared, Part], ids=lambda kind: kind.__name__.lower())
async def kind(request, redis_url):
    client = connect(RedisSettings(redis_url=redis_url))
    yield lambda rate=SLOW: request.param(client, rate)
    await client.aclose()


class Calls:
    """Calls that keep their points until they are told to end; `order` is how they got them."""

    def __init__(self, budget):
        self.budget, self.order, self.gates, self.tasks = budget, [], {}, {}

    def begin(self, name, cost, share=Share.COMMANDS, deadline=5):
        self.gates[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._call(name, cost, share, deadline))

    async def _call(self, name, cost, share, deadline):
        async with self.budget.reserve(cost, deadline=deadline, share=share) as reservation:
            self.order.append(name)
            await self.gates[name].wait()
            reservation.settle(0)

    async def waits(self, *names):
        """All that were begun are in the line, these among them."""
        waiting = lambda: sum(map(len, self.budget._shares.values()))  # noqa: E731
        await eventually(lambda: waiting() == len(names))
        assert not set(names) & set(self.order)

    async def end(self, *names):
        for name in names:
            self.gates[name].set()
        await asyncio.wait_for(asyncio.gather(*(self.tasks[name] for name in names)), 5)


async def test_what_was_not_used_comes_back(kind):
    points = kind()
    budget = await points.start()
    async with budget.reserve(600, deadline=1) as reservation:
        assert await points.available(budget) == pytest.approx(400, abs=2)
        reservation.settle(100)
    assert await points.available(budget) == pytest.approx(900, abs=2)


async def test_an_unknown_outcome_counts_as_used(kind):
    points = kind()
    budget = await points.start()
    with pytest.raises(RuntimeError):
        async with budget.reserve(600, deadline=1):
            raise RuntimeError
    assert await points.available(budget) == pytest.approx(400, abs=2)


async def test_within_a_share_turns_come_in_order(kind):
    calls = Calls(await kind().start())
    calls.begin("first", 600)
    await eventually(lambda: calls.order == ["first"])
    calls.begin("large", 900)
    calls.begin("small", 10)
    await calls.waits("large", "small")
    await calls.end("first", "large", "small")
    assert calls.order == ["first", "large", "small"]


async def test_a_higher_share_overtakes_all_that_wait(kind):
    calls = Calls(await kind().start())
    calls.begin("first", 900)
    await eventually(lambda: calls.order == ["first"])
    for share in reversed(Share):
        calls.begin(share, 500, share)
    await calls.waits(*Share)
    await calls.end("first", *Share)
    assert calls.order == ["first", *Share]


async def test_a_lower_share_leaves_points_for_those_above(kind):
    calls = Calls(await kind().start())
    for number in range(20):
        calls.begin(number, 100, Share.BACKFILL)
    await eventually(lambda: len(calls.order) >= 7)
    calls.begin("command", 60)
    await eventually(lambda: calls.order[-1] == "command")
    for gate in calls.gates.values():
        gate.set()
    await asyncio.wait_for(asyncio.gather(*calls.tasks.values()), 10)


async def test_a_deadline_ends_the_wait_with_a_time_to_come_back(kind):
    budget = await kind().start()
    async with budget.reserve(ALL - 10, deadline=1):
        with pytest.raises(Throttled) as caught:
            async with budget.reserve(100, deadline=0.02):
                pass
    assert caught.value.retry_after > 0


async def test_who_gives_up_does_not_hold_up_the_line(kind):
    calls = Calls(await kind().start())
    calls.begin("first", 500)
    await eventually(lambda: calls.order == ["first"])
    calls.begin("large", 900)
    calls.begin("small", 100)
    await calls.waits("large", "small")
    calls.tasks["large"].cancel()
    await eventually(lambda: calls.order == ["first", "small"])
    await calls.end("first", "small")


async def test_who_is_cancelled_gives_the_points_back_whenever_that_is(kind):
    points = kind()
    budget = await points.start()

    async def call():
        async with budget.reserve(900, deadline=5) as reservation:
            reservation.settle(0)
            await asyncio.Event().wait()

    for steps in range(30):
        task = asyncio.create_task(call())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task], timeout=5)
        assert task.cancelled()
    async with budget.reserve(900, deadline=5) as reservation:
        reservation.settle(0)


async def test_more_than_the_bucket_holds_is_refused_at_once(kind):
    budget = await kind().start()
    with pytest.raises(Throttled, match="holds"):
        async with budget.reserve(1200, deadline=60):
            pass


async def test_a_lowered_limit_is_followed_at_once(kind):
    points = kind()
    budget = await points.start()
    async with budget.reserve(100, deadline=1) as reservation:
        reservation.settle(10, ThrottleStatus(500, 40, SLOW))
    assert await points.available(budget) == pytest.approx(40, abs=1)
    with pytest.raises(Throttled, match="holds"):
        async with budget.reserve(600, deadline=60):
            pass


async def test_points_that_flow_in_go_to_whoever_waits(kind):
    budget = await kind(rate=2000).start()
    began = time.monotonic()
    for _ in range(10):
        async with budget.reserve(200, deadline=5) as reservation:
            reservation.settle(200)
    assert 0.4 < time.monotonic() - began < 2


async def test_no_more_requests_are_under_way_than_there_are_slots_and_half_are_for_commands(kind):
    calls = Calls(await kind().start(slots=10))
    for number in range(6):
        calls.begin(number, 10, Share.BACKFILL)
    await eventually(lambda: len(calls.order) == 3)
    commands = [f"command {number}" for number in range(8)]
    for name in commands:
        calls.begin(name, 10)
    await eventually(lambda: len(calls.order) == 10)
    assert calls.order[3:] == commands[:7]
    await calls.end(*range(6), *commands)


async def test_the_line_is_bounded(kind):
    calls = Calls(await kind().start(max_waiting=2))
    calls.begin("first", ALL - 10)
    await eventually(lambda: calls.order == ["first"])
    calls.begin("second", 500)
    calls.begin("third", 500)
    await calls.waits("second", "third")
    with pytest.raises(Throttled, match="wait"):
        async with calls.budget.reserve(1, deadline=60):
            pass
    await calls.end("first", "second", "third")


async def test_a_redis_that_refuses_the_connection_is_done_without_at_once():
    client = redis.asyncio.Redis(host="127.0.0.1", port=1)
    governor = Governor(Ledger(client, "away.myshopify.com"), part=1.0)
    began = time.monotonic()
    await governor.till.start()
    async with governor.reserve(13, deadline=1) as reservation:
        reservation.settle(3, ThrottleStatus(2000, 1997, 100))
    assert time.monotonic() - began < 1
    assert not governor.till.shared
    await governor.close()
    await client.aclose()


async def test_a_share_that_others_crowd_out_has_its_turn_now_and_then(kind):
    """Refetches take all that flows in, for minutes; the one call of a backfill is answered all the same."""
    budget = await kind(rate=200).start()

    async def refetch():
        async with budget.reserve(190, deadline=60, share=Share.REFETCH):
            """All of it is used."""

    crowd = [asyncio.create_task(refetch()) for _ in range(60)]
    async with budget.reserve(10, deadline=10, share=Share.BACKFILL) as reservation:
        reservation.settle(10)
        assert sum(not task.done() for task in crowd) > len(crowd) / 2
    for task in crowd:
        task.cancel()
    await asyncio.gather(*crowd, return_exceptions=True)
    await eventually(lambda: not budget._tasks)
