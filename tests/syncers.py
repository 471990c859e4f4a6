"""A syncer's store and announcer with its relay, without Shopify: changes are handed to it one by one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

from shared import postgres
from shared.bus import Bus, make_broker, running
from shared.contracts import Change
from shared.errors import Occupied, Transient, Unavailable
from shared.loops import Loop
from shared.settings import NatsSettings, PostgresSettings, RedisSettings
from shared.tags import Tags, connect
from syncer.announcer import Announcer, Said
from syncer.rules import Rules
from syncer.store import Projected, Store
from syncer.succession import Succession

REDELIVERED_AFTER = 0.1  # seconds
RELAY_INTERVAL = 0.5  # seconds, as in the syncer


@dataclass
class Syncer:
    """Projects, raises, announces; what fails comes again, as a redelivery would."""

    name: str
    store: Store
    announcer: Announcer
    loops: tuple[Loop, ...]

    def start(self) -> None:
        """Relay to Redis, and watch over the other replicas."""
        for loop in self.loops:
            loop.start()

    async def project(self, change: Change) -> Projected:
        while True:
            with suppress(Transient):
                [projected] = await self.store.project([change])
                if not isinstance(projected.error, Occupied):
                    break
            await asyncio.sleep(REDELIVERED_AFTER)
        assert projected.error is None, projected
        return projected

    async def say(self, projected: Projected, change: Change, *, again: bool = False) -> None:
        while True:
            try:
                await self.announcer.announce([Said(projected, change, again)])
            except Unavailable:
                await asyncio.sleep(REDELIVERED_AFTER)
            else:
                return
            projected, again = await self.standing(projected.event_id), True

    async def standing(self, event_id: int) -> Projected:
        while True:
            with suppress(Transient):
                return (await self.store.standing([event_id]))[event_id]
            await asyncio.sleep(REDELIVERED_AFTER)


@asynccontextmanager
async def syncer(name: str, dsn: str, redis_url: str, nats_url: str) -> AsyncIterator[Syncer]:
    """Its loops are not started. What it has projected and not said when the block ends stays unsaid by it."""
    async with AsyncExitStack() as stack:
        settings = PostgresSettings(postgres_dsn=dsn, postgres_pool_size=4)
        pool = await postgres.connect(settings, name)
        stack.push_async_callback(postgres.close, pool)
        redis = connect(RedisSettings(redis_url=redis_url))
        stack.push_async_callback(redis.aclose)
        broker = make_broker(NatsSettings(nats_url=nats_url), name)
        await stack.enter_async_context(running(broker))
        store = Store(pool, Rules(), "EUR")
        announcer = Announcer(store, Tags(redis), Bus(broker))
        succession = Succession(pool, announcer, Bus(broker))
        loops = (
            Loop("relay", announcer.step, RELAY_INTERVAL, longest_pause=RELAY_INTERVAL),
            Loop("succession", succession.step, RELAY_INTERVAL, longest_pause=RELAY_INTERVAL),
        )
        for loop in loops:
            stack.push_async_callback(loop.stop)
        yield Syncer(name, store, announcer, loops)
