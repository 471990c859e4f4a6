"""How much of what Shopify allows is used at 2 s latency: the governor, beside a client of a fixed 2 requests/s; by
commands alone, and by commands while all others want everything.
"""

import asyncio
import secrets
import statistics
import time

import httpx2
import pytest
from load import Load, Loads

from sandbox.shopify.app import create_app
from sandbox.shopify.settings import ShopifySettings as SimulatorSettings
from shared.settings import RedisSettings
from shared.shopify import LocalBudget, Share, ShopifySettings, shopify
from shared.shopify.bucket import Bucket
from shared.tags import connect

pytestmark = pytest.mark.bench

TOKEN, SECRET = "shpat_of_the_test", "secret-of-the-test"
SIZE, RATE, LATENCY, MEASURED = 2000, 100, 2.0, 45.0  # points, points a second, seconds, seconds
COMMANDS_AT_ONCE = 100  # more than there are slots
SETTLING = 15.0  # seconds; a full bucket is used up, and a lower limit found
FIXED = 0.5  # seconds between two calls of the fixed-rate client, whatever they cost


class Simulator:
    """A Shopify of the standard plan, answering after 2 s."""

    def __init__(self, app):
        self.transport = httpx2.ASGITransport(app)
        self.control = httpx2.AsyncClient(transport=self.transport, base_url="http://127.0.0.1/control")
        self.settings = ShopifySettings(
            shopify_shop=f"{secrets.token_hex(8)}.myshopify.com",
            shopify_admin_url="http://127.0.0.1",
            shopify_access_token=TOKEN,
        )

    def connect(self, **more):
        return shopify(self.settings, transport=self.transport, **more)

    async def product(self, variants):
        made = await self.control.post(
            "/products", json={"title": "Gala", "variants": [{"title": f"T{n}", "price": "5"} for n in range(variants)]}
        )
        return {"id": f"gid://shopify/Product/{made.json()['id']}"}

    async def edit(self):
        """What `canary_edit` needs to edit a product."""
        return {"product": await self.product(1) | {"tags": ["seen"]}}

    async def hide(self, size, rate):
        """From now on this is the limit, and nobody is told."""
        knobs = {"hidden_bucket_size": size, "hidden_restore_rate": rate}
        (await self.control.patch("/knobs", json=knobs)).raise_for_status()

    async def throttled(self):
        return (await self.control.get("/state")).json()["throttled"]

    async def level(self):
        return (await self.control.get("/state")).json()["bucket"]["currentlyAvailable"]


@pytest.fixture
async def simulator():
    app = create_app(SimulatorSettings(access_token=TOKEN, client_secret=SECRET, events=10, allow_http=True))
    async with app.router.lifespan_context(app):
        made = Simulator(app)
        await made.control.patch("/knobs", json={"latency_min": LATENCY, "latency_max": LATENCY})
        yield made


@pytest.fixture
async def valkey(redis_url):
    client = connect(RedisSettings(redis_url=redis_url))
    yield client
    await client.aclose()


@pytest.mark.parametrize("variants", [5, 100], ids=["small answers", "large answers"])
async def test_what_is_used_of_the_allowed_points(simulator, valkey, variants):
    product = await simulator.product(variants)
    async with Loads() as loads:
        load = await loads.begin(lambda: simulator.connect(redis=valkey))
        load.run(Share.BACKFILL, "product", product, workers=5)
        load.run(Share.COMMANDS, "shop", workers=1, pause=1)
        await asyncio.sleep(MEASURED)  # the load itself
        used = await load.used(SIZE, RATE, simulator.level)
    refused = await simulator.throttled()
    waits = sorted(seconds - LATENCY for seconds in load.seconds[Share.COMMANDS])
    fixed = await fixed_rate(simulator, product)
    show(f"{variants} variants, {LATENCY:g} s latency, {RATE} points/s; governor: 3 processes")
    show(f"  governor                    {used:7.1%} of the points, {refused} THROTTLED")
    show(f"  commands waited             p50 {statistics.median(waits):.2f} s, at most {waits[-1]:.2f} s")
    show(f"  fixed {1 / FIXED:g} requests/s          {fixed:7.1%} of the points")
    assert refused == 0
    assert used > 0.98
    assert waits[-1] < 1


@pytest.mark.parametrize("others", [False, True], ids=["commands alone", "all shares"])
async def test_what_commands_use_of_the_allowed_points(simulator, valkey, others):
    """More commands than there are points for: mutations of 10 points from one process, as the writer is. All others
    ask in a second process, and in the same one: neither points nor slots may keep a command waiting.
    """
    large = await simulator.product(100)
    async with Loads() as loads:
        load = await loads.begin(lambda: simulator.connect(redis=valkey), processes=2)
        writer = Load(load.clients[:1])
        loads.push_async_callback(writer.stop)
        writer.run(Share.COMMANDS, "canary_edit", await simulator.edit(), workers=COMMANDS_AT_ONCE)
        if others:
            for share in (Share.REFETCH, Share.RECONCILE, Share.BACKFILL):
                load.run(share, "product", large, workers=5)
        await asyncio.sleep(MEASURED)  # the load itself
        finished, commands = len(writer.seconds[Share.COMMANDS]), writer.total
        restored = RATE * MEASURED
        if not others:
            used = await writer.used(SIZE, RATE, simulator.level)
    refused = await simulator.throttled()
    share_of = {share: points / (restored + SIZE) for share, points in load.spent.items()}
    show(f"commands of 10 points, {COMMANDS_AT_ONCE} at once, {LATENCY:g} s latency, {RATE} points/s, others: {others}")
    show(f"  commands                    {commands / (restored + SIZE):7.1%} of the points, {finished} of them")
    show(f"  others                      {sum(share_of.values()):7.1%} of the points; {refused} THROTTLED")
    assert refused == 0
    if others:
        assert commands / (restored + SIZE) > 0.6
    else:
        show(f"  used                        {used:7.1%}")
        assert used > 0.98


@pytest.mark.parametrize("part", [0.5, 0.8])
async def test_what_is_used_of_a_limit_that_nobody_announced(simulator, valkey, part):
    async with Loads() as loads:
        load = await loads.begin(lambda: simulator.connect(redis=valkey), processes=2)
        load.run(Share.COMMANDS, "product", await simulator.product(5), workers=20)
        await asyncio.sleep(SETTLING)  # until the bucket is used up
        await simulator.hide(SIZE * part, RATE * part)
        await asyncio.sleep(SETTLING)  # until that is found
        spent, refused = load.total, await simulator.throttled()
        await asyncio.sleep(MEASURED)  # the load itself
        used = (load.total - spent) / (MEASURED * RATE * part)
        later = await simulator.throttled() - refused
    show(
        f"{part:.0%} of the announced limit, in silence: {used:.1%} of it used; {refused} THROTTLED, and {later} later"
    )
    assert used > 0.9


def show(line):
    print(line)  # noqa: T201 (a bench is read)


async def fixed_rate(simulator, product):
    """As aiolimiter does it: a call each half second, whatever it costs."""
    unlimited = LocalBudget(Bucket.full(1e9, 1e9, 0.0), slots=1000)
    async with simulator.connect(budget=unlimited) as client:
        load = Load([client])
        ends_at = time.monotonic() + MEASURED / 2
        calls = []
        while time.monotonic() < ends_at:
            calls.append(asyncio.create_task(client.execute("product", product)))
            await asyncio.sleep(FIXED)
        answers = await asyncio.gather(*calls)
        assert load.total == 0
    return sum(answer.cost.actual for answer in answers) / (MEASURED / 2 * RATE)
