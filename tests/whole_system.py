"""The whole system on this machine, for tests: real servers, every service as a process, a shop that obeys."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import nats
from checker import Checker
from nats.aio.client import Client
from nats.js import JetStreamContext
from postbox import Postbox
from shop_control import Json, ShopControl
from waiting import eventually

from ops.up.credentials import Credentials
from ops.up.layout import Layout
from ops.up.plan import Plan
from ops.up.startup import Stopping
from ops.up.system import System
from sandbox.processes import Process
from sandbox.servers import Nats, Postgres, Servers, Valkey
from sandbox.servers.server import Server
from sandbox.shopify.knobs import Knobs
from shared.topology import CHANGES, DEAD_LETTERS, SYNCER_CHANGES

EVENTS = 12  # in the shop when it opens
READY_WITHIN = 60.0  # seconds for a killed part to serve again, on a busy machine
SETTLED_WITHIN = 30.0  # seconds
ONE_SHOTS = ("migrate", "migrate_writer", "provision")


@dataclass(frozen=True)
class Flow:
    """The bus as it is now: changes ever stored, and how many of them the syncer has not settled."""

    stored: int
    unsettled: int


@dataclass
class Running:
    """A system that runs, and everything a test needs to act on it and to look into it."""

    system: System
    postbox: Postbox
    shop: ShopControl
    http: httpx2.AsyncClient  # asks read-api; paths as in /v1/events/42

    @property
    def dsn(self) -> str:
        return self.system.addresses.postgres_dsn

    @property
    def checker(self) -> Checker:
        plan = self.system.plan
        return Checker(plan.shopify_url, plan.layout.url("read_api"), plan.credentials.token, self.dsn)

    @property
    def nats(self) -> Nats:
        return self.system.servers.nats

    @property
    def postgres(self) -> Postgres:
        return self.system.servers.postgres

    @property
    def valkey(self) -> Valkey:
        return self.system.servers.valkey

    def process(self, name: str) -> Process:
        """webhook_ingest, syncer, read_api, shopify."""
        return next(process for process in self.system.processes if process.name == name)

    async def kill(self, part: Process | Nats | Postgres | Valkey) -> None:
        """SIGKILL, to it and all its children."""
        await asyncio.to_thread(part.kill)

    async def restart(self, part: Process | Nats | Postgres | Valkey) -> None:
        """Start it again on its old port, and wait until it serves."""
        await asyncio.to_thread(part.start, READY_WITHIN)

    async def mend(self) -> None:
        """Start what a test left dead, make the shop behave, wait until nothing is on its way."""
        for server in (self.nats, self.postgres, self.valkey):
            if server.process is None or not server.process.alive:
                await self.restart(server)
        for process in self.system.processes:
            if process.name not in ONE_SHOTS and not process.alive:
                await self.restart(process)
        await self.shop.turn(**Knobs().model_dump())
        await self.settled()

    async def new_event(self, title: str = "Jazz Night", tickets: list[Json] | None = None, **fields: Any) -> Json:
        """A product that has settled. Its stock comes after it, so that nobody has to ask whose stock it is."""
        standing: list[Json] = [{"title": "Standing", "price": "25.00", "quantity": 100}]
        with self.postbox.holding() as letters:
            product = await self.shop.create(title, standing if tickets is None else tickets, **fields)
            await self.shop.flush()
        for letter in sorted(letters, key=lambda letter: not letter.about_product):
            assert await self.postbox.deliver(letter) == httpx2.codes.OK
        await self.settled()
        return product

    # What readers see

    async def event(self, event_id: int, etag: str | None = None) -> httpx2.Response:
        """As anyone reads it."""
        return await self.http.get(f"/v1/events/{event_id}", headers={"If-None-Match": etag} if etag else {})

    async def managed(self, event_id: int) -> httpx2.Response:
        """As its organizers read it."""
        token = self.system.plan.credentials.token
        return await self.http.get(f"/v1/manage/events/{event_id}", headers={"Authorization": f"Bearer {token}"})

    async def reads(self, event_id: int, within: float = 2.0, **fields: Any) -> httpx2.Response:
        """The first answer whose event has all these fields. AssertionError when none has within so many seconds."""

        async def shows() -> httpx2.Response:
            answer = await self.event(event_id)
            assert answer.status_code == httpx2.codes.OK, answer.status_code
            event = answer.json()
            seen = {name: event[name] for name in fields}
            assert seen == fields, seen
            return answer

        # Wrapped: a response is not to be judged by its truth.
        async def found() -> tuple[httpx2.Response]:
            return (await shows(),)

        answer: tuple[httpx2.Response] = await eventually(found, within, saying=f"event {event_id} reads {fields}")
        return answer[0]

    # What lies below

    async def sql(self, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.dsn)
        try:
            rows: list[asyncpg.Record] = await connection.fetch(statement, *arguments)
            return rows
        finally:
            await connection.close()

    @asynccontextmanager
    async def jetstream(self) -> AsyncIterator[JetStreamContext]:
        client: Client = await nats.connect(self.system.addresses.nats_url)
        try:
            yield client.jetstream()
        finally:
            await client.close()

    async def flow(self) -> Flow:
        answer = await self.http.get(f"{self.system.addresses.nats_monitor_url}/jsz?consumers=true")
        for account in answer.json()["account_details"]:
            for stream in account["stream_detail"]:
                for consumer in stream.get("consumer_detail") or []:
                    if (stream["name"], consumer["name"]) == (CHANGES.name, SYNCER_CHANGES.durable):
                        unsettled = consumer["num_pending"] + consumer["num_ack_pending"]
                        return Flow(stream["state"]["last_seq"], unsettled)
        raise AssertionError("NATS knows no consumer of the syncer's")

    async def dead_letters(self) -> list[dict[str, str]]:
        """The headers of all that was buried, oldest first."""
        async with self.jetstream() as jetstream:
            state = (await jetstream.stream_info(DEAD_LETTERS.name)).state
            numbers = range(state.first_seq, state.last_seq + 1) if state.messages else ()
            return [dict((await jetstream.get_msg(DEAD_LETTERS.name, number)).headers or {}) for number in numbers]

    async def settled(self, within: float = SETTLED_WITHIN) -> None:
        """Nothing is on its way: no webhook at Shopify, no change on the bus, no read that was asked for.

        A refetch leaves the table after its answer is on the bus, and a change leaves the bus after its refetch is in
        the table: so both are empty only if the bus was idle before and after the look at the table.
        """

        async def still() -> bool:
            pending = (await self.shop.state())["webhooks"]["pending"]
            assert pending == 0, f"{pending} webhooks on their way"
            before = await self.flow()
            assert before.unsettled == 0, f"{before.unsettled} changes not projected"
            refetches = await self.sql("SELECT resource, id, reason, attempts, error FROM refetches")
            assert not refetches, [dict(row) for row in refetches]
            return before == await self.flow()

        _: bool = await eventually(still, within, saying="everything settled")

    async def equal(self, only: Collection[int] | None = None) -> None:
        """Once settled, every event (or those `only`) says what Shopify says. AssertionError names what differs."""
        await self.settled()
        await self.checker.check(only)


@dataclass(frozen=True)
class GivenServers:
    """In the place of `Embedded`: servers that somebody else started, and will stop."""

    addresses: Servers
    all: tuple[Server, ...] = ()

    def start(self) -> None:
        """They run."""

    def close(self) -> None:
        """They stay."""


@asynccontextmanager
async def whole_system(directory: Path, events: int = EVENTS, servers: Servers | None = None) -> AsyncIterator[Running]:
    """Started in `directory`, and nothing left of it but its files. Shopify answers at once unless a test slows it.

    With `servers`, the services run on those; they can't be killed then.
    """
    await asyncio.to_thread(directory.chmod, 0o711)  # PostgreSQL, which as root runs as nobody, has to get in
    layout = Layout.of(0)
    async with Postbox(layout.url("webhook_ingest")).open() as postbox:
        plan = Plan(
            directory=directory,
            layout=layout,
            credentials=Credentials.kept_in(directory),
            events=events,
            traffic=False,
            latency=(0.0, 0.0),
            webhook_url=postbox.url,
        )
        system = System(plan)
        if servers is not None:
            system.servers = GivenServers(servers)  # type: ignore[assignment]  # alike in all that System asks of it
        shop = ShopControl(plan.shopify_url)
        async with httpx2.AsyncClient(base_url=layout.url("read_api"), trust_env=False, timeout=10.0) as http:
            try:
                await asyncio.to_thread(system.start, Stopping(), lambda _: None)
                yield Running(system, postbox, shop, http)
            finally:
                await shop.aclose()
                await asyncio.to_thread(system.stop)
