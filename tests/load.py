"""Several processes' views of one shop under load: what they were charged, and how long each share waited."""

import asyncio
import time
from collections import defaultdict
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

FINISH_WITHIN = 60.0  # seconds


@dataclass
class Load:
    """`spent`: points by share; `seconds`: of each call, by share."""

    clients: list
    spent: dict = field(default_factory=lambda: defaultdict(float))
    seconds: dict = field(default_factory=lambda: defaultdict(list))
    _tasks: list = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)
    _ending: bool = False

    def run(self, share, document, variables=None, *, workers, pause=0.0):
        """Each client calls again and again, `workers` at once, with a `pause` in seconds after each call."""
        for client in self.clients:
            acting = client.acting_for(share)
            self._tasks += [
                asyncio.create_task(self._repeat(acting, share, document, variables, pause)) for _ in range(workers)
            ]

    async def _repeat(self, client, share, document, variables, pause):
        while not self._ending:
            began = time.monotonic()
            answer = await client.execute(document, variables)
            self.seconds[share].append(time.monotonic() - began)
            self.spent[share] += answer.cost.actual
            if not self._ending:
                await asyncio.sleep(pause)

    async def stop(self):
        for task in self._tasks:
            task.cancel()
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        broken = [error for error in ended if not isinstance(error, asyncio.CancelledError | None)]
        assert not broken, broken

    @property
    def total(self):
        return sum(self.spent.values())

    async def used(self, maximum, rate, level):
        """Let every call end that began; then the part of all points that could be had since the load began, from a
        full bucket, that calls were charged. What lies in the bucket (`level()`, awaited) can still be had.
        """
        self._ending = True
        await asyncio.wait_for(asyncio.gather(*self._tasks), FINISH_WITHIN)
        restored = (time.monotonic() - self._began) * rate
        return self.total / (restored + maximum - await level())


class Loads(AsyncExitStack):
    async def begin(self, connect, processes=3):
        """One answer has told the limits, as in every system that runs; the bucket is full."""
        clients = [await self.enter_async_context(connect()) for _ in range(processes)]
        await clients[0].execute("shop")
        load = Load(clients)
        self.push_async_callback(load.stop)
        return load
