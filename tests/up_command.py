"""`understudy up`, running: started as a user starts it, asked as a user asks it, and proven to be gone."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx2
import orjson
import psutil
from waiting import eventually

from sandbox.servers.ports import is_free

READY_WITHIN = 120.0  # seconds on a busy machine; a second start takes about 10
GONE_WITHIN = 40.0  # seconds


@dataclass
class System:
    """What `up --json` printed, and an HTTP client for it."""

    process: Process
    said: dict[str, Any]
    http: httpx2.AsyncClient

    async def events(self) -> list[dict[str, Any]]:
        """All that anyone may list."""
        found, cursor = [], ""
        while True:
            page = (await self.http.get(f"{self.said['read_api']}/v1/events?limit=250{cursor}")).json()
            found += page["events"]
            if not page["next_cursor"]:
                return found
            cursor = f"&cursor={page['next_cursor']}"

    @property
    def ports(self) -> list[int]:
        names = ("webhook_ingest", "shopify", "syncer", "nats", "nats_monitor", "postgres", "redis")
        addresses = [*(self.said[name] for name in names), *self.said["read_apis"], *self.said["writers"]]
        return [port for address in addresses if (port := urlsplit(address).port)]

    def family(self) -> list[psutil.Process]:
        """The command and every process below it, and the one that outlives it for a moment to tidy up."""
        leader = psutil.Process(self.process.pid)
        return [leader, *leader.children(recursive=True)]


@asynccontextmanager
async def launched(*words: str) -> AsyncIterator[Process]:
    """`understudy up` from its first moment; killed at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ops", "up", *words, stdout=PIPE, stderr=PIPE, env=os.environ
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(GONE_WITHIN):
            await process.communicate()


@asynccontextmanager
async def up(*words: str) -> AsyncIterator[System]:
    """Free ports, JSON, no latency and no traffic unless `words` say otherwise; ready when it is yielded."""
    async with launched("--json", "--port", "0", "--latency", "0", "--no-traffic", *words) as process:
        assert process.stdout is not None
        async with asyncio.timeout(READY_WITHIN):
            line = await process.stdout.readline()
        if not line:
            assert process.stderr is not None
            raise AssertionError((await process.stderr.read()).decode())
        async with httpx2.AsyncClient(trust_env=False, timeout=10) as http:
            yield System(process, orjson.loads(line), http)


async def nothing_left(family: list[psutil.Process], ports: list[int]) -> None:
    await eventually(
        lambda: not [each for each in family if runs(each)], within=GONE_WITHIN, saying="all processes end"
    )
    await eventually(lambda: all(map(is_free, ports)), within=GONE_WITHIN, saying="all ports are free")


def runs(process: psutil.Process) -> bool:
    """False for one that ended and was not asked yet how (containers often have nobody who asks)."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
