"""FastAPI and RQ beside us: the endpoint, the workers, and how many jobs wait; all of it is ended."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from redis.asyncio import Redis

from ops.bench.peers.shop import REDIS
from ops.bench.peers.write_tasks import QUEUE
from ops.bench.requirements import library
from ops.bench.shopify_request import ADDRESS, TOKEN, address
from ops.bench.subject import Subject, place
from ops.up.plan import API_VERSION
from sandbox.processes import Process, answers, stop_all
from sandbox.servers import free_port
from sandbox.servers.ports import LOOPBACK

WORKERS = 6  # one waits 2-3 s for Shopify: so many keep up with two requests a second
DATABASE = 9  # of Valkey
READY_WITHIN, STOP_WITHIN = 30.0, 10.0  # seconds


@dataclass(frozen=True)
class Queued:
    """`url`: of the endpoint. `redis`: where the queue is."""

    url: str
    redis: str

    @property
    def place(self) -> tuple[str, int]:
        return place(self.url)

    async def waiting(self) -> int:
        async with Redis.from_url(self.redis) as client:
            return int(await client.llen(f"rq:queue:{QUEUE}"))

    async def empty(self) -> bool:
        return not await self.waiting()

    async def failed(self) -> int:
        async with Redis.from_url(self.redis) as client:
            return int(await client.zcard(f"rq:failed:{QUEUE}"))


@contextmanager
def queue(subject: Subject, logs: Path) -> Iterator[Queued]:
    """Raises NotInstalled, ProcessError."""
    library("rq")
    port = free_port()
    found = Queued(f"http://{LOOPBACK}:{port}", urlsplit(subject.redis)._replace(path=f"/{DATABASE}").geturl())
    env = {
        REDIS: found.redis,
        ADDRESS: address(subject.shopify, API_VERSION),
        TOKEN: subject.shopify_token,
    }
    api = Process(
        "write_queue",
        [sys.executable, "-m", "ops.bench.peers", "write_queue", str(port)],
        log=logs / "write-queue.log",
        env=env,
        ready=answers(f"{found.url}/openapi.json"),
    )
    command = [sys.executable, "-m", "ops.bench.peers.worker"]
    workers = [Process(f"worker {n}", command, log=logs / f"worker-{n}.log", env=env) for n in range(WORKERS)]
    try:
        for process in (api, *workers):
            process.launch()
        for process in (api, *workers):
            process.wait_ready(READY_WITHIN)
        yield found
    finally:
        stop_all((api, *workers), STOP_WITHIN)
