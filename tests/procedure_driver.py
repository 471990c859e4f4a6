"""Carries a command out by its procedure against the simulated Shopify, without a database."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx2
import orjson
from shop_control import ShopControl

from sandbox.shopify.app import create_app
from sandbox.shopify.settings import ShopifySettings as SimulatorSettings
from shared.metafields import Metafields
from shared.shopify import ShopifyClient, ShopifySettings, shopify
from shared.shopify.errors import ShopifyFaulted, ShopifyRefused, ShopifyUnavailable, UserError, UserErrors
from writer.procedures import next_step
from writer.procedures.steps import (
    Commanded,
    Done,
    Failed,
    InDoubt,
    Outcome,
    Progress,
    Read,
    ReadBack,
    Refused,
    Shop,
    Step,
    Succeeded,
    Unknown,
    Write,
    Written,
)

TOKEN = "shpat_of_the_test"
MOST_STEPS = 80

Ending = Succeeded | Failed | InDoubt
Before = Callable[[Step], Awaitable[None]]


async def _nothing(_step: Step) -> None:
    """Nobody does anything meanwhile."""


@dataclass
class Run:
    """How it ended, and what was asked on the way: the documents, reads included, and the writes."""

    end: Ending
    asked: list[str]
    writes: list[Written]
    cost: float


@dataclass
class Driver:
    """`before`: what somebody else does right before a step is carried out."""

    client: ShopifyClient
    control: ShopControl
    shop: Shop
    before: Before = _nothing
    begins_at: int = 0  # in the journal

    async def anew(self) -> "Driver":
        """In the same shop, without events and faults."""
        await self.control.clear_faults()
        for product in await self.control.truth():
            await self.control.delete(product["id"])
        return Driver(self.client, self.control, self.shop, begins_at=await self.control.journal_end())

    async def effects(self, mutation: str) -> int:
        """How often that mutation has changed anything."""
        entries = await self.control.journal(mutation, after=self.begins_at)
        return sum(bool(entry["effects"]) for entry in entries)

    async def run(
        self, kind: str, command: dict[str, Any], event_id: int | None = None, ticket_id: int | None = None, **more: Any
    ) -> Run:
        """`job_id` and `writes` (what an earlier process has left) may be given."""
        job_id, writes = more.get("job_id", str(uuid4())), [*more.get("writes", ())]
        job = Commanded(job_id, kind, event_id, ticket_id, command)
        asked, reads, cost = [], [], 0.0
        for _ in range(MOST_STEPS):
            step = next_step(Progress(job, tuple(writes), tuple(reads), datetime.now(UTC)), self.shop)
            await self.before(step)
            match step:
                case Read(document, variables):
                    answer = await self.client.execute(document, variables)
                    reads.append(ReadBack(document, answer.data))
                    cost += answer.cost.actual
                case Write(document):
                    written, paid = await self._write(len(writes), step)
                    writes, reads = [*writes, written], []
                    cost += paid
                case end:
                    return Run(end, asked, writes, cost)
            asked.append(document)
        raise AssertionError(f"no end after {MOST_STEPS} steps: {asked}")

    async def _write(self, number: int, step: Write) -> tuple[Written, float]:
        variables = orjson.loads(orjson.dumps(dict(step.variables)))  # as the calls table keeps them
        sent_at = datetime.now(UTC)
        outcome: Outcome
        paid = 0.0
        try:
            answer = await self.client.execute(step.document, variables)
            outcome, paid = Done(answer.data), answer.cost.actual
        except UserErrors as error:
            outcome, paid = Refused(error.errors), error.answer.cost.actual
        except ShopifyRefused as error:
            outcome = Refused((UserError((), str(error), error.code),))
        except (ShopifyUnavailable, ShopifyFaulted) as error:
            if not error.may_have_happened:
                raise
            outcome = Unknown()
        return Written(number, step.document, variables, outcome, sent_at), paid


@asynccontextmanager
async def driving() -> AsyncIterator[Driver]:
    """A shop with two locations and one publication, without events."""
    app = create_app(SimulatorSettings(access_token=TOKEN, client_secret="hush", events=0, allow_http=True))
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app)
        control = ShopControl("http://127.0.0.1")
        await control.aclose()
        control._http = httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1/control")
        settings = ShopifySettings(
            shopify_shop="understudy.myshopify.com", shopify_admin_url="http://127.0.0.1", shopify_access_token=TOKEN
        )
        async with shopify(settings, transport=transport) as client:
            nodes = (await client.execute("publications")).data["publications"]["nodes"]
            publications = tuple(int(node["id"].rpartition("/")[2]) for node in nodes)
            first = (await control.locations())[0]
            yield Driver(client, control, Shop(first, publications, "EUR", Metafields()))
        await control.aclose()
