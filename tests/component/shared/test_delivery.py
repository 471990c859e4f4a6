"""What becomes of a message, on a real NATS: nothing is lost, nothing blocks, nothing is retried without pause."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import nats
import pytest
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError
from waiting import eventually

from sandbox.servers import Nats
from shared import delivery
from shared.bus import Bus, consumer_problem, make_broker, running, stream_problem
from shared.consuming import Consuming
from shared.contracts import Contract, Origin, ProductDeletedV1, UnknownContract, parse
from shared.errors import Permanent, Transient, Unavailable
from shared.provision import provision
from shared.settings import NatsSettings
from shared.topology import CHANGES, DEAD_LETTERS, SYNCER_CHANGES

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class Poisoned(Permanent):
    """It never will succeed:
    over two lines, with an ü."""


def change(product_id: int = 42, id: str = "webhook:1") -> ProductDeletedV1:  # noqa: A002 (the attribute's name)
    return ProductDeletedV1(
        id=id,
        source="test",
        subject=f"product/{product_id}",
        time=NOW,
        body=b'{"id": 42}',
        origin=Origin.WEBHOOK,
        triggered_at=NOW,
        shop="blue-hall.myshopify.com",
        product_id=product_id,
    )


@dataclass
class Handler:
    """Does with each delivery what `plan` says next, then succeeds. Remembers when."""

    plan: list[Exception] = field(default_factory=list)
    always: Exception | None = None
    handled: list[Contract] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    async def __call__(self, messages: Sequence[Msg]) -> list[Exception | None]:
        return [await self.one(message) for message in messages]

    async def one(self, message: Msg) -> Exception | None:
        self.times.append(asyncio.get_running_loop().time())
        try:
            contract = parse(message.headers, message.data)
        except UnknownContract as error:
            return error
        if self.always is not None:
            return self.always
        if self.plan:
            return self.plan.pop(0)
        self.handled.append(contract)
        return None


@dataclass
class Running:
    bus: Bus
    jetstream: JetStreamContext
    handler: Handler

    async def pending(self) -> tuple[int, int]:
        """Messages not acknowledged, and not delivered."""
        info = await self.jetstream.consumer_info(CHANGES.name, SYNCER_CHANGES.durable)
        return info.num_ack_pending or 0, info.num_pending or 0

    async def all_settled(self) -> bool:
        return await self.pending() == (0, 0)

    async def dead_letters(self) -> list[tuple[str, dict[str, str], bytes]]:
        state = (await self.jetstream.stream_info(DEAD_LETTERS.name)).state
        found = [
            await self.jetstream.get_msg(DEAD_LETTERS.name, each)
            for each in range(max(1, state.first_seq), state.last_seq + 1)
        ]
        return [(each.subject or "", each.headers or {}, each.data or b"") for each in found]


@asynccontextmanager
async def consuming(url: str, handler: Handler, ack_wait: float = SYNCER_CHANGES.ack_wait) -> AsyncIterator[Running]:
    """A service with that handler on the syncer's consumer, on empty streams."""
    settings = NatsSettings(nats_url=url)
    async with await nats.connect(url) as client:
        jetstream = client.jetstream()
        await empty(jetstream, settings)
        await jetstream.add_consumer(CHANGES.name, replace(SYNCER_CHANGES, ack_wait=ack_wait).config())
        broker = make_broker(settings, "test")
        async with running(broker):
            await eventually(lambda: is_none(consumer_problem(broker, SYNCER_CHANGES)))
            bus = Bus(broker)
            service = Consuming(bus, SYNCER_CHANGES, handler)
            service.start()
            yield Running(bus, jetstream, handler)
            await service.stop()


async def empty(jetstream: JetStreamContext, settings: NatsSettings) -> None:
    for stream in (CHANGES, DEAD_LETTERS):
        try:
            await jetstream.delete_stream(stream.name)
        except NotFoundError:
            continue
    await provision(settings)


async def is_none(awaitable) -> bool:
    return await awaitable is None


async def test_what_was_handled_is_acknowledged_and_not_delivered_again(nats_url):
    async with consuming(nats_url, Handler()) as service:
        assert await service.bus.publish(change())
        await eventually(service.all_settled)
        assert service.handler.handled == [change()]
        assert await service.dead_letters() == []


async def test_the_bus_says_when_it_held_a_message_already(nats_url):
    async with consuming(nats_url, Handler()) as service:
        assert [await service.bus.publish(change()) for _ in range(3)] == [True, False, False]
        await eventually(service.all_settled)
        assert service.handler.handled == [change()]


async def test_a_transient_failure_is_retried_with_a_growing_delay(nats_url):
    async with consuming(nats_url, Handler(plan=[Transient("a"), RuntimeError("b"), Transient("c")])) as service:
        await service.bus.publish(change())
        await eventually(lambda: service.handler.handled, within=10)
        first, second, third = (
            later - earlier for earlier, later in zip(service.handler.times, service.handler.times[1:], strict=False)
        )
        assert first >= delivery.FIRST_DELAY
        assert second >= 2 * delivery.FIRST_DELAY
        assert third >= 4 * delivery.FIRST_DELAY
        await eventually(service.all_settled)
        assert await service.dead_letters() == []


async def test_a_message_that_waits_for_its_retry_holds_nobody_up(nats_url):
    async with consuming(nats_url, Handler(plan=[Transient()])) as service:
        await service.bus.publish(change(1, "1"))
        await eventually(lambda: service.handler.times)
        await service.bus.publish(change(2, "2"))
        await eventually(lambda: len(service.handler.handled) == 2)
        assert [each.id for each in service.handler.handled] == ["2", "1"]


async def test_what_never_will_succeed_is_buried_at_once_with_its_reason(nats_url):
    async with consuming(nats_url, Handler(always=Poisoned())) as service:
        await service.bus.publish(change())
        await eventually(service.dead_letters)
        await eventually(service.all_settled)
        [(subject, headers, body)] = await service.dead_letters()
        assert len(service.handler.times) == 1
        assert subject == "dead.syncer.changes.product.42"
        assert body == b'{"id": 42}'
        assert headers["Dead-Reason"] == "Poisoned: It never will succeed: over two lines, with an \\xfc."
        assert headers["Dead-Error"] == "Poisoned"
        assert headers["Dead-Subject"] == "changes.product.42"
        assert (headers["Dead-Consumer"], headers["Dead-Stream"], headers["Dead-Attempts"]) == (
            "syncer",
            "CHANGES",
            "1",
        )
        assert parse(headers, body) == change()


async def test_a_message_that_names_no_contract_is_buried(nats_url):
    async with consuming(nats_url, Handler()) as service:
        await service.jetstream.publish("changes.product.1", b"?", headers={"ce-type": "understudy.lost.v9"})
        await service.jetstream.publish("changes.product.2", b"?")
        await eventually(lambda: two(service.dead_letters()))
        reasons = [headers["Dead-Reason"] for _, headers, _ in await service.dead_letters()]
        assert any("understudy.lost.v9" in reason for reason in reasons)
        assert all(reason.startswith("UnknownContract: ") for reason in reasons)


async def two(awaitable) -> bool:
    return len(await awaitable) == 2


async def test_the_attempts_of_a_poison_message_are_bounded(nats_url, monkeypatch):
    monkeypatch.setattr(delivery, "FIRST_DELAY", 0.001)
    async with consuming(nats_url, Handler(always=RuntimeError("poison"))) as service:
        await service.bus.publish(change())
        await eventually(service.dead_letters, within=15)
        [(_, headers, _)] = await service.dead_letters()
        assert len(service.handler.times) == delivery.MAX_ATTEMPTS
        assert headers["Dead-Reason"] == f"gave up after {delivery.MAX_ATTEMPTS} attempts: RuntimeError: poison"
        await eventually(service.all_settled)


async def test_while_a_server_is_away_a_message_waits_and_is_never_buried(nats_url, monkeypatch):
    monkeypatch.setattr(delivery, "FIRST_DELAY", 0.001)
    monkeypatch.setattr(delivery, "MAX_DELAY", 0.01)
    outage = [Unavailable("PostgreSQL is away") for _ in range(delivery.MAX_ATTEMPTS + 5)]
    async with consuming(nats_url, Handler(plan=outage)) as service:
        await service.bus.publish(change())
        await eventually(lambda: service.handler.handled, within=15)
        assert len(service.handler.times) == delivery.MAX_ATTEMPTS + 6
        assert await service.dead_letters() == []


async def test_a_handler_that_hangs_is_cut_off_and_tried_again(nats_url, monkeypatch):
    monkeypatch.setattr(delivery, "HANDLER_DEADLINE", 0.05)

    class Hanging(Handler):
        async def one(self, message: Msg) -> Exception | None:
            answer = await super().one(message)
            if len(self.times) == 1:
                self.handled.clear()
                await asyncio.Event().wait()
            return answer

    async with consuming(nats_url, Hanging()) as service:
        await service.bus.publish(change())
        await eventually(lambda: len(service.handler.times) == 2)
        await eventually(service.all_settled)
        assert service.handler.handled == [change()]


async def test_a_dead_letter_that_cannot_be_stored_loses_nothing(nats_url, monkeypatch):
    monkeypatch.setattr(delivery, "MAX_DELAY", 0.2)
    async with consuming(nats_url, Handler(always=Poisoned())) as service:
        await service.jetstream.delete_stream(DEAD_LETTERS.name)
        await service.bus.publish(change())
        await eventually(lambda: len(service.handler.times) >= 2)
        assert await service.pending() == (1, 0)
        await provision(NatsSettings(nats_url=nats_url))
        await eventually(service.dead_letters)
        await eventually(service.all_settled)
        assert len(await service.dead_letters()) == 1


async def test_what_was_not_acknowledged_is_delivered_again_after_nats_was_killed(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(delivery, "FIRST_DELAY", 0.5)
    with Nats(tmp_path / "nats") as server:
        # The delay of a nak dies with the server: what counts then is the consumer's ack_wait.
        async with consuming(server.url, Handler(plan=[Transient()]), ack_wait=1.0) as service:
            await service.bus.publish(change())
            await eventually(lambda: service.handler.times)
            server.kill()
            server.start()
            await eventually(lambda: service.handler.handled, within=30)
            assert service.handler.handled[0] == change()


async def test_a_deleted_consumer_or_stream_is_noticed(nats_url):
    async with consuming(nats_url, Handler()) as service:
        broker = service.bus.broker
        assert await stream_problem(broker, CHANGES) is None
        await service.jetstream.delete_consumer(CHANGES.name, SYNCER_CHANGES.durable)
        assert "syncer" in (await consumer_problem(broker, SYNCER_CHANGES) or "")
        await service.jetstream.delete_stream(DEAD_LETTERS.name)
        assert "DEAD_LETTERS" in (await stream_problem(broker, DEAD_LETTERS) or "")


@pytest.mark.parametrize("attempt", [1, 3, 50, 10_000])
def test_no_delay_outgrows_its_bound(attempt):
    outcome = delivery.decide(Unavailable(), attempt, 0)
    assert isinstance(outcome, delivery.Retry)
    assert delivery.FIRST_DELAY <= outcome.delay <= delivery.MAX_DELAY
