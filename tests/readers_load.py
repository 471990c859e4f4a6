"""Very many readers at once, over raw HTTP/1.1 connections; what they were answered, and whether any of it was older.

In a test: `async with crowd(addresses, connections) as readers`, then `readers.all_at_once(path)` or
`readers.at_rate(…)`. As a program, in a process of its own, `python readers_load.py HOST:PORT,HOST:PORT CONNECTIONS
PATH` asks once on every connection, all at once, and prints the tally as JSON.
"""

import asyncio
import itertools
import math
import re
import sys
import time
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Union, cast

import orjson
import uvloop

DEADLINE = 15.0  # seconds; a reader who waits longer was left hanging
CONNECT_WITHIN = 10.0  # seconds
CONNECTING = 200  # connections opened at once: a listen queue holds some thousand
TICK = 0.005  # seconds between two batches of an open-loop load
LOOK_EVERY = 0.5  # seconds between two looks for who was left hanging
GRACE = 1.0  # seconds after which what one process showed must be what all show (P5)
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
BODILESS = frozenset({204, 304})

Address = tuple[str, int]
Outcome = Union["Reply", Exception]
Told = Callable[[Outcome], None]


class Broken(Exception):
    """The connection was closed before the answer was whole."""


class Malformed(Exception):
    """That is no answer that a reader understands."""


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    head: bytes
    body: bytes

    def header(self, name: str) -> str | None:
        found = re.search(rb"\r\n%b: *([^\r]*)" % name.encode(), self.head, re.IGNORECASE)
        return None if found is None else found[1].decode()

    @property
    def revision(self) -> int | None:
        """Of a 200 that shows one."""
        shown = self.header("x-revision") if self.status == 200 else None
        return None if shown is None else int(shown)


class Connection(asyncio.Protocol):
    """Keep-alive, one request at a time; opened again when it was lost."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.overdue = math.inf  # by the monotonic clock: when the answer that is waited for is too late
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._told: Told | None = None

    @property
    def is_open(self) -> bool:
        return self._transport is not None

    async def open(self) -> None:
        if self._transport is None:
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(CONNECT_WITHIN):
                await loop.create_connection(lambda: self, *self.address)

    async def ask(self, request: bytes) -> Reply:
        """Raises Broken, Malformed, OSError, TimeoutError."""
        await self.open()
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.send(request, lambda told: None if outcome.done() else outcome.set_result(told))
        async with asyncio.timeout(DEADLINE):
            told = await outcome
        if isinstance(told, Exception):
            raise told
        return told

    def send(self, request: bytes, told: "Told") -> None:
        """On an open connection; `told` is called once, with the reply or with what went wrong."""
        assert self._transport is not None
        self._received, self._told, self.overdue = b"", told, time.monotonic() + DEADLINE
        self._transport.write(request)

    def give_up(self) -> None:
        """Nobody answered in time."""
        self._tell(TimeoutError())
        self.close()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is not derived from it

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._received[: end + 2]
        status = int(head[9:12])
        length = LENGTH.search(head)
        if length is None and status not in BODILESS:
            self._tell(Malformed(head.decode(errors="replace")))
            self.close()
            return
        whole = end + 4 + (0 if status in BODILESS or length is None else int(length[1]))
        if len(self._received) >= whole:
            self._tell(Reply(status, head, self._received[end + 4 : whole]))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._tell(Broken(str(exc or "closed")))

    def _tell(self, outcome: "Outcome") -> None:
        told, self._told, self.overdue = self._told, None, math.inf
        if told is not None:
            told(outcome)


@dataclass
class Tally:
    """What came of a load. `seconds`: from when each request was due, so that a stall counts for all it held up."""

    statuses: Counter[int] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)  # Cache-Status
    seconds: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))  # by status
    timeline: dict[int, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))  # by second of the load
    refused: Counter[str] = field(default_factory=Counter)  # 503s by path
    unhinted: int = 0  # 503 without Retry-After
    went_back: list[str] = field(default_factory=list)  # one process showed an older revision than it had shown before
    outdated: list[str] = field(default_factory=list)  # older than what any process had shown `GRACE` before
    skipped: int = 0  # due, but every connection was waiting already
    begun: int = 0

    @property
    def asked(self) -> int:
        return self.statuses.total() + self.errors.total() + self.skipped

    def percentile(self, part: float, status: int = 200) -> float:
        """In seconds; `part` 0.99 is the p99. 0 when nothing was answered so."""
        ordered = sorted(self.seconds[status])
        return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else 0.0

    def in_words(self) -> str:
        parts = [f"{self.asked} asked", f"statuses {dict(self.statuses)}", f"errors {dict(self.errors)}"]
        for status in sorted(self.seconds):
            cuts = [f"{self.percentile(part, status) * 1000:.1f}" for part in (0.5, 0.99, 1.0)]
            parts.append(f"{status} p50/p99/max {'/'.join(cuts)} ms")
        parts += [f"skipped {self.skipped}", f"back {len(self.went_back)}", f"outdated {len(self.outdated)}"]
        parts.append(f"from {dict(self.sources.most_common(8))}")
        return ", ".join([*parts, f"refused {dict(self.refused.most_common(4))}"])

    def count(self, reply: Reply, seconds: float, at: float) -> None:
        self.statuses[reply.status] += 1
        self.seconds[reply.status].append(seconds)
        self.timeline[int(at)][str(reply.status)] += 1
        self.sources[reply.header("cache-status") or "-"] += 1
        self.unhinted += reply.status == 503 and reply.header("retry-after") is None

    def fail(self, error: Exception, at: float) -> None:
        self.errors[type(error).__name__] += 1
        self.timeline[int(at)][type(error).__name__] += 1


@dataclass
class Seen:
    """The revisions that were shown: by process and by path, and by path when each was the newest anywhere."""

    by_process: dict[tuple[Address, str], int] = field(default_factory=lambda: defaultdict(int))
    anywhere: dict[str, list[tuple[float, int]]] = field(default_factory=lambda: defaultdict(lambda: [(0.0, 0)]))

    def floor(self, address: Address, path: str) -> tuple[int, int]:
        """What the next answer must not be below: of this process, and of any process `GRACE` ago."""
        settled = time.monotonic() - GRACE
        old = next((revision for at, revision in reversed(self.anywhere[path]) if at <= settled), 0)
        return self.by_process[address, path], old

    def show(self, address: Address, path: str, revision: int) -> None:
        self.by_process[address, path] = max(self.by_process[address, path], revision)
        if revision > self.anywhere[path][-1][1]:
            self.anywhere[path].append((time.monotonic(), revision))


class Crowd:
    def __init__(self, connections: Sequence[Connection]) -> None:
        self._all = connections
        self._free = deque(connections)
        self._seen = Seen()
        self._opening: set[asyncio.Task[None]] = set()
        self._look_at = 0.0

    async def all_at_once(self, path: str) -> tuple[Tally, list[Reply]]:
        """One request on every connection, all written before the first answer can have come back to be read."""
        tally, replies, began = Tally(), list[Reply](), time.monotonic()

        async def one(connection: Connection) -> None:
            try:
                replies.append(reply := await connection.ask(request(path)))
                tally.count(reply, time.monotonic() - began, 0.0)
            except (Broken, Malformed, OSError, TimeoutError) as error:
                tally.fail(error, 0.0)

        await asyncio.gather(*(one(connection) for connection in self._all))
        return tally, replies

    async def at_rate(self, rate: float, going_on: Callable[[float], bool], paths: Sequence[str]) -> Tally:
        """`rate` requests a second, whatever becomes of them, over `paths` in turn, as long as `going_on(seconds)`.

        Revisions are judged over all loads of one crowd, so that none goes back between two of them either.
        """
        tally, began, number = Tally(), time.monotonic(), itertools.count()
        due = 0
        while going_on(passed := time.monotonic() - began):
            while due < passed * rate:
                self._begin(paths[next(number) % len(paths)], tally, began, began + due / rate)
                due += 1
            self._give_up()
            await asyncio.sleep(TICK)
        await self._end(tally)
        return tally

    async def _end(self, tally: Tally) -> None:
        """Everybody has an answer, or none in time."""
        while len(self._free) < len(self._all):
            self._give_up()
            await asyncio.sleep(TICK)
        assert tally.asked == tally.begun

    def _give_up(self) -> None:
        """Now and then: look for who was left hanging."""
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + LOOK_EVERY
        for connection in self._all:
            if connection.overdue < now:
                connection.give_up()

    def _begin(self, path: str, tally: Tally, began: float, due: float) -> None:
        tally.begun += 1
        if not self._free:
            tally.skipped += 1
            tally.timeline[int(due - began)]["skipped"] += 1
            return
        connection = self._free.popleft()  # the one that was free for longest: every process has its turn
        own, anywhere = self._seen.floor(connection.address, path)

        def told(outcome: Outcome) -> None:
            self._free.append(connection)
            if isinstance(outcome, Exception):
                tally.fail(outcome, due - began)
                return
            tally.count(outcome, time.monotonic() - due, due - began)
            if outcome.status == 503:
                tally.refused[path] += 1
            self._judge(outcome, connection.address, path, (own, anywhere), tally)

        if connection.is_open:
            connection.send(request(path), told)
            return
        task = asyncio.create_task(_open_and_send(connection, request(path), told))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    def _judge(self, reply: Reply, address: Address, path: str, floors: tuple[int, int], tally: Tally) -> None:
        if (revision := reply.revision) is None:
            return
        own, anywhere = floors
        if revision < own:
            tally.went_back.append(f"{path} at {address[1]}: {revision} after {own}")
        if revision < anywhere:
            tally.outdated.append(f"{path} at {address[1]}: {revision}, {anywhere} was shown {GRACE} s before")
        self._seen.show(address, path, revision)


async def _open_and_send(connection: Connection, request: bytes, told: Told) -> None:
    try:
        await connection.open()
    except (OSError, TimeoutError) as error:
        told(error)
        return
    connection.send(request, told)


@asynccontextmanager
async def crowd(addresses: Sequence[Address], connections: int) -> AsyncIterator[Crowd]:
    """So many open connections, dealt to the addresses in turn."""
    opened = [Connection(addresses[number % len(addresses)]) for number in range(connections)]
    try:
        for few in range(0, connections, CONNECTING):
            await asyncio.gather(*(connection.open() for connection in opened[few : few + CONNECTING]))
        yield Crowd(opened)
    finally:
        for connection in opened:
            connection.close()


@lru_cache(maxsize=1000)
def request(path: str) -> bytes:
    return b"GET %b HTTP/1.1\r\nHost: understudy\r\nAccept: application/json\r\n\r\n" % path.encode()


async def _ask_once(addresses: Sequence[Address], connections: int, path: str) -> bytes:
    async with crowd(addresses, connections) as readers:
        tally, replies = await readers.all_at_once(path)
        told = {"statuses": tally.statuses, "errors": tally.errors, "sources": tally.sources, "words": tally.in_words()}
        bodies = len({reply.body for reply in replies})
        slowest = tally.percentile(1.0)
        return orjson.dumps({**told, "bodies": bodies, "slowest": slowest}, option=orjson.OPT_NON_STR_KEYS)


if __name__ == "__main__":
    listed = [address.rpartition(":") for address in sys.argv[1].split(",")]
    told = uvloop.run(_ask_once([(host, int(port)) for host, _, port in listed], int(sys.argv[2]), sys.argv[3]))
    sys.stdout.buffer.write(told)
