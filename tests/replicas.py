"""The parts of one read-api process, put together as in its app, with places to stop at and guards to take out.

Several of them in one test are several processes: they share servers, and nothing else.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import nats
from histories import Read, Violation, Visible, judge
from lines import Line, line
from nats.js import JetStreamContext
from projected import Event, Shop
from pydantic import SecretStr
from waiting import eventually

from read_api.circuit import Circuit
from read_api.coalescer import Coalescer
from read_api.database import Database
from read_api.feed import Feed
from read_api.floors import Floors
from read_api.l1 import L1
from read_api.listing import SQL
from read_api.news import News
from read_api.reader import Answer, Reader, Wanted
from read_api.settings import ReadApiSettings
from shared.tags import EVENTS, Document, Hit, Lead, Tags, Wait, connect, event_tag
from shared.topology import PROJECTIONS, address

JAZZ = Event(42)
TAG = event_tag(JAZZ.id)
L1_BYTES = 1 << 20
WITHIN = 10.0  # seconds for anything to happen


class Gate:
    """A place to stop at: the next one who comes waits there until the gate is opened."""

    def __init__(self) -> None:
        self._closed = False
        self._opened = asyncio.Event()
        self.held = 0

    def close(self) -> None:
        self._closed = True
        self._opened.clear()

    def open(self) -> None:
        self._closed = False
        self._opened.set()

    async def reached(self) -> None:
        await eventually(lambda: self.held, saying="somebody stops at the gate")

    async def passing(self) -> None:
        if not self._closed:
            return
        self._closed = False  # whoever comes next is not held
        self.held += 1
        try:
            async with asyncio.timeout(WITHIN):
                await self._opened.wait()
        finally:
            self.held -= 1


@dataclass
class Gates:
    loaded: Gate = field(default_factory=Gate)  # PostgreSQL has answered
    elected: Gate = field(default_factory=Gate)  # Redis has


@dataclass(frozen=True)
class Kit:
    """What a replica is made of; a guard is taken out by another class."""

    tags: type[Tags] = Tags
    database: type[Database] = Database
    floors: type[Floors] = Floors
    l1: type[L1] = L1
    reader: type[Reader] = Reader


class Replica:
    def __init__(self, name: str, settings: ReadApiSettings, kit: Kit) -> None:
        self.name = name
        self.gates = Gates()
        self.redis = connect(settings)
        self.tags = _stopping(kit.tags, self.gates.elected)(self.redis)
        self.database = _stopping_database(kit.database, self.gates.loaded)(settings)
        self.circuit = Circuit(self.tags)
        self.coalescer: Coalescer[Answer] = Coalescer(500, 20_000)
        self.floors = kit.floors()
        self.feed = Feed(settings)
        self.l1 = kit.l1(L1_BYTES, self.feed)
        for listener in (self.floors, self.l1):
            self.feed.listen(listener)
        self.reader = kit.reader(self.tags, self.circuit, self.circuit, self.coalescer, self.floors, self.l1, News())

    async def read(self, kind: str, least: int = 0) -> Answer:
        """The public document `event` or `tickets`; `least`: the revision that the reader names."""

        async def load() -> Document:
            [row] = await self.database.rows(getattr(SQL, f"public_{kind}"), id=JAZZ.id)
            return Document(row["revision"], 200, row["body"].encode())

        wanted = Wanted(TAG, f"public:{kind}", load)
        return await (self.reader.read_from(wanted, least, lambda _: True) if least else self.reader.read(wanted))

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Replica"]:
        for start in (self.database.start, self.circuit.start, self.feed.start):
            start()
        try:
            await eventually(self._answers, within=WITHIN)
            await eventually(lambda: self.feed.live, within=WITHIN)
            yield self
        finally:
            for close in (self.feed.close, self.coalescer.close, self.circuit.close, self.database.close):
                await close()
            await self.redis.aclose()

    async def _answers(self) -> bool:
        return await self.database.start_problem() is None


def _stopping(kind: type[Tags], gate: Gate) -> type[Tags]:
    class Stopping(kind):  # type: ignore[valid-type,misc]
        async def elect(self, tag: str, document: str) -> Hit | Lead | Wait:
            elected: Hit | Lead | Wait = await super().elect(tag, document)
            await gate.passing()
            return elected

    return Stopping


def _stopping_database(kind: type[Database], gate: Gate) -> type[Database]:
    class Stopping(kind):  # type: ignore[valid-type,misc]
        async def rows(self, query: str, **values: Any) -> list[asyncpg.Record]:
            rows: list[asyncpg.Record] = await super().rows(query, **values)
            await gate.passing()
            return rows

    return Stopping


class Stage(AsyncExitStack):
    """An event, what the syncer does to it step by step, replicas, and what their readers were answered."""

    def __init__(self, settings: ReadApiSettings, shop: Shop, kit: Kit) -> None:
        super().__init__()
        self.settings = settings
        self.shop = Shop(shop.connection, kit.tags(shop.tags.client))
        self.kit = kit
        self.replicas: list[Replica] = []
        self.reads: list[Read] = []
        self.announces_first = False  # a syncer that breaks the rule
        self.visible: list[Visible] = []
        self.revision = 0  # of the event
        self.said = 0  # the last message on PROJECTIONS
        self._jetstream: JetStreamContext | None = None

    async def open(self) -> None:
        client = await nats.connect(self.nats_url)
        self.push_async_callback(client.close)
        self._jetstream = client.jetstream(timeout=5)
        await self.commit()

    @property
    def dsn(self) -> str:
        return self.settings.postgres_dsn.get_secret_value()

    @property
    def redis_url(self) -> str:
        return self.settings.redis_url.get_secret_value()

    @property
    def nats_url(self) -> str:
        return self.settings.nats_url.get_secret_value()

    @property
    def jetstream(self) -> JetStreamContext:
        assert self._jetstream is not None
        return self._jetstream

    async def replica(self, kit: Kit | None = None, **changed: Any) -> Replica:
        made = Replica(f"process {len(self.replicas) + 1}", self.settings.model_copy(update=changed), kit or self.kit)
        await self.enter_async_context(made.running())
        self.replicas.append(made)
        return made

    async def with_a_feed_of_its_own(self) -> tuple[Replica, Line]:
        """A replica that hears PROJECTIONS over a line that can be cut."""
        own = await self.enter_async_context(line(self.nats_url))
        return await self.replica(nats_url=SecretStr(own.url)), own

    # What the syncer does, in its order

    async def commit(self) -> int:
        self.revision = await self.shop.save(JAZZ)
        return self.revision

    async def purge(self) -> None:
        await self.shop.tell(JAZZ)

    async def announce(self) -> None:
        message = await self.shop.announcement(JAZZ)
        message = message.model_copy(update={"events_revision": await self.shop.collection()})
        stream, subject = address(message)
        stored = await self.jetstream.publish(subject, b"", stream=stream.name, headers=message.headers())
        self.said = stored.seq

    async def change(self, between: Callable[[], Awaitable[object]] | None = None) -> None:
        """`between` the last two of them something else may happen."""
        await self.commit()
        steps = [self.announce, self.purge] if self.announces_first else [self.purge, self.announce]
        await steps[0]()
        if between is not None:
            await between()
        await steps[1]()

    def seen(self) -> None:
        """What was changed last is visible from now on."""
        self.visible.append(Visible(TAG, self.revision, time.monotonic()))

    async def heard(self, *replicas: Replica) -> None:
        """All that was announced; by all, if none is named."""
        for replica in replicas or self.replicas:
            await eventually(lambda of=replica: self._has_heard(of), within=WITHIN)

    def _has_heard(self, replica: Replica) -> bool:
        position = replica.feed.position
        return replica.feed.live and position is not None and position.sequence >= self.said

    async def missed(self, replica: Replica, own: Line, *, change: bool = True) -> None:
        """The feed of a replica breaks; what is changed meanwhile is announced, and forgotten before it returns."""
        await own.close()
        await eventually(lambda: not replica.feed.live)
        if change:
            await self.change()
        await self.jetstream.purge_stream(PROJECTIONS.name)

    async def returns(self, replica: Replica, own: Line) -> None:
        await own.open()
        await eventually(lambda: replica.feed.live, within=WITHIN)

    # Readers

    async def read(self, replica: Replica, kind: str = "event", least: int = 0) -> int:
        """The revision of the answer."""
        began = time.monotonic()
        answer = await replica.read(kind, least)
        revision = answer.document.revision
        self.reads.append(
            Read(answer.source, replica.name, TAG, began, time.monotonic(), revision, excused=answer.spare)
        )
        return revision

    def reading(self, replica: Replica, kind: str = "event", least: int = 0) -> asyncio.Task[int]:
        return asyncio.create_task(self.read(replica, kind, least))

    async def verdict(self) -> list[Violation]:
        """What is wrong: with what was answered so far, or at the end, when everyone has heard everything."""
        self.said = (await self.jetstream.stream_info(PROJECTIONS.name)).state.last_seq
        await self.heard()
        settled = time.monotonic()
        for replica in [await self.replica(Kit()), *self.replicas]:  # a newcomer first, who knows only what Redis says
            for kind in ("event", "tickets", "event"):
                await self.read(replica, kind)
        return judge(self.reads, self.visible, newest={TAG: await self.shop.revision(JAZZ.id)}, settled=settled)

    async def evict(self) -> None:
        """Redis needs the room."""
        await self.shop.tags.client.delete(f"understudy:{TAG}", f"understudy:{EVENTS}")


@asynccontextmanager
async def stage(settings: ReadApiSettings, shop: Shop, kit: Kit | None = None) -> AsyncIterator[Stage]:
    async with Stage(settings, shop, kit or Kit()) as made:
        await made.open()
        yield made
