"""Browsers that listen for purges on one process: its memory, how soon all have heard one, what reads feel of it."""

import asyncio
import contextlib
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path

import httpx2
import nats
import orjson
import psutil  # type: ignore[import-untyped]  # ships no types

from ops.bench.percentiles import milliseconds, percentile
from ops.bench.report import OURS, Row, Target, number
from ops.bench.subject import Say
from ops.failures import Refused
from sandbox.processes import Process, answers
from sandbox.servers import embedded, free_port
from sandbox.servers.addresses import Servers
from shared.contracts import EventProjectedV1
from shared.migrations import migrate
from shared.provision import provision
from shared.settings import NatsSettings
from shared.topology import address

PEER = "bare ASGI fan-out"
CLIENTS = 2  # processes that hold the streams
EVENT = 42
HEARD_WITHIN = 10.0  # seconds
PAUSE = 0.3  # seconds between two purges
READ_PAUSE = 0.01  # seconds between two reads, one after the other; this process shares the cores
MOST_MEMORY, LATEST = 400.0, 200.0  # MB, ms: what is promised
OPENED_WITHIN = 90.0  # seconds

Announce = Callable[[int], Awaitable[object]]


@dataclass
class Found:
    """In seconds, from before a purge was announced; `last` is when the last stream had heard it."""

    at_rest: float  # MB, before the first stream
    memory: float = 0.0  # MB, of the largest process of the server, with all streams open
    heard: list[float] = field(default_factory=list)
    last: list[float] = field(default_factory=list)
    reads: list[float] = field(default_factory=list)
    calm: list[float] = field(default_factory=list)  # reads while nothing is announced
    missed: int = 0


def run(*, streams: int, seconds: float, progress: Say) -> Sequence[Row]:
    """Start the servers, one read-api and its peer; both are told of a purge again and again for `seconds`.

    Raises Refused when the streams can't be opened, ProcessError.
    """
    with tempfile.TemporaryDirectory(prefix="understudy-live-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        directory.chmod(0o711)  # PostgreSQL, which as root runs as nobody, has to get in
        progress(f"{number(streams)} streams at {PEER}")
        with _peer(directory) as (peer, url):
            beside = asyncio.run(_of_peer(peer, url, streams, seconds))
        progress(f"{number(streams)} streams at one read-api")
        with embedded(directory) as servers:
            ours = asyncio.run(_of_ours(servers.addresses, directory, streams, seconds))
    what = f"a purge told to {number(streams)} live streams of one process"
    targets = (Target("memory MB", under=MOST_MEMORY), Target("p99 ms", under=LATEST))
    return [Row(what, OURS, _figures(ours), targets, _note(ours)), Row(what, PEER, _figures(beside), (), _note(beside))]


def _figures(found: Found) -> dict[str, float]:
    figures = {"memory MB": found.memory, **milliseconds(found.heard, (0.5, 0.99))}
    figures["last ms"] = statistics.median(found.last) * 1000
    figures["read p99 ms"] = percentile(sorted(found.reads), 0.99) * 1000
    return figures | {"errors": found.missed}


def _note(found: Found) -> str:
    calm = percentile(sorted(found.calm), 0.99) * 1000
    return f"{number(found.at_rest)} MB at rest; reads p99 {number(calm)} ms while nothing is told"


@contextlib.contextmanager
def _peer(directory: Path) -> Iterator[tuple[Process, str]]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "ops.bench.live_peer", str(port)]
    process = Process("peer", command, log=directory / "peer.log", ready=answers(f"{url}/read"))
    process.start()
    try:
        yield process, url
    finally:
        process.stop()


async def _of_peer(process: Process, url: str, streams: int, seconds: float) -> Found:
    async with httpx2.AsyncClient(base_url=url, trust_env=False, timeout=HEARD_WITHIN) as http:
        return await measure(
            process.pid,
            f"{url}/stream",
            f"{url}/read",
            lambda revision: http.get(f"/announce?{revision}"),
            streams,
            seconds,
        )


async def _of_ours(servers: Servers, directory: Path, streams: int, seconds: float) -> Found:
    await provision(NatsSettings(nats_url=servers.nats_url))
    with contextlib.redirect_stdout(sys.stderr):  # it logs, and stdout is the report's
        await migrate(servers.postgres_dsn, "syncer")
    async with _read_api(servers, directory) as (process, url), _announcing(servers.nats_url) as announce:
        stream, read = f"{url}/v1/changes?tags=event:{EVENT},events", f"{url}/v1/categories"
        return await measure(process.pid, stream, read, announce, streams, seconds)


@contextlib.asynccontextmanager
async def _read_api(servers: Servers, directory: Path) -> AsyncIterator[tuple[Process, str]]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    process = Process(
        "read-api",
        [sys.executable, "-m", "read_api"],
        log=directory / "read-api.log",
        env=servers.environment() | {"PORT": str(port), "LOG_LEVEL": "warning"},
        ready=answers(f"{url}/readyz"),
    )
    process.start()
    try:
        yield process, url
    finally:
        process.stop()


@contextlib.asynccontextmanager
async def _announcing(url: str) -> AsyncIterator[Announce]:
    client = await nats.connect(url, connect_timeout=3, allow_reconnect=False)
    jetstream = client.jetstream(timeout=HEARD_WITHIN)

    async def announce(revision: int) -> None:
        now = datetime.now(UTC)
        message = EventProjectedV1(
            id=f"bench-{revision}-{now.timestamp()}", source="bench", subject=f"event/{EVENT}", time=now,
            event_id=EVENT, revision=revision, visible=True, seen_at=now,
        )  # fmt: skip
        stream, subject = address(message)
        await jetstream.publish(subject, b"", stream=stream.name, headers=message.headers())

    try:
        yield announce
    finally:
        await client.close()


async def measure(pid: int, stream: str, read: str, announce: Announce, streams: int, seconds: float) -> Found:
    """Open the streams, then announce one revision after the other, reading all the while.

    Raises Refused: the streams can't be opened, or a read is not answered 200.
    """
    found = Found(at_rest=_memory(pid))
    async with contextlib.AsyncExitStack() as open_clients:
        shares = [streams // CLIENTS + (number < streams % CLIENTS) for number in range(CLIENTS)]
        clients = await asyncio.gather(
            *(open_clients.enter_async_context(_client(stream, share)) for share in shares if share)
        )
        async with httpx2.AsyncClient(trust_env=False, timeout=HEARD_WITHIN) as http:
            await _read_for(http, read, PAUSE * 3, found.calm)
            reading = asyncio.create_task(_read_for(http, read, seconds, found.reads))
            ends = time.monotonic() + seconds
            for revision in itertools.count(1):
                if time.monotonic() > ends and revision > 1:
                    break
                await _one(found, clients, announce, revision, streams)
                await asyncio.sleep(PAUSE)
            await reading
        found.memory = _memory(pid)
    return found


async def _one(
    found: Found, clients: Sequence[asyncio.subprocess.Process], announce: Announce, revision: int, streams: int
) -> None:
    asked = orjson.dumps({"revision": revision, "within": HEARD_WITHIN}) + b"\n"
    for client in clients:
        _stdin(client).write(asked)
    began = time.monotonic()
    await announce(revision)
    told = [orjson.loads(await _stdout(client).readline()) for client in clients]
    heard = [at - began for each in told for at in each["at"]]
    found.heard += heard
    found.last.append(max(heard, default=HEARD_WITHIN))
    found.missed += streams - len(heard)


@contextlib.asynccontextmanager
async def _client(url: str, streams: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that holds so many streams. Raises Refused when it can't."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ops.bench.live_clients", url, "--streams", str(streams),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 24,
    )  # fmt: skip
    try:
        async with asyncio.timeout(OPENED_WITHIN):
            if not await _stdout(process).readline():
                raise Refused(f"{streams} streams of {url} could not be opened")
        yield process
    finally:
        _stdin(process).close()
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _read_for(http: httpx2.AsyncClient, url: str, seconds: float, took: list[float]) -> None:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        began = time.perf_counter()
        answer = await http.get(url)
        if answer.status_code != HTTPStatus.OK:
            raise Refused(f"{url} answered {answer.status_code}")
        took.append(time.perf_counter() - began)
        await asyncio.sleep(READ_PAUSE)


def _memory(pid: int) -> float:
    """MB of the largest process of a server: its worker."""
    server = psutil.Process(pid)
    return max(float(process.memory_info().rss) for process in [server, *server.children(recursive=True)]) / 1e6


def _stdin(process: asyncio.subprocess.Process) -> asyncio.StreamWriter:
    if process.stdin is None:
        raise Refused("the client has no stdin")
    return process.stdin


def _stdout(process: asyncio.subprocess.Process) -> asyncio.StreamReader:
    if process.stdout is None:
        raise Refused("the client has no stdout")
    return process.stdout
