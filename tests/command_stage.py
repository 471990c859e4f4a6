"""A simulated shop, the jobs table and writers: commands go in, and the shop's own journal is the judge."""

import asyncio
import os
import random
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from command_histories import ADJUSTED, CREATED, DELETED, OPEN, Became, Command, Deed, Value, Violation, judge
from command_journal import SOLD, deeds, spoken
from shop_control import Json, ShopControl
from waiting import eventually
from writer_process import Fates, WriterProcess, writer_process

from sandbox.servers import Servers
from sandbox.shopify.app import create_app as create_shop
from sandbox.shopify.serving import serving
from sandbox.shopify.settings import ShopifySettings as SimulatorSettings
from shared.migrations import migrate
from shared.provision import provision
from shared.settings import NatsSettings
from writer.app import create_app as create_writer
from writer.settings import WriterSettings

TOKEN, SECRET = "shpat_of_the_test", "secret-of-the-test"
OWNER = "organizer"
LOOK_EVERY = 0.05  # seconds
READY_WITHIN = 30.0  # seconds, on a busy machine
STATUS = {"event.publish": "active", "event.unpublish": "draft", "event.archive": "archived"}


@dataclass(frozen=True)
class Times:
    """Seconds. A real writer has 20, 10 and 30."""

    lease: float = 1.0
    request: float = 0.5
    horizon: float = 0.8

    def environment(self) -> dict[str, str]:
        return {
            "WRITER_LEASE": str(self.lease),
            "SHOPIFY_REQUEST_TIMEOUT": str(self.request),
            "WRITER_HORIZON": str(self.horizon),
        }


Fate = tuple[str, str]  # a step, and what happens there


@dataclass(frozen=True, slots=True)
class Given:
    """A command as it was accepted."""

    job: str
    order: int
    kind: str
    event_id: int | None
    ticket_id: int | None
    fields: Mapping[str, Any]


@dataclass
class CommandStage:
    shop: ShopControl
    pool: "asyncpg.Pool[asyncpg.Record]"
    fates: Fates
    writers: list[WriterProcess]
    environment: Mapping[str, str]
    given: list[Given] = field(default_factory=list)
    retried: dict[str, list[int]] = field(default_factory=dict)  # by job: further places in the order
    events: dict[int, Json] = field(default_factory=dict)
    since: int = 0  # in the journal

    async def anew(self) -> "CommandStage":
        """Another test begins: what was accepted and done so far is no part of it."""
        await self.shop.clear_faults()
        self.given.clear()
        self.retried.clear()
        self.events.clear()
        self.since = await self.shop.journal_end()
        return self

    # The shop

    async def new_event(self, title: str = "Jazz Night", capacity: int = 100, status: str = "active") -> Json:
        """With one ticket, "Standing", of which all are available."""
        field_ = {"namespace": "ticket", "key": "capacity", "type": "number_integer", "value": str(capacity)}
        ticket: Json = {"title": "Standing", "price": "25.00", "quantity": capacity, "metafields": [field_]}
        product = await self.shop.create(title, [ticket], status=status.upper())
        self.events[product["id"]] = product
        return product

    async def new_events(self, number: int, prefix: str = "E") -> list[Json]:
        return [await self.new_event(f"{prefix}{each}") for each in range(number)]

    # Commands

    async def accept(
        self,
        kind: str,
        event: Json | None = None,
        ticket: Json | None = None,
        *,
        fate: Fate | None = None,
        **fields: Any,
    ) -> str:
        """As the API would, once it has validated it. The job's id. `fate`: of whoever carries it out."""
        job = _uuid7()
        if fate is not None:
            self.fates.decide(str(job), *fate)
        event_id: int | None = event["id"] if event else None
        ticket_id: int | None = ticket["id"] if ticket else None
        order = await self.pool.fetchval(
            "INSERT INTO jobs (id, kind, event_id, ticket_id, command, owner) VALUES ($1, $2, $3, $4, $5, $6)"
            " RETURNING seq",
            job, kind, event_id, ticket_id, fields, OWNER,
        )  # fmt: skip
        self.given.append(Given(str(job), order, kind, event_id, ticket_id, fields))
        return str(job)

    async def edit(self, event: Json, fate: Fate | None = None, **fields: Any) -> str:
        """Without any named: a title that says which command it is."""
        fields = fields or {"title": f"{event['title']} #{len(self.given)}"}
        return await self.accept("event.edit", event, fate=fate, **fields)

    async def edit_ticket(self, event: Json, fate: Fate | None = None, **fields: Any) -> str:
        return await self.accept("ticket.edit", event, event["variants"][0], fate=fate, **fields)

    async def retry(self, job: str, words: str = "looked at it") -> None:
        row = await self.pool.fetchrow("SELECT * FROM job_retry($1, $2)", UUID(job), words)
        assert row is not None
        assert row["done"], row
        self.retried.setdefault(job, []).append(
            await self.pool.fetchval("SELECT seq FROM jobs WHERE id = $1", UUID(job))
        )

    async def job(self, job: str) -> Json:
        return dict(await self.pool.fetchrow("SELECT * FROM jobs WHERE id = $1", UUID(job)))  # type: ignore[arg-type]

    async def states(self, *jobs: str) -> list[str]:
        wanted = [UUID(job) for job in jobs]
        rows = await self.pool.fetch("SELECT id, state FROM jobs WHERE id = ANY ($1)", wanted)
        found = {row["id"]: row["state"] for row in rows}
        return [found[job] for job in wanted]

    async def ended(self, *jobs: str, within: float = 20.0) -> list[str]:
        """The states of these, or of all, once none of them is open."""
        asked = jobs or tuple(given.job for given in self.given)

        async def closed() -> bool:
            states = await self.states(*asked)
            waiting = [f"{job} {state}" for job, state in zip(asked, states, strict=True) if state in OPEN]
            assert not waiting, f"{len(waiting)} are open: {waiting[:3]}"
            return True

        _: bool = await eventually(closed, within)
        return await self.states(*asked)

    async def unannounced(self) -> int:
        """How many jobs are not what was last said of them on the bus."""
        return int(await self.pool.fetchval("SELECT count(*) FROM jobs WHERE version > announced"))

    async def announced(self, within: float = 10.0) -> None:
        async def said() -> bool:
            return not await self.unannounced()

        _: bool = await eventually(said, within, saying="everything was announced")

    async def calls(self, job: str) -> list[Json]:
        rows = await self.pool.fetch("SELECT * FROM calls WHERE job_id = $1 ORDER BY number", UUID(job))
        return [dict(row) for row in rows]

    # Writers

    async def start(self, *writers: WriterProcess) -> None:
        chosen = writers or tuple(self.writers)
        for each in chosen:
            each.process.launch()
        for each in chosen:
            await asyncio.to_thread(each.process.wait_ready, READY_WITHIN)

    async def leads(self, *, but: WriterProcess | None = None, within: float = 20.0) -> int:
        """The epoch of a lease that somebody holds; not the one that was in force when `but` had it."""
        before = await self.epoch() if but is not None else 0

        async def held() -> int:
            row = await self.pool.fetchrow("SELECT epoch, expires_at > clock_timestamp() AS held FROM dispatcher")
            assert row is not None
            assert row["held"], "nobody has the lease"
            assert row["epoch"] > before, "it is the old one"
            return int(row["epoch"])

        return await eventually(held, within)

    async def epoch(self) -> int:
        return int(await self.pool.fetchval("SELECT epoch FROM dispatcher"))

    @asynccontextmanager
    async def kept_running(self, chance: random.Random, stopped_for: tuple[float, float]) -> AsyncIterator[None]:
        """Until the end of the block whoever was killed is started again, and whoever was stopped goes on later."""
        async with asyncio.TaskGroup() as keepers:
            kept = [keepers.create_task(self._keep(each, chance, stopped_for)) for each in self.writers]
            yield
            for keeper in kept:
                keeper.cancel()
        for each in self.writers:
            if each.stopped:
                each.go_on()

    async def _keep(self, writer: WriterProcess, chance: random.Random, stopped_for: tuple[float, float]) -> None:
        while True:
            if not writer.process.alive:  # it may well be killed again before it is ready
                writer.process.launch()
            elif writer.stopped:
                await asyncio.sleep(chance.uniform(*stopped_for))  # part of the disturbance: nothing is waited for
                writer.go_on()
            await asyncio.sleep(LOOK_EVERY)

    @asynccontextmanager
    async def writer_here(self, **settings: Any) -> AsyncIterator[str]:
        """A writer in this process, until the end of the block; the URL of its API."""
        known = {
            name.lower(): value
            for name, value in self.environment.items()
            if name.lower() in WriterSettings.model_fields
        }
        async with serving(create_writer(WriterSettings(**known | settings))) as url:
            yield url

    async def effects(self) -> list[str]:
        """The mutations of this test that Shopify carried out, in their order."""
        return [entry["action"] for entry in await self.shop.journal(after=self.since) if not entry["user_errors"]]

    async def struck(self, job: str, step: str, within: float = 20.0) -> int:
        """Until a writer was killed or stopped there; its process id."""

        def met() -> int:
            return self.fates.met(job, step) or 0

        return await eventually(met, within, saying=f"{job} comes to {step!r}")

    # The judge

    async def verdict(self, *, settled: bool = True, excused: Sequence[str] = ()) -> list[Violation]:
        """Empty when every promise was kept. `excused`: jobs that may be in doubt, and whose stock is an operator's."""
        truth = await self.shop.truth()
        rows = [dict(row) for row in await self.pool.fetch("SELECT * FROM jobs")]
        became = {str(row["id"]): _became(row) for row in rows}
        made = {str(row["id"]): row for row in rows}
        commands = [self._command(given, made.get(given.job)) for given in self.given]
        done = deeds(await self.shop.journal(origin=None, after=self.since), [*self.events.values(), *truth])
        doubtful = {given.event_id for given in self.given if given.job in excused}
        counted = [product for product in truth if product["id"] in self.events.keys() - doubtful]
        return [*judge(commands, became, done, settled=settled, excused=excused), *stock(counted, done)]

    def _command(self, given: Given, row: Mapping[str, Any] | None) -> Command:
        event_id = given.event_id or (row and row["event_id"])
        lane = f"event:{event_id}" if event_id else f"job:{given.job}"
        ticket_id = given.ticket_id or (row and row["ticket_id"])
        is_ticket = given.kind.startswith("ticket.")
        orders = (given.order, *self.retried.get(given.job, ()))
        thing = (f"ticket:{ticket_id}" if ticket_id else f"job:{given.job}") if is_ticket else lane
        may = {ADJUSTED: given.job} if is_ticket else {"tags": ""}  # a new event has none
        return Command(given.job, lane, orders, thing, asked(given), may)


def asked(given: Given) -> dict[str, Value]:
    """What a command has to set, as deeds say it."""
    said = {name: spoken(name, value) for name, value in given.fields.items() if name != "tickets"}
    if given.kind in STATUS:
        said["status"] = STATUS[given.kind]
    if given.kind == "event.publish":
        said["published"] = "true"
    if given.kind.endswith(".delete"):
        said[DELETED] = "true"
    if given.kind.endswith(".create"):
        said[CREATED] = given.job
    if given.kind == "event.create":
        said = {"status": "draft", **said}
        if said["status"] == "active":
            said["published"] = "true"
    return said


def stock(products: Sequence[Json], done: Sequence[Deed]) -> list[Violation]:
    """What is available is the capacity less what was ever sold: nothing that was sold is forgotten."""
    sold: Counter[str] = Counter()
    for deed in done:
        sold[deed.thing] += int(deed.says.get(SOLD) or 0)
    found = []
    for variant in (variant for product in products for variant in product["variants"]):
        capacity = next((each["value"] for each in variant["metafields"] if each["key"] == "capacity"), None)
        thing, available = f"ticket:{variant['id']}", variant["inventory_quantity"]
        if capacity is not None and available != int(capacity) - sold[thing]:
            words = f"{thing} of {capacity}: {sold[thing]} were sold, {available} are left"
            found.append(Violation("available is wrong", words))
    return found


def _became(row: Mapping[str, Any]) -> Became:
    return Became(row["state"], row["superseded_by"] and str(row["superseded_by"]))


async def _json(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=_dumps, decoder=orjson.loads)


def _dumps(value: Any) -> str:
    return orjson.dumps(value).decode()


def _uuid7() -> UUID:
    moment = int(time.time() * 1000).to_bytes(6, "big")
    random = bytearray(secrets.token_bytes(10))
    random[0], random[2] = random[0] & 0x0F | 0x70, random[2] & 0x3F | 0x80
    return UUID(bytes=moment + bytes(random))


@asynccontextmanager
async def command_stage(
    servers: Servers,
    dsn: str,
    directory: Path,
    *,
    times: Times | None = None,
    writers: int = 2,
    **environment: str,
) -> AsyncIterator[CommandStage]:
    """The writers aren't started yet. `dsn`: an empty database. Nothing is left running."""
    fates = Fates(directory / "fates")
    fates.directory.mkdir(parents=True)
    async with AsyncExitStack() as stack:
        app = create_shop(SimulatorSettings(access_token=TOKEN, client_secret=SECRET, events=0, allow_http=True))
        url = await stack.enter_async_context(serving(app))
        shop = ShopControl(url)
        stack.push_async_callback(shop.aclose)
        for owner in ("syncer", "writer"):
            await migrate(dsn, owner)
        await provision(NatsSettings(nats_url=servers.nats_url))
        pool = await asyncpg.create_pool(dsn, min_size=1, max_size=4, init=_json)
        stack.push_async_callback(pool.close)
        told = {
            "NATS_URL": servers.nats_url,
            "REDIS_URL": servers.redis_url,
            "POSTGRES_DSN": dsn,
            "SHOPIFY_SHOP": f"{secrets.token_hex(4)}.myshopify.com",  # a budget of its own
            "SHOPIFY_ADMIN_URL": url,
            "SHOPIFY_ACCESS_TOKEN": TOKEN,
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]),
            **(times or Times()).environment(),
            **environment,
        }
        made = [writer_process(f"writer-{each}", directory, fates, told) for each in range(writers)]
        for each in made:
            stack.push_async_callback(asyncio.to_thread, each.process.kill)
        yield CommandStage(shop, pool, fates, made, told)
