"""Points are handed out in turn, within a deadline, and always come back."""

import asyncio

import pytest

from shared.shopify.bucket import Bucket, ThrottleStatus
from shared.shopify.budget import LocalBudget
from shared.shopify.errors import Throttled


class Time:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def budget(maximum=1000, rate=0.001, time=None, **more):
    time = time or Time()
    return LocalBudget(Bucket.full(maximum, rate, time()), head_room=0, monotonic=time, **more)


async def settled():
    """Let every task that can run do so."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_what_was_not_used_comes_back():
    points = budget()
    async with points.reserve(600, deadline=1) as reservation:
        assert points.bucket.available == 400
        reservation.settle(100)
    assert points.bucket.available == 900


async def test_an_unknown_outcome_counts_as_used():
    points = budget()
    with pytest.raises(RuntimeError):
        async with points.reserve(600, deadline=1):
            raise RuntimeError
    assert points.bucket.available == 400


async def test_turns_come_in_order_and_a_small_one_does_not_overtake():
    points, order, gate = budget(), [], asyncio.Event()

    async def call(name, cost):
        async with points.reserve(cost, deadline=5) as reservation:
            order.append(name)
            reservation.settle(0)
            await gate.wait()

    tasks = []
    for name, cost in (("first", 800), ("large", 900), ("small", 100)):
        tasks.append(asyncio.create_task(call(name, cost)))
        await settled()
    assert order == ["first"]
    gate.set()
    await asyncio.gather(*tasks)
    assert order == ["first", "large", "small"]
    assert points.bucket.available == 1000


async def test_whoever_waits_is_woken_when_the_points_have_flowed_in():
    points = LocalBudget(Bucket(1000, 10_000, 0, asyncio.get_running_loop().time()), head_room=0)
    async with asyncio.timeout(5), points.reserve(500, deadline=5) as reservation:
        reservation.settle(0)


async def test_a_deadline_ends_the_wait_with_a_time_to_come_back():
    points = budget(rate=100)
    async with points.reserve(1000, deadline=1):
        with pytest.raises(Throttled) as caught:
            async with points.reserve(10, deadline=0.01):
                pass
        assert caught.value.retry_after > 0


async def test_who_gives_up_does_not_hold_up_the_line():
    points, done = budget(), []

    async def call(cost):
        async with points.reserve(cost, deadline=5) as reservation:
            reservation.settle(0)
            done.append(cost)

    async with points.reserve(500, deadline=1):
        large = asyncio.create_task(call(900))
        await settled()
        small = asyncio.create_task(call(100))
        await settled()
        assert done == []
        large.cancel()
        await asyncio.wait([large])
        await asyncio.wait_for(small, 5)
    assert done == [100]


async def test_who_is_cancelled_just_when_called_gives_the_points_back():
    points = budget()
    async with points.reserve(900, deadline=1) as first:
        waiting = asyncio.create_task(points.reserve(900, deadline=5).__aenter__())
        await settled()
        first.settle(0)
    waiting.cancel()  # its turn was called when the block above was left, and it has not run yet
    await asyncio.wait([waiting])
    assert points.bucket.available == 1000
    assert points.bucket.held == 0


async def test_more_than_the_bucket_holds_is_refused_at_once():
    with pytest.raises(Throttled, match="holds"):
        async with budget().reserve(1001, deadline=60):
            pass


async def test_the_line_is_bounded():
    points = budget(max_waiting=1)
    async with points.reserve(1000, deadline=1):
        waiting = asyncio.create_task(points.reserve(1, deadline=60).__aenter__())
        await settled()
        with pytest.raises(Throttled, match="wait"):
            async with points.reserve(1, deadline=60):
                pass
        waiting.cancel()
        await asyncio.wait([waiting])


async def test_a_lowered_limit_is_followed_at_once():
    points = budget()
    async with points.reserve(100, deadline=1) as reservation:
        reservation.settle(10, ThrottleStatus(500, 40, 25))
    assert (points.bucket.maximum, points.bucket.rate, points.bucket.available) == (500, 25, 40)


async def test_a_raised_limit_is_used_at_once():
    points = budget()
    async with points.reserve(100, deadline=1) as reservation:
        reservation.settle(10, ThrottleStatus(20000, 19990, 1000))
    assert points.bucket.available == 19990


async def test_many_callers_never_hold_more_than_there_is():
    points, held, most = budget(rate=0.001), 0, 0

    async def call(cost):
        nonlocal held, most
        async with points.reserve(cost, deadline=5) as reservation:
            held += cost
            most = max(most, held)
            await asyncio.sleep(0)
            reservation.settle(0)
            held -= cost

    await asyncio.gather(*(call(cost) for cost in [7, 90, 300, 500, 1000] * 40))
    assert most <= 1000
    assert points.bucket.available == 1000
