"""A naive asyncio client: every edit is sent at once; on THROTTLED it backs off, and tries again, and gives up."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx2

from ops.bench.commanded import Command
from ops.bench.shopify_request import EDIT, HEADERS_TOKEN, THROTTLED, address, variables
from ops.bench.subject import Subject
from ops.up.plan import API_VERSION

CONNECTIONS = 200
ANSWER_WITHIN = 30.0  # seconds
TRIES = 8
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds; doubles, and of that between a half and the whole


@dataclass
class Naive:
    """`left`: edits that are not done. `taken`: seconds from when an edit was due until it was done."""

    left: int = 0
    lost: int = 0
    taken: list[float] = field(default_factory=list)

    async def run(self, subject: Subject, commands: Sequence[Command], rate: float, seconds: float) -> None:
        """`rate` edits a second; after `seconds` it ends, whatever is left."""
        self.left = len(commands)
        limits = httpx2.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
        timeout = httpx2.Timeout(ANSWER_WITHIN, pool=None)
        headers = {HEADERS_TOKEN: subject.shopify_token}
        async with httpx2.AsyncClient(limits=limits, timeout=timeout, headers=headers, trust_env=False) as http:
            tasks = [asyncio.create_task(self._all(http, subject, commands, rate))]
            await asyncio.wait(tasks, timeout=seconds)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            if not tasks[0].cancelled():
                tasks[0].result()

    async def _all(self, http: httpx2.AsyncClient, subject: Subject, commands: Sequence[Command], rate: float) -> None:
        url, began = address(subject.shopify, API_VERSION), time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for count, command in enumerate(commands):
                due = began + count / rate
                if (early := due - time.perf_counter()) > 0:
                    await asyncio.sleep(early)
                tasks.create_task(self._one(http, url, command, due))

    async def _one(self, http: httpx2.AsyncClient, url: str, command: Command, due: float) -> None:
        asked = {"query": EDIT, "variables": variables(command.event_id, dict((command.effect,)))}
        for attempt in range(TRIES):
            body = (await http.post(url, json=asked)).raise_for_status().text
            if THROTTLED not in body:
                self.left -= 1
                self.taken.append(time.perf_counter() - due)
                return
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2**attempt)
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311  # no secret
        self.left -= 1
        self.lost += 1
