"""The simulated Shopify as a bench sees it: its limits, what was spent, and its own journal of what took effect."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Self

import httpx2

from ops.bench.budget_use import Sample
from ops.bench.commanded import Effect
from ops.bench.patience import until
from ops.failures import ServerDown

LOOK = 0.2  # seconds between two samples
PAGE = 10_000  # entries of the journal
AT_ONCE = 1e6  # points a second
ANSWER_WITHIN = 10.0  # seconds
EDIT = "productUpdate"


@dataclass(frozen=True)
class Limits:
    """Of the bucket: it holds `size` points, and gets `rate` of them back each second. `latency`: seconds."""

    size: float
    rate: float
    latency: float


class Simulated:
    def __init__(self, http: httpx2.AsyncClient) -> None:
        self._http = http

    @classmethod
    def at(cls, url: str) -> Self:
        return cls(httpx2.AsyncClient(base_url=f"{url}/control", trust_env=False, timeout=ANSWER_WITHIN))

    async def close(self) -> None:
        await self._http.aclose()

    async def limit(self, limits: Limits) -> None:
        """From now on, with a full bucket."""
        await self._turn(bucket_size=limits.size, restore_rate=AT_ONCE)
        await self.refilled(limits.size, ANSWER_WITHIN)
        await self._turn(restore_rate=limits.rate, latency_min=limits.latency, latency_max=limits.latency)

    async def slow_down(self, latency: float) -> None:
        await self._turn(latency_min=latency, latency_max=latency)

    async def refilled(self, size: float, within: float) -> None:
        """Until the bucket is full by itself: whoever counts its points is not surprised. Raises TimeoutError."""

        async def full() -> bool:
            return bool((await self._state())["bucket"]["currentlyAvailable"] >= size)

        await until(full, within, LOOK)

    async def throttled(self) -> int:
        return int((await self._state())["throttled"])

    async def sample(self, waiting: int) -> Sample:
        at = asyncio.get_running_loop().time()
        state = await self._state()
        return Sample(at, state["points_spent"], state["bucket"]["currentlyAvailable"], waiting)

    async def journal_end(self) -> int:
        return int((await self._get("/journal?limit=1"))["last"])

    async def effects(self, after: int) -> dict[str, list[Effect]]:
        """By event, in the order in which they took effect: what its own API was told since that entry."""
        found: dict[str, list[Effect]] = {}
        while True:
            page = await self._get(f"/journal?after={after}&limit={PAGE}&origin=admin&action={EDIT}")
            for entry in page["entries"]:
                product = entry["input"]["product"]
                told = [(name, product[name]) for name in ("title", "status") if name in product]
                if not entry["user_errors"]:
                    found.setdefault(product["id"].rpartition("/")[2], []).extend(told)
            if len(page["entries"]) < PAGE:
                return found
            after = page["entries"][-1]["sequence"]

    async def finals(self) -> dict[str, dict[str, str]]:
        """Title and status of every event, as they are now."""
        products = (await self._get("/products"))["products"]
        return {str(each["id"]): {"title": each["title"], "status": each["status"].upper()} for each in products}

    async def _state(self) -> Any:
        return await self._get("/state")

    async def _turn(self, **knobs: float) -> None:
        await self._ask(lambda: self._http.patch("/knobs", json=knobs))

    async def _get(self, path: str) -> Any:
        return await self._ask(lambda: self._http.get(path))

    async def _ask(self, ask: Callable[[], Awaitable[httpx2.Response]]) -> Any:
        """Raises ServerDown."""
        try:
            answer = (await ask()).raise_for_status()
        except httpx2.HTTPError as error:
            raise ServerDown(f"the simulated Shopify at {self._http.base_url} does not answer: {error!r}") from error
        return answer.json()


class Meter:
    """Samples while it is entered. `waiting`: how many mutations could be sent, or are not done yet."""

    def __init__(self, shopify: Simulated, waiting: Callable[[], Awaitable[int]]) -> None:
        self.samples: list[Sample] = []
        self._shopify = shopify
        self._waiting = waiting
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._look()
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
            if not self._task.cancelled() and (error := self._task.exception()):
                raise error
        await self._look()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            await self._look()

    async def _look(self) -> None:
        self.samples.append(await self._shopify.sample(await self._waiting()))
