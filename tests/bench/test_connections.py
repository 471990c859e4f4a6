"""10,000 connections that stay open on one process: all are answered, and how much memory it takes."""

import asyncio
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from small_process import Small, small_process

from shared.serving import OTHER_FILES

pytestmark = pytest.mark.bench

CONNECTIONS = 10_000
AT_ONCE = 200  # opened, or asked, at a time
ROUNDS = 3
REQUEST = b"GET /pid HTTP/1.1\r\nHost: here\r\n\r\n"
SLOWEST = 1.0  # seconds for one answer
MEMORY = 25_000  # bytes for each connection; 12,000 measured

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Small]:
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < CONNECTIONS + OTHER_FILES:
        pytest.skip(f"this system lets a process have {hard} files")
    process = small_process(tmp_path, workers=1)
    process.start()
    yield process
    process.stop()


async def test_ten_thousand_connections_stay_open_on_one_process_and_are_answered(small: Small) -> None:
    [worker] = [psutil.Process(pid) for pid in small.workers]
    before = worker.memory_info().rss
    connections: list[Connection] = []
    try:
        for _ in range(0, CONNECTIONS, AT_ONCE):
            connections += await asyncio.gather(*(connect(small) for _ in range(AT_ONCE)))
        took = sorted([each for _ in range(ROUNDS) for each in await ask_all(connections)])
    finally:
        for _, writer in connections:
            writer.transport.abort()
    each = (worker.memory_info().rss - before) / CONNECTIONS
    print(f"p99 {took[len(took) * 99 // 100] * 1000:.0f} ms, {each:,.0f} bytes a connection")  # noqa: T201 (figures)
    assert took[-1] < SLOWEST
    assert each < MEMORY


async def connect(small: Small) -> Connection:
    return await asyncio.open_connection("127.0.0.1", int(small.url.rpartition(":")[2]))


async def ask_all(connections: list[Connection]) -> list[float]:
    """Seconds until each was answered."""
    took: list[float] = []
    for start in range(0, len(connections), AT_ONCE):
        took += await asyncio.gather(*(ask(*each) for each in connections[start : start + AT_ONCE]))
    return took


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> float:
    began = time.monotonic()
    writer.write(REQUEST)
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
    length = next(
        int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
    )
    await reader.readexactly(int(length))
    return time.monotonic() - began
