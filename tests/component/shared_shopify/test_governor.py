"""Several processes, one shop: Shopify never says no, nothing restored is left lying, commands go first."""

import asyncio
import secrets
import statistics
import time

import pytest
from load import Loads
from waiting import eventually

from sandbox.servers import Valkey
from shared.settings import RedisSettings
from shared.shopify import Share
from shared.tags import connect

RATE, SIZE = 400, 1000  # points a second, points


@pytest.fixture
async def valkey(redis_url):
    client = connect(RedisSettings(redis_url=redis_url))
    yield client
    await client.aclose()


@pytest.fixture
def shop():
    """Nobody else's points."""
    return f"{secrets.token_hex(8)}.myshopify.com"


@pytest.fixture
async def product(simulated):
    made = await simulated.create("Festival", variants=30)
    return {"id": f"gid://shopify/Product/{made['id']}"}


async def throttled(simulated):
    return (await simulated.state())["throttled"]


async def level(simulated):
    return (await simulated.state())["bucket"]["currentlyAvailable"]


def mixed(load, product):
    """More than there are points for, of every share but commands."""
    load.run(Share.COMMANDS, "shop", workers=1, pause=0.1)
    load.run(Share.REFETCH, "product", product, workers=1, pause=1)
    load.run(Share.RECONCILE, "product", product, workers=1, pause=1)
    load.run(Share.BACKFILL, "product", product, workers=3)


async def cut_below(ledger, allowed):
    return (await ledger.look()).allowed < allowed


async def nothing_held(client):
    return (await client.level()).held == 0


async def test_all_points_are_used_none_is_refused_and_commands_go_first(simulated, valkey, shop, product):
    await simulated.turn(bucket_size=SIZE, restore_rate=RATE, latency_min=0.05, latency_max=0.1)
    async with Loads() as loads:
        load = await loads.begin(lambda: simulated.connect(redis=valkey, shopify_shop=shop))
        mixed(load, product)
        await eventually(lambda: load.total > SIZE + RATE, within=15)
        used = await load.used(SIZE, RATE, lambda: level(simulated))
    assert await throttled(simulated) == 0
    assert used > 0.95
    assert statistics.median(load.seconds[Share.COMMANDS]) < 0.25
    assert load.seconds[Share.BACKFILL]


async def test_a_limit_cut_in_half_midway_refuses_fewer_than_three(simulated, valkey, shop, product):
    await simulated.turn(bucket_size=2000, restore_rate=RATE, latency_min=0.05, latency_max=0.2)
    async with Loads() as loads:
        load = await loads.begin(lambda: simulated.connect(redis=valkey, shopify_shop=shop))
        mixed(load, product)
        await eventually(lambda: load.total > 1000, within=15)
        await simulated.turn(bucket_size=1000, restore_rate=RATE / 2)
        seen = load.total
        await eventually(lambda: load.total > seen + RATE / 2, within=15)
    assert await throttled(simulated) < 3


async def test_a_limit_cut_in_silence_is_found_by_all_processes_together(simulated, valkey, shop, product):
    await simulated.turn(bucket_size=SIZE, restore_rate=RATE, latency_min=0.05, latency_max=0.1)
    async with Loads() as loads:
        load = await loads.begin(lambda: simulated.connect(redis=valkey, shopify_shop=shop))
        ledger = load.clients[0]._budget.till._ledger
        mixed(load, product)
        await eventually(lambda: load.total > RATE, within=15)
        assert (await ledger.look()).allowed == 1
        await simulated.turn(hidden_bucket_size=400, hidden_restore_rate=RATE / 2)
        await eventually(lambda: cut_below(ledger, 0.6), within=15)
        seen, refused = load.total, await throttled(simulated)
        await eventually(lambda: load.total > seen + RATE / 2, within=15)
    assert (await ledger.look()).allowed > 0.3  # three processes, and not three times as many cuts
    assert 0 < refused < 20
    assert await throttled(simulated) - refused < 5


async def test_whoever_gives_an_eta_sees_the_points_of_all_processes(simulated, valkey, shop, product):
    async with (
        simulated.connect(redis=valkey, shopify_shop=shop) as client,
        simulated.connect(redis=valkey, shopify_shop=shop) as other,
    ):
        await client.execute("product", product)
        async with client._budget.reserve(300, deadline=5):
            seen = await other.level()
        assert (seen.maximum, seen.rate, seen.held) == (2000, 100, 300)
        assert 1000 < seen.available <= 1700
        assert await other.level() == seen  # half a second old at most
        await eventually(lambda: nothing_held(other))


async def test_without_redis_the_level_is_what_this_process_may_spend(simulated, shop):
    nobody = connect(RedisSettings(redis_url="redis://127.0.0.1:1/0"))
    async with simulated.connect(redis=nobody, shopify_shop=shop, shopify_processes=4) as client:
        await client.execute("shop")
        level = await client.level()
    assert (level.maximum, level.rate, level.held) == (500, 25, 0)
    await nobody.aclose()


async def test_the_first_request_of_a_fresh_system_does_not_wait_for_its_points(simulated, valkey, shop, product):
    async with simulated.connect(redis=valkey, shopify_shop=shop) as client:
        began = time.monotonic()
        assert (await client.execute("product", product)).data["product"]
    assert time.monotonic() - began < 2  # at the first rate, its 201 points take 4 s


async def test_a_new_process_knows_what_others_have_learnt(simulated, valkey, shop, product):
    async with simulated.connect(redis=valkey, shopify_shop=shop) as client:
        asked = (await client.execute("product", product)).cost.requested
    async with simulated.connect(redis=valkey, shopify_shop=shop) as newcomer:
        assert max(newcomer._budget.costs._learnt.values()) == asked


async def test_a_redis_that_dies_and_comes_back_empty_costs_no_refusal(simulated, shop, product, tmp_path):
    await simulated.turn(bucket_size=SIZE, restore_rate=RATE, latency_min=0.02, latency_max=0.1)
    with Valkey(tmp_path / "valkey") as server:
        client = connect(RedisSettings(redis_url=server.url))
        async with Loads() as loads:
            load = await loads.begin(lambda: simulated.connect(redis=client, shopify_shop=shop))
            tills = [one._budget.till for one in load.clients]
            mixed(load, product)
            await eventually(lambda: load.total > SIZE * 0.6, within=15)
            await asyncio.to_thread(server.kill)
            await eventually(lambda: not any(till.shared for till in tills), within=10)
            seen = load.total
            await eventually(lambda: load.total > seen + 20, within=10)
            await asyncio.to_thread(server.start)
            await eventually(lambda: all(till.shared for till in tills), within=10)
            seen = load.total
            await eventually(lambda: load.total > seen + RATE, within=10)
        await client.aclose()
    assert await throttled(simulated) == 0
