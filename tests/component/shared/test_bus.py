"""The seam to NATS: it connects when NATS is there, comes back after anything, and says when it can't."""

import gc
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import nats
import pytest
from faststream.nats import NatsBroker
from waiting import eventually

from sandbox.servers import Nats, free_port
from shared.bus import Bus, BusRefused, BusUnavailable, consumer_problem, make_broker, running, stream_problem
from shared.contracts import Origin, ProductDeletedV1
from shared.provision import provision, provision_soon
from shared.settings import NatsSettings
from shared.topology import CHANGES, SYNCER_CHANGES

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def change(id: str = "webhook:1", body: bytes = b"{}") -> ProductDeletedV1:  # noqa: A002 (the attribute's name)
    return ProductDeletedV1(
        id=id,
        source="test",
        subject="product/42",
        time=NOW,
        body=body,
        origin=Origin.WEBHOOK,
        triggered_at=NOW,
        shop="blue-hall.myshopify.com",
        product_id=42,
    )


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Nats]:
    """A provisioned server of the test's own, to be stopped."""
    with Nats(tmp_path / "nats") as server:
        await provision(NatsSettings(nats_url=server.url))
        yield server


def a_broker(url: str) -> NatsBroker:
    return make_broker(NatsSettings(nats_url=url), "test")


async def stores(broker: NatsBroker, id: str) -> bool:  # noqa: A002
    try:
        return await Bus(broker).publish(change(id), timeout=0.5)
    except BusUnavailable:
        return False


async def test_before_nats_is_there_publishing_fails_at_once_and_later_succeeds(server):
    server.stop()
    broker = a_broker(server.url)
    async with running(broker):
        with pytest.raises(BusUnavailable):
            await Bus(broker).publish(change())
        assert "not connected" in (await stream_problem(broker, CHANGES) or "")
        assert "not connected" in (await consumer_problem(broker, SYNCER_CHANGES) or "")
        server.start()
        await eventually(lambda: stores(broker, "1"), within=10)
        assert await stream_problem(broker, CHANGES) is None


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # nats-py drops the refused connection open
async def test_a_server_that_refuses_us_for_a_while_is_tried_again(server):
    broker = a_broker(server.url)
    configuration = server.directory / "nats.conf"
    open_to_all = configuration.read_text()
    async with running(broker):
        await eventually(lambda: stores(broker, "1"))
        server.stop()
        # "Authorization Violation" is one of the answers at which FastStream's own callback ends the reconnecting.
        configuration.write_text(open_to_all + 'authorization: { token: "another" }\n')
        server.start()
        await eventually(lambda: refused_once(server))
        server.stop()
        configuration.write_text(open_to_all)
        server.start()
        await eventually(lambda: stores(broker, "2"), within=15)
    gc.collect()  # the warning belongs to this test


def refused_once(server: Nats) -> bool:
    return "authentication error" in server.log.read_text()


async def test_one_address_of_several_is_enough(server):
    broker = a_broker(f"nats://127.0.0.1:{free_port()},{server.url}")
    async with running(broker):
        await eventually(lambda: stores(broker, "1"), within=10)


async def test_a_message_that_nats_never_takes_is_refused(server):
    broker = a_broker(server.url)
    async with running(broker):
        await eventually(lambda: stores(broker, "1"))
        with pytest.raises(BusRefused):
            await Bus(broker).publish(change(body=b"x" * 9_000_000))


async def test_without_a_stream_nothing_is_taken_for_stored(server):
    broker = a_broker(server.url)
    async with running(broker), await nats.connect(server.url) as client:
        await eventually(lambda: stores(broker, "1"))
        await client.jetstream().delete_stream(CHANGES.name)
        with pytest.raises(BusUnavailable, match="provision"):
            await Bus(broker).publish(change("2"))


async def test_provisioning_again_changes_nothing_and_waits_for_a_server_that_starts(server):
    settings = NatsSettings(nats_url=server.url)
    first = await provision(settings)
    server.kill()
    with pytest.raises(BusUnavailable):
        await provision(settings)
    with pytest.raises(BusUnavailable):
        await provision_soon(settings, within=0.1)
    server.start()
    assert await provision_soon(settings, within=10) == first
