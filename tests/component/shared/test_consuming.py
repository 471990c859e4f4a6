"""Messages in batches, on a real NATS: alone at once, many together, and whatever happens to the bus, none is lost."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import nats
import pytest
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError
from waiting import eventually

from sandbox.servers import Nats
from shared import consuming, delivery
from shared.bus import Bus, consumer_problem, make_broker, running
from shared.consuming import Consuming
from shared.errors import Occupied, Permanent, Transient, Unavailable
from shared.provision import provision
from shared.settings import NatsSettings
from shared.topology import CHANGES, DEAD_LETTERS, SYNCER_CHANGES


@dataclass
class Handler:
    """Takes batches of numbers. `broken`: the whole batch fails with this, for as long as it holds this number."""

    batches: list[list[int]] = field(default_factory=list)
    settled: list[int] = field(default_factory=list)
    broken: dict[int, Exception] = field(default_factory=dict)
    gate: asyncio.Event | None = None

    async def __call__(self, messages: Sequence[Msg]) -> list[Exception | None]:
        numbers = [int(message.data.split()[0]) for message in messages]
        self.batches.append(numbers)
        if self.gate is not None:
            await self.gate.wait()
        for number in numbers:
            if number in self.broken:
                raise self.broken[number]
        self.settled += numbers
        return [None] * len(messages)


@dataclass
class Service:
    jetstream: JetStreamContext
    consuming: Consuming
    handler: Handler

    async def publish(self, *numbers: int, size: int = 0, within: float = 10.0) -> None:
        for number in numbers:
            body = b"%d " % number + b"x" * size
            await self.jetstream.publish(f"changes.product.{number}", body, timeout=within)

    async def left(self) -> tuple[int, int]:
        """Messages not acknowledged, and not delivered."""
        info = await self.jetstream.consumer_info(CHANGES.name, SYNCER_CHANGES.durable)
        return info.num_ack_pending or 0, info.num_pending or 0

    async def done(self) -> bool:
        return await self.left() == (0, 0)

    async def dead(self) -> list[str]:
        state = (await self.jetstream.stream_info(DEAD_LETTERS.name)).state
        numbers = range(max(1, state.first_seq), state.last_seq + 1)
        found = [await self.jetstream.get_msg(DEAD_LETTERS.name, each) for each in numbers]
        return [str(each.subject) for each in found]


@asynccontextmanager
async def service(url: str, handler: Handler, at_once: int = 1, ack_wait: float = 20.0) -> AsyncIterator[Service]:
    """On empty streams."""
    settings = NatsSettings(nats_url=url)
    consumer = replace(SYNCER_CHANGES, ack_wait=ack_wait)
    async with await nats.connect(url) as client:
        jetstream = client.jetstream()
        for stream in (CHANGES, DEAD_LETTERS):
            try:
                await jetstream.delete_stream(stream.name)
            except NotFoundError:
                continue
        await provision(settings)
        await jetstream.add_consumer(CHANGES.name, consumer.config())
        broker = make_broker(settings, "test")
        async with running(broker):
            await eventually(lambda: is_well(broker))
            taking = Consuming(Bus(broker), consumer, handler, at_once)
            taking.start()
            try:
                yield Service(jetstream, taking, handler)
            finally:
                await taking.stop()


async def is_well(broker) -> bool:
    return await consumer_problem(broker, SYNCER_CHANGES) is None


async def test_what_another_process_is_at_comes_again_together_and_is_forgotten(nats_url):
    """A hot event with two replicas: sent back, its changes are a batch again, and not a transaction each."""
    handler = Handler(gate=asyncio.Event())

    async def occupied(messages):
        await handler(messages)
        return [Occupied() if message.metadata.num_delivered == 1 else None for message in messages]

    async with service(nats_url, occupied) as of:
        await of.publish(*range(60))
        handler.gate.set()
        await eventually(lambda: sum(map(len, handler.batches)) >= 120)
        await eventually(of.done)
        assert not of.consuming._alone
    assert len(handler.batches) < 20, handler.batches


async def test_a_message_that_was_sent_back_comes_after_its_delay_though_others_are_still_in_hand(
    nats_url, monkeypatch
):
    monkeypatch.setattr(consuming, "KEEP", 0.1)
    monkeypatch.setattr(delivery, "FIRST_DELAY", 0.5)
    gate, first, second = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def handle(messages):
        numbers = [int(message.data.split()[0]) for message in messages]
        await gate.wait()
        if len(messages) > 1:
            raise ValueError("taken apart")
        if numbers == [1] and messages[0].metadata.num_delivered == 1:
            first.set()
            raise Transient("once more")
        if numbers == [1]:
            second.set()
        if numbers == [2] and not second.is_set():
            await asyncio.sleep(0.4)  # a slow one of the same batch: the keeper speaks for it meanwhile
        return [None]

    async with service(nats_url, handle) as of:
        await of.publish(0, 1, 2)
        gate.set()
        await asyncio.wait_for(first.wait(), 5)
        await asyncio.wait_for(second.wait(), 5)
        await eventually(of.done)


async def test_a_lone_message_is_handled_at_once(nats_url):
    """Promise of P5's speed: waiting for company would cost every webhook."""
    handler = Handler()
    async with service(nats_url, handler) as of:
        await of.publish(0)
        await eventually(of.done)
        waited = []
        for number in range(1, 11):
            began = time.perf_counter()
            await of.publish(number)
            await eventually(lambda number=number: number in handler.settled)
            waited.append(time.perf_counter() - began)
        assert sorted(waited)[len(waited) // 2] < 0.1
        assert handler.batches == [[number] for number in range(11)]


async def test_what_comes_while_a_batch_is_handled_becomes_the_next_one(nats_url):
    handler = Handler(gate=asyncio.Event())
    async with service(nats_url, handler) as of:
        await of.publish(0)
        await eventually(lambda: handler.batches)
        await of.publish(*range(1, 101))
        await eventually(lambda: len(of.consuming._buffer) == 100)
        handler.gate.set()
        await eventually(of.done)
        assert handler.batches == [[0], list(range(1, 101))]


async def test_a_flood_comes_in_bounded_batches_and_in_order(nats_url, monkeypatch):
    handler = Handler(gate=asyncio.Event())
    monkeypatch.setattr(consuming, "BATCH_BYTES", 40_000)
    async with service(nats_url, handler) as of:
        await asyncio.gather(*(of.publish(number, size=1000) for number in range(300)))
        handler.gate.set()
        await eventually(of.done, within=15)
        assert sorted(handler.settled) == list(range(300))
        assert max(map(len, handler.batches)) < 40


async def test_the_largest_messages_pass_one_after_the_other(nats_url):
    handler = Handler()
    async with service(nats_url, handler) as of:
        await of.publish(*range(8), size=5 << 20)
        await eventually(of.done, within=20)
        assert sorted(handler.settled) == list(range(8))


async def test_one_poison_message_of_a_batch_is_buried_and_all_others_go_through(nats_url):
    handler = Handler(gate=asyncio.Event(), broken={37: Permanent("poison")})
    async with service(nats_url, handler) as of:
        await of.publish(0)
        await eventually(lambda: handler.batches)
        await of.publish(*range(1, 101))
        await eventually(lambda: len(of.consuming._buffer) == 100)
        handler.gate.set()
        await eventually(of.done)
        assert sorted(handler.settled) == [number for number in range(101) if number != 37]
        assert await of.dead() == ["dead.syncer.changes.product.37"]
        assert len(handler.batches) < 25, "it is looked for by halves"


async def test_what_failed_before_comes_alone(nats_url, monkeypatch):
    monkeypatch.setattr(delivery, "FIRST_DELAY", 0.05)
    handler = Handler(broken={2: Transient("not yet")})
    async with service(nats_url, handler) as of:
        await of.publish(2)
        await eventually(lambda: handler.batches)
        handler.gate = asyncio.Event()
        await of.publish(*range(10, 40))
        await eventually(lambda: len(of.consuming._buffer) >= 25)
        del handler.broken[2]
        handler.gate.set()
        await eventually(of.done)
        assert all(batch == [2] for batch in handler.batches if 2 in batch)
        assert not of.consuming._alone


async def test_while_a_server_is_away_the_whole_batch_waits_and_is_not_taken_apart(nats_url, monkeypatch):
    monkeypatch.setattr(delivery, "FIRST_DELAY", 0.02)
    handler = Handler(gate=asyncio.Event(), broken={5: Unavailable("PostgreSQL is away")})
    async with service(nats_url, handler) as of:
        await of.publish(0)
        await eventually(lambda: handler.batches)
        await of.publish(*range(1, 20))
        await eventually(lambda: len(of.consuming._buffer) == 19)
        handler.gate.set()
        await eventually(lambda: len(handler.batches) >= 3)
        handler.broken.clear()
        await eventually(of.done)
        assert sorted(handler.settled) == list(range(20))
        assert await of.dead() == []


async def test_after_a_batch_that_was_too_much_for_a_server_the_next_is_smaller(nats_url, monkeypatch):
    monkeypatch.setattr(delivery, "FIRST_DELAY", 0.02)
    monkeypatch.setattr(delivery, "MAX_DELAY", 0.1)

    class Slow(Handler):
        async def __call__(self, messages: Sequence[Msg]) -> list[Exception | None]:
            if len(messages) > 3:
                self.batches.append([0] * len(messages))
                raise Unavailable("statement timeout")
            return await super().__call__(messages)

    handler = Slow(gate=asyncio.Event())
    async with service(nats_url, handler) as of:
        await of.publish(*range(40))
        handler.gate.set()
        await eventually(of.done, within=20)
        assert sorted(handler.settled) == list(range(40))


async def test_what_somebody_else_is_at_comes_again_in_a_moment_however_often(nats_url, monkeypatch):
    monkeypatch.setattr(delivery, "MAX_OCCUPIED_DELAY", 0.02)
    handler = Handler(broken={1: Occupied()})
    async with service(nats_url, handler) as of:
        await of.publish(1)
        await eventually(lambda: len(handler.batches) > delivery.MAX_ATTEMPTS + 3)
        handler.broken.clear()
        await eventually(of.done)
        assert (handler.settled, await of.dead()) == ([1], [])


async def test_a_message_that_waits_here_longer_than_the_server_would_is_not_given_to_another(nats_url, monkeypatch):
    monkeypatch.setattr(consuming, "KEEP", 0.2)
    handler = Handler(gate=asyncio.Event())
    async with service(nats_url, handler, ack_wait=0.6) as of:
        await of.publish(0)
        await eventually(lambda: handler.batches)
        await of.publish(*range(1, 10))
        await eventually(lambda: len(of.consuming._buffer) == 9)
        began = time.monotonic()
        await eventually(lambda: time.monotonic() - began > 1.5)
        info = await of.jetstream.consumer_info(CHANGES.name, SYNCER_CHANGES.durable)
        assert info.num_redelivered == 0
        handler.gate.set()
        await eventually(of.done)
        assert sorted(handler.settled) == list(range(10))


async def test_a_consumer_that_was_deleted_and_made_again_is_taken_up(nats_url):
    handler = Handler()
    async with service(nats_url, handler) as of:
        await of.publish(1)
        await eventually(of.done)
        await of.jetstream.delete_consumer(CHANGES.name, SYNCER_CHANGES.durable)
        await of.publish(2)
        await of.jetstream.add_consumer(CHANGES.name, SYNCER_CHANGES.config())
        await eventually(lambda: 2 in handler.settled, within=10)


async def test_after_the_bus_was_killed_it_goes_on_where_it_was(tmp_path: Path):
    handler = Handler()
    with Nats(tmp_path / "nats") as server:
        async with service(server.url, handler) as of:
            await of.publish(1)
            await eventually(of.done)
            server.kill()
            server.start()
            await eventually(lambda: published(of, 2), within=15)
            await eventually(lambda: 2 in handler.settled, within=10)


async def published(of: Service, number: int) -> bool:
    try:
        await of.publish(number, within=0.5)
    except (nats.errors.Error, nats.js.errors.Error, OSError):
        return False
    return True


async def test_two_replicas_share_the_work(nats_url):
    one, other = Handler(), Handler()
    async with service(nats_url, one) as of:
        broker = make_broker(NatsSettings(nats_url=nats_url), "other")
        async with running(broker):
            await eventually(lambda: is_well(broker))
            second = Consuming(Bus(broker), SYNCER_CHANGES, other)
            second.start()
            await asyncio.gather(*(of.publish(number) for number in range(200)))
            await eventually(of.done, within=10)
            await second.stop()
        assert sorted([*one.settled, *other.settled]) == list(range(200))


async def test_stopping_ends_what_is_under_way_and_gives_back_the_rest(nats_url):
    handler = Handler(gate=asyncio.Event())
    async with service(nats_url, handler, ack_wait=1.0) as of:
        await of.publish(1)
        await eventually(lambda: handler.batches)
        await of.publish(2, 3)
        await eventually(lambda: len(of.consuming._buffer) == 2)
        stopping = asyncio.create_task(of.consuming.stop())
        await eventually(lambda: not of.consuming._buffer)
        handler.gate.set()
        await stopping
        assert handler.settled == [1]
        assert await eventually(lambda: left_is(of, 2))


async def left_is(of: Service, number: int) -> bool:
    return sum(await of.left()) == number


@pytest.mark.parametrize("at_once", [1, 3])
async def test_every_message_is_settled_once_however_many_batches_are_under_way(nats_url, at_once):
    handler = Handler()
    async with service(nats_url, handler, at_once) as of:
        await asyncio.gather(*(of.publish(number) for number in range(500)))
        await eventually(of.done, within=15)
        assert sorted(handler.settled) == list(range(500))
