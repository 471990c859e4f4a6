"""Several worker processes behind one port: one scrape tells of all, and one that is killed is replaced."""

import asyncio
import os
import resource
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx2
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families
from small_process import Small, small_process
from waiting import eventually

from shared import serving

REPLACED_WITHIN = 10.0  # seconds, on a busy machine
STOPPED_WITHIN = 5.0  # seconds
MANY = 4600  # connections: more than the backlog, where granian would stop by itself


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Callable[..., Small]]:
    started: list[Small] = []

    def start(workers: int) -> Small:
        process = small_process(tmp_path, workers)
        started.append(process)
        process.start()
        return process

    yield start
    for process in started:
        process.stop()


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    """A connection for each request, which the kernel gives to any of the workers."""
    async with httpx2.AsyncClient(trust_env=False, verify=False, headers={"Connection": "close"}) as client:
        yield client


async def ask(http: httpx2.AsyncClient, url: str) -> str:
    return (await http.get(url)).raise_for_status().text


async def figures(http: httpx2.AsyncClient, process: Small, name: str) -> dict[str | None, float]:
    """Values of one metric, by `pid`."""
    families = text_string_to_metric_families(await ask(http, f"{process.internal}/metrics"))
    samples = [sample for family in families for sample in family.samples if sample.name == name]
    return {sample.labels.get("pid"): sample.value for sample in samples}


async def heard_from(http: httpx2.AsyncClient, process: Small, workers: set[int]) -> int:
    """Ask until each has answered; how often it took."""
    seen: set[int] = set()
    asked = 0

    async def all_of_them() -> bool:
        nonlocal asked
        asked += 1
        seen.add(int(await ask(http, f"{process.url}/pid")))
        return seen >= workers

    await eventually(all_of_them, 15)
    return asked


async def test_several_workers_share_both_ports_and_one_scrape_tells_of_all(small, http, tmp_path):
    process = small(workers=2)
    first = await eventually(lambda: len(process.workers) == 2 and process.workers)
    asked = await heard_from(http, process, first)
    assert await figures(http, process, "small_asked_total") == {None: asked}
    assert await figures(http, process, "small_up") == {str(pid): 1.0 for pid in first}
    assert (await figures(http, process, "process_resident_memory_bytes")).keys() == {str(pid) for pid in first}

    killed = min(first)
    os.kill(killed, signal.SIGKILL)
    second = await eventually(
        lambda: len(process.workers - {killed}) == 2 and process.workers - {killed}, REPLACED_WITHIN
    )
    asked += await heard_from(http, process, second)
    assert await figures(http, process, "small_asked_total") == {None: asked}, "what the dead one counted still counts"
    assert await figures(http, process, "small_up") == {str(pid): 1.0 for pid in second}, "the dead one is not up"

    began = time.monotonic()
    process.ask_to_end()
    await eventually(lambda: not process.alive, STOPPED_WITHIN)
    assert time.monotonic() - began < STOPPED_WITHIN
    assert not any(psutil.pid_exists(pid) for pid in second)
    assert list(tmp_path.glob("understudy-metrics-*")) == []


async def test_a_lone_worker_keeps_no_files_and_holds_more_connections_than_the_backlog(small, http, tmp_path):
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < MANY + serving.OTHER_FILES:
        pytest.skip(f"this system lets a process have {hard} files")
    process = small(workers=1)
    opened: list[asyncio.StreamWriter] = []
    try:
        for _ in range(0, MANY, 200):
            some = await asyncio.gather(*(connect(process.url) for _ in range(200)))
            opened += [writer for _, writer in some]
        assert int(await ask(http, f"{process.url}/pid")) in process.workers
    finally:
        for writer in opened:
            writer.transport.abort()
    assert await figures(http, process, "small_asked_total") == {None: 1.0}
    assert list(tmp_path.glob("understudy-metrics-*")) == []


async def connect(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))


def test_as_many_connections_as_the_system_gives_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
        assert serving.connections(100) == 100
        assert serving.connections(1024) == 1024, "the soft limit was raised"
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 1024 + serving.OTHER_FILES
        if hard != resource.RLIM_INFINITY:
            assert serving.connections(hard + 1) == hard - serving.OTHER_FILES
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
