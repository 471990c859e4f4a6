"""webhook-ingest outlives its NATS, and what it answered 200 outlives them both."""

import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import nats
import pytest
from waiting import eventually
from webhooks import SECRET, headers, product, spelled

from sandbox.processes import Process, answers
from sandbox.servers import Nats, free_port
from shared.provision import provision
from shared.settings import NatsSettings
from shared.topology import CHANGES

BODY = spelled(product())
SHOPIFY_WAITS = 5.0  # seconds


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[Nats]:
    """A server of the test's own, to be killed."""
    with Nats(tmp_path / "nats") as server:
        yield server


class Service:
    """`python -m webhook_ingest`, as it is run."""

    def __init__(self, directory: Path, nats_server: Nats) -> None:
        self.port = free_port()
        self.process = Process(
            "webhook-ingest",
            [sys.executable, "-m", "webhook_ingest"],
            log=directory / "webhook-ingest.log",
            env={
                "NATS_URL": nats_server.url,
                "NATS_MONITOR_URL": nats_server.monitor_url,
                "SHOPIFY_WEBHOOK_SECRETS": SECRET,
                "WEBHOOK_BODY_DEADLINE": "0.3",
                "PORT": str(self.port),
            },
            ready=answers(f"http://127.0.0.1:{self.port}/livez"),
        )

    async def post(self, number: int = 1) -> int | None:
        """The status, None when nobody answered. Each number is a webhook of its own."""
        async with httpx2.AsyncClient(trust_env=False, timeout=SHOPIFY_WAITS) as client:
            try:
                answer = await client.post(
                    f"http://127.0.0.1:{self.port}/webhooks/products/update",
                    content=BODY,
                    headers=headers(BODY, X_Shopify_Webhook_Id=str(number)),
                )
            except httpx2.HTTPError:
                return None
        return answer.status_code

    async def takes(self, number: int = 1) -> bool:
        return await self.post(number) == 200

    async def ready(self) -> bool:
        async with httpx2.AsyncClient(trust_env=False) as client:
            return (await client.get(f"http://127.0.0.1:{self.port}/readyz")).status_code == 200


@pytest.fixture
def service(tmp_path: Path, bus: Nats) -> Iterator[Service]:
    service = Service(tmp_path, bus)
    service.process.launch()
    try:
        yield service
    finally:
        service.process.stop()


async def stored(bus: Nats) -> set[str]:
    """The webhook ids in the stream."""
    client = await nats.connect(bus.url)
    try:
        jetstream = client.jetstream()
        state = (await jetstream.stream_info(CHANGES.name)).state
        messages = [await jetstream.get_msg(CHANGES.name, each) for each in range(state.first_seq, state.last_seq + 1)]
        return {(message.headers or {})["ce-id"].split(":")[0] for message in messages}
    finally:
        await client.close()


async def test_it_starts_without_nats_says_so_and_connects_when_nats_comes(bus, service):
    await provision(NatsSettings(nats_url=bus.url))
    service.process.stop()
    bus.kill()
    service.process.start()
    began = time.monotonic()
    assert await service.post() == 503
    assert time.monotonic() - began < SHOPIFY_WAITS
    assert not await service.ready()
    bus.start()
    await eventually(service.takes, within=10)
    assert await service.ready()


async def test_every_webhook_answered_200_survives_killed_servers_and_services(bus, service):
    await provision(NatsSettings(nats_url=bus.url))
    service.process.wait_ready()
    answered: set[str] = set()
    for victim, number in ((bus, 0), (service.process, 100), (bus, 200)):
        await eventually(service.takes, within=10)
        for each in range(number, number + 20):
            if await service.post(each) == 200:
                answered.add(str(each))
        victim.kill()
        refused = await service.post(number + 50)
        assert refused in (None, 503)
        victim.start()
    await eventually(service.takes, within=10)
    assert len(answered) == 60
    assert answered <= await stored(bus)


async def test_a_nats_that_hangs_is_answered_503_within_shopifys_patience(bus, service):
    await provision(NatsSettings(nats_url=bus.url))
    service.process.wait_ready()
    await eventually(service.takes)
    bus.pause()
    began = time.monotonic()
    assert await service.post(2) == 503
    assert time.monotonic() - began < SHOPIFY_WAITS
    bus.resume()
    await eventually(lambda: service.takes(3), within=10)


async def test_not_ready_while_nats_acknowledges_before_it_syncs(bus, service):
    await provision(NatsSettings(nats_url=bus.url))
    service.process.wait_ready()
    await eventually(service.ready)
    bus.stop()
    configuration = bus.directory / "nats.conf"
    configuration.write_text(configuration.read_text().replace("sync_interval: always", "sync_interval: 2m"))
    bus.start()
    await eventually(service.takes, within=10)
    async with httpx2.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"http://127.0.0.1:{service.port}/readyz")
    assert answer.status_code == 503
    assert "sync_interval" in answer.json()["problems"]["durability"]


def test_a_connection_that_stalls_is_answered_and_closed(service):
    service.process.wait_ready()
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
        connection.sendall(
            b"POST /webhooks/products/update HTTP/1.1\r\nHost: ingest\r\nContent-Type: application/json\r\n"
            b"Content-Length: 100\r\n\r\n{"
        )
        received = b""
        while part := connection.recv(65_536):  # until it is closed
            received += part
    assert received.startswith(b"HTTP/1.1 408 ")


def test_a_sender_that_reads_only_when_it_has_sent_all_still_hears_413(service):
    service.process.wait_ready()
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
        body = os.urandom(6_000_000)
        connection.sendall(
            b"POST /webhooks/products/update HTTP/1.1\r\nHost: ingest\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body)
        )
        connection.sendall(body)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 413 ")


async def test_it_ends_on_sigterm_whether_nats_is_there_or_not(bus, service):
    await provision(NatsSettings(nats_url=bus.url))
    service.process.wait_ready()
    await eventually(service.takes)
    assert service.process.stop(within=5)
    assert service.process.exit_code == 0
    service.process.start()
    await eventually(service.takes)
    bus.kill()
    assert service.process.stop(within=5)
    assert service.process.exit_code == 0
