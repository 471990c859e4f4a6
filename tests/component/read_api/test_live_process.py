"""Live streams of a real process, over real sockets: who doesn't read, who asks for headers only, how it all ends."""

import asyncio
import contextlib
import http.client
import socket
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import nats
import psutil
import pytest
from nats.js import JetStreamContext
from projected import STATIC_KEYS, Event, Shop
from waiting import eventually

from ops.bench.live import measure
from sandbox.processes import Process, answers
from sandbox.servers import free_port
from shared.contracts import EventProjectedV1
from shared.topology import address

PATIENCE = 1.0  # seconds
STREAMS = 200
TAGS = 90  # fewer than would be a flood


@pytest.fixture
async def api(tmp_path: Path, settings) -> AsyncIterator[tuple[Process, str]]:
    made = settings()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    process = Process(
        "read-api",
        [sys.executable, "-m", "read_api"],
        log=tmp_path / "read-api.log",
        env={
            "NATS_URL": made.nats_url.get_secret_value(), "POSTGRES_DSN": made.postgres_dsn.get_secret_value(),
            "REDIS_URL": made.redis_url.get_secret_value(), "AUTH_STATIC_KEYS": STATIC_KEYS, "PORT": str(port),
            "SSE_PATIENCE": str(PATIENCE), "SSE_HEARTBEAT": "1", "SSE_MAX_STREAMS": str(STREAMS),
        },
        ready=answers(f"{url}/readyz"),
    )  # fmt: skip
    await asyncio.to_thread(process.start)
    yield process, url
    await asyncio.to_thread(process.stop)


@pytest.fixture
async def jetstream(nats_url: str) -> AsyncIterator[JetStreamContext]:
    client = await nats.connect(nats_url)
    yield client.jetstream(timeout=5)
    await client.close()


async def announce(jetstream: JetStreamContext, event_id: int, revision: int) -> None:
    now = datetime.now(UTC)
    message = EventProjectedV1(
        id=f"{event_id}-{revision}-{now.timestamp()}", source="syncer", subject=f"event/{event_id}", time=now,
        event_id=event_id, revision=revision, visible=True, seen_at=now,
    )  # fmt: skip
    stream, subject = address(message)
    await jetstream.publish(subject, b"", stream=stream.name, headers=message.headers())


def opened(url: str, request: bytes = b"GET /v1/changes HTTP/1.1\r\nHost: api\r\n\r\n") -> socket.socket:
    """Connected, with room for little: a client that doesn't read is noticed soon."""
    host, _, port = url.removeprefix("http://").partition(":")
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(5)
    client.connect((host, int(port)))
    client.sendall(request)
    return client


async def metric(url: str, line: str) -> float:
    async with httpx2.AsyncClient(trust_env=False) as http:
        told = (await http.get(f"{url}/metrics")).text
    return sum(float(text.rpartition(" ")[2]) for text in told.splitlines() if text.startswith(line))


async def test_hundreds_of_streams_hear_a_purge_and_reads_go_on(api, shop: Shop, jetstream: JetStreamContext):
    """The small sibling of tests/bench/test_live.py."""
    await shop.save(Event(1))
    process, url = api
    stream, read = f"{url}/v1/changes?tags=event:42,events", f"{url}/v1/events/1"
    found = await measure(
        process.pid, stream, read, lambda revision: announce(jetstream, 42, revision), STREAMS, seconds=1
    )
    assert found.missed == 0
    assert len(found.heard) >= STREAMS
    assert len(found.reads) > 0
    await eventually(lambda: none_open(url))


async def none_open(url: str) -> bool:
    return await metric(url, "understudy_live_streams{") == 0


async def test_a_client_that_does_not_read_is_gone_within_seconds(api, jetstream: JetStreamContext):
    process, url = api
    with opened(url) as reader, opened(url) as stuck:
        reading = asyncio.create_task(asyncio.to_thread(read_on, reader))
        await eventually(lambda: all_open(url, 2))
        began, revision = time.monotonic(), 0
        while not await all_open(url, 1):
            assert time.monotonic() - began < 30, "it is never noticed"
            revision += 1
            await asyncio.gather(*(announce(jetstream, event_id, revision) for event_id in range(1, TAGS + 1)))
        peer = stuck.getsockname()
        await eventually(lambda: peer not in connected(process), within=4 * PATIENCE + 2, saying="its memory is freed")
        assert reader.getsockname() in connected(process)
        with contextlib.ExitStack() as others:
            for _ in range(STREAMS - 1):
                others.enter_context(opened(url))
            await eventually(lambda: all_open(url, STREAMS), saying="its place is free as well")
        reader.shutdown(socket.SHUT_RDWR)
        assert b'"event:90"' in await reading
        assert process.exit_code is None


def connected(process: Process) -> set[tuple[str, int]]:
    """The clients of a server and its workers."""
    server = psutil.Process(process.pid)
    of_all = [one.net_connections("tcp") for one in (server, *server.children(recursive=True))]
    return {
        tuple(at.raddr) for several in of_all for at in several if at.raddr and at.status == psutil.CONN_ESTABLISHED
    }


def read_on(client: socket.socket) -> bytes:
    heard = b""
    while data := client.recv(65_536):
        heard = (heard + data)[-100_000:]
    return heard


async def test_a_head_is_answered_with_headers_only(api):
    _, url = api
    answer, body = await asyncio.to_thread(headers_of, url)
    assert (answer.status, body) == (200, b"")
    assert answer.headers["Content-Type"] == "text/event-stream"
    await eventually(lambda: none_open(url))


def headers_of(url: str) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=5)
    connection.request("HEAD", "/v1/changes")
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


async def test_a_process_that_is_told_to_stop_ends_its_streams_at_once(api):
    process, url = api
    with contextlib.ExitStack() as connections:
        clients = [connections.enter_context(opened(url)) for _ in range(20)]
        await eventually(lambda: all_open(url, len(clients)))
        began = time.monotonic()
        await asyncio.to_thread(process.stop)
        assert time.monotonic() - began < 5
        for client in clients:
            ended = await asyncio.to_thread(read_on, client)
            assert ended.endswith(b"0\r\n\r\n"), "an end, not a broken connection"


async def all_open(url: str, count: int) -> bool:
    return await metric(url, "understudy_live_streams{") == count
