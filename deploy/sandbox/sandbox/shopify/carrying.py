"""Carry an admitted request out: in its time, twice, or much later. The caller's patience has no part in it.

The server never cancels a request whose caller has gone, so what hangs in its latency still takes effect, as Shopify's
does. What takes effect late is a task of its own: its caller was answered long before.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from sandbox.shopify.executor import Executor, Prepared
from sandbox.shopify.faults import Effect, Fault
from sandbox.shopify.knobs import Knobs
from sandbox.shopify.refusals import UserError
from sandbox.shopify.shop import Admission

Json = dict[str, Any]

LATE = 1_000  # late effects due at once


class TooManyLate(Exception):
    """Too many late effects are due; this request can't join them."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request that was charged. `latency` is seconds, half of it before the effect and half after."""

    prepared: Prepared
    admission: Admission
    knobs: Knobs
    base_url: str
    debug: bool
    latency: float
    refusal: tuple[UserError, ...] = ()


@dataclass(slots=True)
class Carrier:
    executor: Executor
    knobs: Callable[[], Knobs]
    chance: random.Random
    closing: asyncio.Event
    counts: Counter[str]
    late: set[asyncio.Task[None]] = field(default_factory=set)

    def full(self) -> bool:
        return len(self.late) >= LATE

    async def carry_out(self, admitted: Admitted, fault: Fault) -> Json | None:
        """The answer, once it is due; None when it takes effect late.

        Half of the latency lies before the effect, half after it: a caller that gives up can't know which.
        """
        if fault.effect is Effect.LATE:
            self._later(admitted, fault.effect_after)
            await self.wait(admitted.latency)
            return None
        idempotency = self.executor.backstage.idempotency
        held = idempotency.hold(self.executor.idempotency_keys(admitted.prepared))
        try:
            await self.wait(admitted.latency / 2)
            answer = self._run(admitted, held)
            if fault.effect is Effect.TWICE:
                self.counts["doubled"] += 1
                answer = self._run(admitted, held, free=True)
            await self.wait(admitted.latency / 2)
        finally:
            idempotency.release(held)
        return answer

    def latency(self) -> float:
        """Seconds, by the knobs' luck."""
        knobs = self.knobs()
        return self.chance.uniform(knobs.latency_min, max(knobs.latency_min, knobs.latency_max))

    async def wait(self, seconds: float) -> None:
        """As long as that, unless the server is closing."""
        if seconds <= 0:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.closing.wait()

    async def stop(self) -> None:
        """What is due later never happens: the server ends."""
        for task in self.late:
            task.cancel()
        await asyncio.gather(*self.late, return_exceptions=True)

    def _later(self, admitted: Admitted, seconds: float) -> None:
        """Its key is held from now on: who repeats it meanwhile hears IDEMPOTENCY_CONCURRENT_REQUEST."""
        idempotency = self.executor.backstage.idempotency
        held = idempotency.hold(self.executor.idempotency_keys(admitted.prepared))

        async def effect() -> None:
            try:
                await asyncio.sleep(seconds)
                self._run(admitted, held)
            finally:
                idempotency.release(held)

        self.counts["late_effects"] += 1
        task = asyncio.create_task(effect(), name=f"late effect of request {admitted.admission.number}")
        self.late.add(task)
        task.add_done_callback(self.late.discard)

    def _run(self, admitted: Admitted, held: frozenset[str], *, free: bool = False) -> Json:
        """`free`: the request was charged once, for its first carrying-out."""
        return self.executor.run(
            admitted.prepared,
            held,
            admitted.knobs,
            admitted.base_url,
            admission=admitted.admission,
            debug=admitted.debug,
            free=free,
            refusal=admitted.refusal,
        )
