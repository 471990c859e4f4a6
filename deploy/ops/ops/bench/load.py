"""`python -m ops.bench.load`: requests on a timetable that waits for nobody. A plan on stdin, its outcome on stdout.

Open loop: a request's latency counts from when it was due, not from when it could be sent, so a server that stalls is
charged for everyone who came meanwhile. How far this program itself was behind its timetable is in the answer, too:
where `late_p99_ms` is not small against the latencies, the generator was the bottleneck and not the server.
"""

import asyncio
import gc
import random
import sys
import time
from array import array
from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from typing import Any

import orjson
import uvloop

from ops.bench.percentiles import percentile
from ops.bench.wire import BROKEN, Wire, connected

TICK = 0.001  # seconds between two looks at the timetable
ANSWER_WITHIN = 10.0  # seconds
PARTS = {"p50_ms": 0.5, "p90_ms": 0.9, "p99_ms": 0.99, "p999_ms": 0.999, "max_ms": 1.0}


@dataclass(frozen=True)
class Plan:
    """`requests` are whole requests, one drawn at random each time; every target gets its share of `connections`.

    `rate` requests a second for `seconds`, those due within the first `warm_up` not counted. Without a rate, one
    request on each connection, all at once. What is open `patience` seconds after the last was due was not answered.
    """

    targets: list[tuple[str, int]]
    requests: list[str]
    connections: int
    rate: float | None = None
    seconds: float = 0.0
    warm_up: float = 0.0
    patience: float = ANSWER_WITHIN
    seed: int = 1


@dataclass(frozen=True)
class Outcome:
    """Times in milliseconds. `wrong`: answers by status that is none of 200 and 304, BROKEN among them.

    `unanswered` were still open at the end. `rate`: answers in a second, from the first request that
    counts to the last answer, those to requests of the warm-up among them.
    """

    answered: int
    statuses: dict[str, int]
    wrong: int
    unanswered: int
    rate: float
    late_p50_ms: float
    late_p99_ms: float
    latencies: dict[str, float]
    bytes: int
    waited: int  # requests that found no idle connection; their waiting is part of their latency

    @property
    def errors(self) -> int:
        return self.wrong + self.unanswered


@dataclass
class Load:
    plan: Plan
    latencies: "array[float]" = field(default_factory=lambda: array("d"))
    lateness: "array[float]" = field(default_factory=lambda: array("d"))
    statuses: Counter[int] = field(default_factory=Counter)
    bytes: int = 0
    last: float = 0.0
    _idle: deque[Wire] = field(default_factory=deque)
    _due: deque[float] = field(default_factory=deque)  # waiting for an idle connection; at most rate * seconds
    _open: int = 0
    _counted: int = 0
    _received: int = 0
    _waited: int = 0
    _done: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> Outcome:
        plan = self.plan
        share = -(-plan.connections // len(plan.targets))
        groups = [await connected(host, port, share) for host, port in plan.targets]
        # Alternately: each target gets the same at the same time.
        self._idle.extend(wire for wires in zip(*groups, strict=True) for wire in wires)
        self._requests = [text.encode("latin-1") for text in plan.requests]
        self._draw = random.Random(plan.seed).choice  # noqa: S311  # a mixture, no secret
        began = time.perf_counter() + TICK
        self._counts_from = began + plan.warm_up
        if plan.rate:
            await self._on_time(began)
        else:
            self._at_once()
        await self._until_answered()
        wires = [wire for group in groups for wire in group]
        for wire in wires:
            wire.abort()
        return self._outcome()

    async def _on_time(self, began: float) -> None:
        """Send each when it is due."""
        rate = self.plan.rate or 0.0
        total, sent = int(rate * self.plan.seconds), 0
        while sent < total:
            now = time.perf_counter()
            until = min(total, int((now - began) * rate) + 1 if now >= began else 0)
            for number in range(sent, until):
                due = began + number / rate
                self.lateness.append(now - due)
                self._send(due)
            sent = until
            await asyncio.sleep(TICK)

    def _at_once(self) -> None:
        wires = list(self._idle)
        self._counts_from = due = time.perf_counter()
        for _ in wires:
            self._send(due)
            self.lateness.append(time.perf_counter() - due)

    def _send(self, due: float) -> None:
        self._open += 1
        self._counted += due >= self._counts_from
        while self._idle:
            wire = self._idle.popleft()
            if wire.open:
                self._ask(wire, due)
                return
        self._waited += 1
        self._due.append(due)

    def _ask(self, wire: Wire, due: float) -> None:
        def answered(status: int, head: bytes, body: bytes, at: float) -> None:
            self._open -= 1
            self._received += at >= self._counts_from and status != BROKEN
            self.last = at
            if due >= self._counts_from:
                self.statuses[status] += 1
                self.bytes += len(head) + len(body)
                if status != BROKEN:
                    self.latencies.append(at - due)
            if wire.open:
                if self._due:
                    self._ask(wire, self._due.popleft())
                else:
                    self._idle.append(wire)
            if not self._open:
                self._done.set()

        wire.ask(self._draw(self._requests), answered)

    async def _until_answered(self) -> None:
        if self._open:
            self._done.clear()
            try:
                await asyncio.wait_for(self._done.wait(), self.plan.patience)
            except TimeoutError:
                return  # the outcome says how many

    def _outcome(self) -> Outcome:
        right = self.statuses[HTTPStatus.OK] + self.statuses[HTTPStatus.NOT_MODIFIED]
        answered = self.statuses.total()
        ordered, late = sorted(self.latencies), sorted(self.lateness)
        took = self.last - self._counts_from
        return Outcome(
            answered=answered,
            statuses={str(status): number for status, number in sorted(self.statuses.items())},
            wrong=answered - right,
            unanswered=self._counted - answered,
            rate=self._received / took if took > 0 else 0.0,
            late_p50_ms=percentile(late, 0.5) * 1000,
            late_p99_ms=percentile(late, 0.99) * 1000,
            latencies={name: percentile(ordered, part) * 1000 for name, part in PARTS.items()} if ordered else {},
            bytes=self.bytes,
            waited=self._waited,
        )


def main() -> None:
    asked: dict[str, Any] = orjson.loads(sys.stdin.buffer.read())
    plan = Plan(**{**asked, "targets": [(host, port) for host, port in asked["targets"]]})
    gc.disable()  # for the seconds that it runs: a collection would be read as the server's latency
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        outcome = runner.run(Load(plan).run())
    sys.stdout.buffer.write(orjson.dumps(asdict(outcome)))


if __name__ == "__main__":
    main()
