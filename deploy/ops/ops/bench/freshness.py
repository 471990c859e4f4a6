"""From the webhook's 200 to the new title on every replica, at one rate after the other."""

import asyncio
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, cast

from ops.bench import bare, cpu
from ops.bench.letters import bodies, letter
from ops.bench.percentiles import milliseconds
from ops.bench.plots import Series
from ops.bench.questions import path
from ops.bench.report import OURS, Row, Target, number
from ops.bench.request import request
from ops.bench.subject import Say, Subject, place
from ops.bench.wire import Wire, connected

RATES = (25, 50, 100, 200, 400)  # edits a second
PROMISED_AT = 200  # edits a second
EVENTS = 500  # that are edited in turn: at the highest rate each of them less than once a second
LOOK_ANYWAY = 0.25  # seconds between two looks while no purge is heard
GIVEN_UP = 5.0  # seconds
LEAST_SAID = 0.02  # of a core
LETTERS_AT_ONCE, READERS_AT_ONCE = 64, 256  # connections to webhook-ingest, and to each read-api
BETWEEN = 2.5  # seconds between two rates: the next edit of an event is in another second of Shopify's clock
PURGED = re.compile(rb'"tag":"event:(\d+)"')
TARGETS = (Target("p50 ms", under=10), Target("p99 ms", under=50), Target("never seen", under=1))


@dataclass(frozen=True)
class Measured:
    """At one rate, in seconds: sent to answered, and answered to visible on every replica. `lost`: never seen.

    `cores`: how much of a core each process took meanwhile, this one among them; `late`: how late it sent.
    """

    rate: float
    taken: Sequence[float]
    visible: Sequence[float]
    lost: int
    cores: Mapping[str, float]
    late: Sequence[float]


class Purges(asyncio.Protocol):
    """A live stream: when each event's purge was heard last, and who waits for the next one."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._tail = b""
        self._heard: dict[str, float] = {}
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        head = f"GET /v1/changes HTTP/1.1\r\nHost: {self._host}\r\nAccept: text/event-stream\r\n\r\n"
        cast("asyncio.Transport", transport).write(head.encode())

    def data_received(self, data: bytes) -> None:
        *lines, self._tail = (self._tail + data).split(b"\n")
        for line in lines:
            if found := PURGED.search(line):
                event = found[1].decode()
                self._heard[event] = time.perf_counter()
                for waiting in self._waiting.pop(event, []):
                    waiting.set_result(None)

    async def next(self, event: str, since: float) -> None:
        """Until a purge of it was heard since then, or for a moment."""
        if self._heard.get(event, 0.0) > since:
            return
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(event, []).append(waiting)
        await asyncio.wait((waiting,), timeout=LOOK_ANYWAY)


@dataclass
class Replica:
    """One read-api, what is heard from it, and what its readers hold: entity tags by path.

    A reader does what a browser does: it reads again when it hears that what it holds is gone.
    """

    host: str
    idle: "asyncio.Queue[Wire]"
    purges: Purges
    held: dict[str, str] = field(default_factory=dict)

    async def look(self, wire: Wire, asked: str) -> tuple[bytes | None, float]:
        """The body when it is another than before, None when not; and when that was known."""
        headers = {"If-None-Match": self.held[asked]} if asked in self.held else {}
        status, head, body, at = await _ask(wire, request(self.host, asked, headers))
        if status == HTTPStatus.OK:
            self.held[asked] = _etag(head)
            return body, at
        if status != HTTPStatus.NOT_MODIFIED:
            raise ConnectionError(f"read-api answered {status}")
        return None, at

    async def sees(self, asked: str, title: str, since: float) -> float | None:
        """When; None when it did not within `GIVEN_UP`."""
        words = b'"title":"%b"' % title.encode()
        looked = since
        while time.perf_counter() - since < GIVEN_UP:
            await self.purges.next(asked.rpartition("/")[2], looked)
            looked = time.perf_counter()
            wire = await self.idle.get()
            try:
                body, at = await self.look(wire, asked)
            finally:
                self.idle.put_nowait(wire)
            if body is not None and words in body:
                return at
        return None


async def measure(
    subject: Subject, events: Sequence[Mapping[str, Any]], seconds: float, say: Say, rates: Sequence[float] = RATES
) -> list[Measured]:
    """Raises ServerDown, Refused; ConnectionError when a service answers what it should not."""
    few = events[:EVENTS]
    say(f"editing {len(few)} events, for real webhooks")
    texts = await asyncio.to_thread(bodies, subject, [event["id"] for event in few])
    letters = await _idle(*place(subject.webhook_ingest), LETTERS_AT_ONCE)
    replicas = [await _replica(url, few) for url in subject.read_apis]
    found = []
    for rate in rates:
        if rate > len(few) / 1.1:
            say(f"freshness: {rate}/s left out; {len(few)} events are too few for it")
            continue
        await asyncio.sleep(BETWEEN)
        say(f"freshness: {rate} edits a second on {len(replicas)} replicas")
        found.append(await Turn(subject, few, texts, letters, replicas).run(rate, seconds))
    return found


@dataclass
class Turn:
    """One rate."""

    subject: Subject
    events: Sequence[Mapping[str, Any]]
    texts: Sequence[Mapping[str, Any]]
    letters: "asyncio.Queue[Wire]"
    replicas: Sequence[Replica]
    taken: list[float] = field(default_factory=list)
    visible: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    lost: int = 0

    async def run(self, rate: float, seconds: float) -> Measured:
        before, began = self._spent(), time.perf_counter()
        async with asyncio.TaskGroup() as samples:
            for count in range(int(rate * seconds)):
                if (early := began + count / rate - time.perf_counter()) > 0:
                    await asyncio.sleep(early)
                self.late.append(time.perf_counter() - began - count / rate)
                samples.create_task(self._sample(count % len(self.events), f"At {rate} a second, {count}"))
        took = time.perf_counter() - began
        cores = {name: (spent - before[name]) / took for name, spent in self._spent().items()}
        return Measured(rate, self.taken, self.visible, self.lost, cores, self.late)

    def _spent(self) -> dict[str, float]:
        others = {name: cpu.seconds(pid) for name, pid in self.subject.pids.items()}
        return {**others, "this bench": time.process_time()}

    async def _sample(self, place_: int, title: str) -> None:
        asked = path(self.events[place_])
        sent = time.perf_counter()
        wire = await self.letters.get()
        whole = letter(self.subject, self.texts[place_], title, datetime.now(UTC))
        status, _, body, answered = await _ask(wire, whole)
        self.letters.put_nowait(wire)
        if status != HTTPStatus.OK:
            raise ConnectionError(f"webhook-ingest answered {status}: {body[:200]!r}")
        self.taken.append(answered - sent)
        seen = await asyncio.gather(*(each.sees(asked, title, sent) for each in self.replicas))
        moments = [at for at in seen if at is not None]
        if len(moments) < len(seen):
            self.lost += 1
            return
        self.visible.append(max(moments) - answered)


async def _replica(url: str, events: Sequence[Mapping[str, Any]]) -> Replica:
    host, port = place(url)
    _, purges = await asyncio.get_running_loop().create_connection(lambda: Purges(f"{host}:{port}"), host, port)
    replica = Replica(f"{host}:{port}", await _idle(host, port, READERS_AT_ONCE), purges)
    wire = replica.idle.get_nowait()
    for event in events:
        await replica.look(wire, path(event))
    replica.idle.put_nowait(wire)
    return replica


async def _idle(host: str, port: int, number_: int) -> "asyncio.Queue[Wire]":
    idle: asyncio.Queue[Wire] = asyncio.Queue()
    for wire in await connected(host, port, number_):
        idle.put_nowait(wire)
    return idle


def _ask(wire: Wire, whole: bytes) -> "asyncio.Future[tuple[int, bytes, bytes, float]]":
    answer: asyncio.Future[tuple[int, bytes, bytes, float]] = asyncio.get_running_loop().create_future()

    def answered(status: int, head: bytes, body: bytes, at: float) -> None:
        if not answer.done():
            answer.set_result((status, head, body, at))

    wire.ask(whole, answered)
    return answer


def _etag(head: bytes) -> str:
    for line in head.decode("latin-1").split("\r\n"):
        name, _, value = line.partition(":")
        if name.lower() == "etag":
            return value.strip()
    raise ConnectionError("read-api answered without an entity tag")


def rows(found: Sequence[Measured], baselines: Mapping[str, Sequence[float]], replicas: int) -> list[Row]:
    """One for each rate, and beside the promised one what a bare publish and a bare read take on this machine."""
    made = []
    for each in found:
        what = f"webhook answered -> visible on {replicas} replicas, {number(each.rate)}/s"
        late = milliseconds(each.late, (0.99,))["p99 ms"]
        figures = {**milliseconds(each.visible), "never seen": each.lost, "samples": len(each.visible)}
        figures["generator late p99 ms"] = late
        promised = each.rate == PROMISED_AT
        busy = ", ".join(f"{name} {used:.2f}" for name, used in each.cores.items() if used >= LEAST_SAID)
        note = f"cores: {busy}"
        made.append(Row(what, OURS, figures, TARGETS if promised else (), note))
        if promised:
            made += [
                Row(what, name, {**milliseconds(times), "samples": len(times)})
                for name, times in baselines.items()
                if name != bare.DURABLE
            ]
            what = f"webhook sent -> answered 200, durable, {number(each.rate)}/s"
            made.append(Row(what, OURS, {**milliseconds(each.taken), "samples": len(each.taken)}))
            durable = baselines[bare.DURABLE]
            made.append(Row(what, bare.DURABLE, {**milliseconds(durable), "samples": len(durable)}))
    return made


def series(found: Sequence[Measured]) -> Iterator[Series]:
    """Of the plot: p50 and p99 over the rate."""
    for part in ("p50", "p99"):
        yield Series(
            OURS, part, [each.rate for each in found], [milliseconds(each.visible)[f"{part} ms"] for each in found]
        )
