"""An export of a simulated shop, with somebody on every way, and what it hands on."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Self, TypeAlias

import asyncpg
import httpx2
from shop_control import ShopControl

from sandbox.shopify.app import create_app
from sandbox.shopify.knobs import Knobs
from sandbox.shopify.serving import serving
from sandbox.shopify.settings import ShopifySettings as SimulatorSettings
from shared.postgres import transaction
from shared.shopify import Answer, ShopifyClient, ShopifySettings, shopify
from shared.shopify.shares import Share
from syncer.export import Counts, Export, Pace, Seen
from syncer.export.errors import ResultUnavailable
from syncer.export.operations import UNDER_WAY
from syncer.rules import Rules
from syncer.runs import Run, Runs

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

TOKEN, SECRET, SHOP = "shpat_of_the_test", "secret-of-the-test", "understudy.myshopify.com"
PACE = Pace(first_poll=0.01, longest_poll=0.05, ask_again=0.02, mend_after=0.01, start_within=20.0)
EVENTS = 30

Happening: TypeAlias = Callable[[], Awaitable[Any]]


@dataclass
class Interrupted:
    """The client, but something happens before or after the n-th call of a document."""

    client: ShopifyClient
    before: dict[tuple[str, int], Happening] = field(default_factory=dict)
    after: dict[tuple[str, int], Happening] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)

    def acting_for(self, share: Share) -> Self:
        return replace(self, client=self.client.acting_for(share))

    async def execute(self, name: str, variables: Any = None, **more: Any) -> Answer:
        self.calls[name] = number = self.calls.get(name, 0) + 1
        if (name, number) in self.before:
            await self.before[name, number]()
        answer = await self.client.execute(name, variables, **more)
        if (name, number) in self.after:
            await self.after[name, number]()
        return answer


class Meddling(httpx2.AsyncBaseTransport):
    """The way to the results, with somebody on it."""

    def __init__(self) -> None:
        self._way = httpx2.AsyncHTTPTransport()
        self.asked: list[httpx2.Request] = []
        self.rewrite: Callable[[bytes], bytes] | None = None
        self.answers: list[httpx2.Response] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        if self.answers:
            return self.answers.pop(0)
        answer = await self._way.handle_async_request(request)
        if self.rewrite is None:
            return answer
        body = self.rewrite(await answer.aread())
        headers = {"Content-Range": answer.headers["Content-Range"]} if "Content-Range" in answer.headers else {}
        return httpx2.Response(answer.status_code, headers=headers, stream=httpx2.ByteStream(body))

    async def aclose(self) -> None:
        """Of no test's end: the next export goes the same way."""

    async def close(self) -> None:
        await self._way.aclose()


@dataclass
class Reading:
    """An export of a simulated shop, and what it has handed on."""

    control: ShopControl
    client: Interrupted
    way: Meddling
    pool: Pool
    run: Run
    origin: str
    seen: dict[int, Seen] = field(default_factory=dict)
    handed: list[int] = field(default_factory=list)
    old: set[str] = field(default_factory=set)  # operations of other tests
    broken: int | None = None  # how many chunks are taken before it breaks

    def export(self, pace: Pace = PACE, at_once: int = 1, rules: Rules | None = None) -> Export:
        client: Any = self.client
        return Export(self.pool, client, rules or Rules(), [self.origin], at_once, pace, self.way)

    async def read(self, **how: Any) -> Counts:
        return await self.export(**how).read(self.run, Share.BACKFILL, self.take)

    async def take(self, products: Sequence[Seen]) -> None:
        if self.broken is not None and self.broken <= 0:
            raise ResultUnavailable("the one who takes is gone")
        if self.broken is not None:
            self.broken -= 1
        self.seen |= {each.product_id: each for each in products}
        self.handed += [each.product_id for each in products]

    async def truth(self) -> dict[int, Any]:
        return {each["id"]: each for each in await self.control.truth()}

    async def rows(self, statement: str, *arguments: Any) -> list[dict[str, Any]]:
        async with transaction(self.pool) as connection:
            return [dict(row) for row in await connection.fetch(statement, *arguments)]

    async def part(self) -> dict[str, Any]:
        [part] = await self.rows("SELECT * FROM export_parts")
        return part

    async def operations(self) -> list[str]:
        """The states at Shopify of those that this test started, newest first."""
        return [node["status"] for node in await self.bulk_operations() if node["id"] not in self.old]

    async def bulk_operations(self) -> list[Any]:
        answer = await self.client.client.execute("bulk_operations")
        nodes: list[Any] = answer.data["bulkOperations"]["nodes"]
        return nodes


Open: TypeAlias = Callable[..., Awaitable[Reading]]


@asynccontextmanager
async def simulated(events: int = EVENTS) -> AsyncIterator[str]:
    """The address of a simulated Shopify with so many events that anyone can see."""
    settings = SimulatorSettings(access_token=TOKEN, client_secret=SECRET, events=events, allow_http=True)
    async with serving(create_app(settings)) as url:
        yield url


@asynccontextmanager
async def opening(pool: Pool, url: str, **knobs: Any) -> AsyncIterator[Reading]:
    """Begin to read it; it behaves, but for the `knobs`, and nothing of another test runs there."""
    async with AsyncExitStack() as stack:
        control, way = ShopControl(url), Meddling()
        stack.push_async_callback(control.aclose)
        stack.push_async_callback(way.close)
        named: Any = {"shopify_shop": SHOP, "shopify_admin_url": url, "shopify_access_token": TOKEN}
        client = await stack.enter_async_context(shopify(ShopifySettings(**named)))
        await control.turn(**Knobs().model_dump() | knobs)
        reading = Reading(control, Interrupted(client), way, pool, await begun(pool), url)
        reading.old = {node["id"] for node in await reading.bulk_operations()}
        for node in await reading.bulk_operations():
            if node["status"] in UNDER_WAY:
                await client.execute("bulk_operation_cancel", {"id": node["id"]})
        yield reading


async def begun(pool: Pool) -> Run:
    run_id = await Runs(pool).ask("backfill", asked_by="operator")
    async with transaction(pool) as connection:
        row = await connection.fetchrow(
            "UPDATE runs SET state = 'running', started_at = now() WHERE id = $1 "
            "RETURNING id, kind, scope, options, cursor, asked_by, asked_at, started_at, attempts",
            run_id,
        )
        assert row is not None
        return Run(**row)
