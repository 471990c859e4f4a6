"""Many readers, writers, processes and faults at once, on real servers; what everybody saw is kept, to be judged.

A storm runs whole read-api apps, each over lines of its own to NATS, PostgreSQL and Valkey, and two syncers' stores and
announcers. What happens when is drawn from a seed. How long a server takes to answer is not, so a seed brings back the
weather, and not every drop.
"""

import asyncio
import random
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

import httpx2
from histories import WINDOW, Read, Violation, Visible, ages, judge
from lines import Line, line
from products import ITEM, PRODUCT, VARIANT, Product, Variant, by_read
from projected import STATIC_KEYS
from syncers import Syncer, syncer
from waiting import eventually

from read_api.app import create_app
from read_api.settings import ReadApiSettings
from sandbox.servers import Nats, Valkey
from shared.contracts import Change
from shared.postgres import transaction
from shared.tags import EVENTS, event_tag
from syncer.store import Projected

SYNCERS = 2
EVENT_IDS = (PRODUCT, PRODUCT + 1)
WITHIN = 15.0  # seconds for everything to come to rest
STALE_IF_ERROR = "detail=stale-if-error"
TICK = 0.02  # seconds
PATIENT = 30.0  # seconds for one request, whatever happens


@dataclass(frozen=True)
class Weather:
    """How bad it gets. Pauses are in seconds."""

    seed: int
    seconds: float = 3.0
    processes: int = 3
    readers: int = 6  # of each process
    write_pause: float = 0.15  # longest
    read_pause: float = 0.02  # longest
    fault_pause: float = 0.4  # longest


@dataclass
class Servers:
    """All may be killed but PostgreSQL, whose lines may break."""

    nats: Nats
    valkey: Valkey
    dsn: str


@dataclass(eq=False)
class Process:
    name: str
    client: httpx2.AsyncClient
    nats: Line
    redis: Line
    postgres: Line


@dataclass
class Log:
    """What everybody saw. `bodies`: of each address and revision, which must be one."""

    reads: list[Read] = field(default_factory=list)
    visible: list[Visible] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    bodies: defaultdict[tuple[str, int], set[int]] = field(default_factory=lambda: defaultdict(set))
    faults: list[str] = field(default_factory=list)

    def said(self, projected: Projected) -> None:
        now = time.monotonic()
        self.visible.append(Visible(event_tag(projected.event_id), projected.revision, now))
        if projected.events_revision is not None:
            self.visible.append(Visible(EVENTS, projected.events_revision, now))


@dataclass
class Stalls:
    """How long this one process, which plays all of them, had no turn: what is that late is the machine's doing."""

    longest: float = 0.0

    async def watch(self) -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(TICK)
            self.longest = max(self.longest, time.monotonic() - before - TICK)


class Storm(AsyncExitStack):
    def __init__(self, weather: Weather, servers: Servers) -> None:
        super().__init__()
        self.weather = weather
        self.servers = servers
        self.log = Log()
        self.processes: list[Process] = []
        self.chance = random.Random(weather.seed)  # noqa: S311 (it draws the weather)
        self._versions: Counter[int] = Counter()
        self._over = asyncio.Event()
        self._syncers: list[Syncer] = []
        self.syncers_lines: list[Line] = []
        self._lines: list[Line] = []
        self.stalls = Stalls()

    # What there is

    async def begin(self) -> None:
        for number in range(SYNCERS):
            nats, redis = [await self._line(url) for url in (self.servers.nats.url, self.servers.valkey.url)]
            self.syncers_lines += [nats, redis]
            made = await self.enter_async_context(self._syncer(f"syncer {number + 1}", nats.url, redis.url))
            self._syncers.append(made)
        for event_id in EVENT_IDS:
            await self._write(self._syncers[0], event_id)
        for _ in range(self.weather.processes):
            await self.another_process()

    @asynccontextmanager
    async def _syncer(self, name: str, nats_url: str, redis_url: str) -> AsyncIterator[Syncer]:
        async with syncer(name, self.servers.dsn, redis_url, nats_url) as made:
            made.start()
            yield made

    async def _line(self, url: str) -> Line:
        made = await self.enter_async_context(line(url))
        self._lines.append(made)
        return made

    def lines_to(self, url: str) -> list[Line]:
        return [each for each in self._lines if each.target == url]

    async def a_syncer_dies(self) -> None:
        """It has committed, and said nothing of it; others are there."""
        async with self._syncer("a syncer", self.servers.nats.url, self.servers.valkey.url) as dying:
            event_id = self.chance.choice(EVENT_IDS)
            await dying.project(self._next(event_id))

    async def another_process(self) -> None:
        """It may start in the middle of anything."""
        lines = [await self._line(url) for url in (self.servers.nats.url, self.servers.valkey.url, self.servers.dsn)]
        settings = ReadApiSettings(
            nats_url=lines[0].url, redis_url=lines[1].url, postgres_dsn=lines[2].url, auth_static_keys=STATIC_KEYS,
            log_level="error", l1_max_bytes=1 << 20,
        )  # fmt: skip
        app = create_app(settings)
        await self.enter_async_context(app.router.lifespan_context(app))
        transport = httpx2.ASGITransport(app)
        client = httpx2.AsyncClient(transport=transport, base_url="http://api", timeout=PATIENT)
        await self.enter_async_context(client)

        async def ready() -> bool:
            return (await client.get("/readyz")).status_code == HTTPStatus.OK

        await eventually(ready, within=WITHIN)
        self.processes.append(Process(f"process {len(self.processes) + 1}", client, *lines))

    # What happens

    async def rage(self, strike: Callable[["Storm"], Awaitable[None]]) -> None:
        """Everything at once, for as long as the weather lasts; `strike` does the faults until it is cancelled."""
        tasks = [asyncio.create_task(self._keep_reading(number)) for number in range(self._readers)]
        tasks += [asyncio.create_task(self._keep_writing(syncer)) for syncer in self._syncers]
        watch = asyncio.create_task(self.stalls.watch())
        try:
            async with asyncio.timeout(self.weather.seconds):
                await strike(self)
        except TimeoutError:
            pass
        finally:
            self._over.set()
        await asyncio.gather(*tasks)
        watch.cancel()

    @property
    def _readers(self) -> int:
        return self.weather.processes * self.weather.readers

    async def _keep_writing(self, syncer: Syncer) -> None:
        chance = random.Random(f"{self.weather.seed} {syncer.name}")  # noqa: S311
        while not self._over.is_set():
            await self._write(syncer, chance.choice(EVENT_IDS), again=chance.random() < 0.2)
            await asyncio.sleep(chance.random() * self.weather.write_pause)

    async def _write(self, syncer: Syncer, event_id: int, *, again: bool = False) -> None:
        change = self._next(event_id)
        projected = await syncer.project(change)
        if not projected.changed:  # the other one was quicker with a newer version
            return
        await syncer.say(projected, change)
        self.log.said(projected)
        if again:
            await syncer.say(await syncer.standing(event_id), change, again=True)

    def _next(self, event_id: int) -> Change:
        """The next version of an event."""
        self._versions[event_id] += 1
        version, number = self._versions[event_id], event_id - PRODUCT
        variant = Variant(id=VARIANT + number, item=ITEM + number, updated=version)
        product = Product(id=event_id, handle=f"event-{number}", title=f"Take {version}", updated=version,
                          variants=(variant,))  # fmt: skip
        return by_read(product)

    async def _keep_reading(self, number: int) -> None:
        """Most readers stay with their process; every fourth roams, and says what it has seen."""
        chance = random.Random(f"{self.weather.seed} reader {number}")  # noqa: S311
        name, roams = f"reader {number}", number % 4 == 0
        seen: Counter[str] = Counter()
        while not self._over.is_set():
            place = chance.randrange(len(self.processes)) if roams else number % len(self.processes)
            tag, path = chance.choice(PATHS)
            await self._read(name, self.processes[place], tag, path, seen if roams else Counter())
            await asyncio.sleep(chance.random() * self.weather.read_pause)

    async def _read(self, name: str, process: Process, tag: str, path: str, seen: Counter[str]) -> None:
        named = seen[tag]
        headers = {"X-Min-Revision": str(named)} if named else {}
        began = time.monotonic()
        answer = await process.client.get(path, headers=headers)
        ended = time.monotonic()
        self.log.statuses[answer.status_code] += 1
        if answer.status_code != HTTPStatus.OK:
            return
        revision = int(answer.headers["X-Revision"])
        told = answer.headers["Cache-Status"]
        self.log.sources[told.partition(";")[2].strip()] += 1
        self.log.bodies[path, revision].add(hash(answer.content))
        seen[tag] = max(seen[tag], revision)
        spare, document = STALE_IF_ERROR in told, path if tag == EVENTS else ""
        self.log.reads.append(Read(name, process.name, tag, began, ended, revision, named, spare, document))

    # What became of it

    async def verdict(self) -> list[Violation | str]:
        """When all is calm: everyone has heard everything, and says the newest."""
        last = max(each.at for each in self.log.visible)
        await eventually(lambda: time.monotonic() > last + WINDOW)
        await eventually(self._nothing_unraised, within=WITHIN)
        await self.another_process()
        settled = time.monotonic()
        for process in self.processes[::-1]:
            for _ in range(2):
                for tag, path in PATHS:
                    await eventually(lambda at=(process, tag, path): self._answered(*at), within=WITHIN)
        newest = await self._newest()
        window = WINDOW + self.stalls.longest
        found: list[Violation | str] = [*judge(self.log.reads, self.log.visible, newest, settled, window)]
        found += [f"{path} at {revision} has {len(of)} bodies" for (path, revision), of in self.log.bodies.items()
                  if len(of) > 1]  # fmt: skip
        return found + [f"somebody was answered {status}" for status in self.log.statuses if status not in EXPECTED]

    async def _answered(self, process: Process, tag: str, path: str) -> bool:
        before = len(self.log.reads)
        await self._read("the last reader", process, tag, path, Counter())
        return len(self.log.reads) > before

    async def _newest(self) -> dict[str, int]:
        async with transaction(self._syncers[0].store.pool) as connection:
            rows = await connection.fetch("SELECT id, revision FROM events")
            collection = await connection.fetchval("SELECT revision FROM collections WHERE name = 'events'")
        return {event_tag(row["id"]): row["revision"] for row in rows} | {EVENTS: collection}

    async def _nothing_unraised(self) -> bool:
        async with transaction(self._syncers[0].store.pool) as connection:
            return not await connection.fetchval("SELECT count(*) FROM unraised")

    def __str__(self) -> str:
        late = sorted(ages(self.log.reads, self.log.visible))
        return (
            f"seed {self.weather.seed}: {len(self.log.reads)} reads, {len(self.log.visible)} visible, "
            f"{dict(self.log.statuses)}, {dict(self.log.sources)}, older than visible by at most {late[-1]:.3f} s "
            f"(p99 {late[int(len(late) * 0.99)]:.3f} s), stalled for {self.stalls.longest:.3f} s, "
            f"faults: {', '.join(self.log.faults)}"
        )


PATHS = [
    *((event_tag(event_id), f"/v1/events/{event_id}{more}") for event_id in EVENT_IDS for more in ("", "/tickets")),
    (event_tag(PRODUCT), "/v1/events/by-handle/event-0"),
    (EVENTS, "/v1/events"),
    (EVENTS, "/v1/events?sort=title&limit=1"),
    (EVENTS, "/v1/categories"),
]
EXPECTED = {HTTPStatus.OK, HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE}


@asynccontextmanager
async def storm(weather: Weather, servers: Servers) -> AsyncIterator[Storm]:
    async with Storm(weather, servers) as made:
        await made.begin()
        yield made
