"""Readers by the thousand while a server is away and editors edit on: what each of them is answered, second by second.

The figures that each test prints are what ARCHITECTURE.md says of outages.
"""

import asyncio
import itertools
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from readers_load import Address, Tally, crowd
from waiting import eventually
from whole_system import Running

EVENTS = 8  # that are read and edited
COLD_PART = 0.05  # of all requests are for what nobody has read yet
REFUSED = 0.01  # of all requests, at most, where something can answer; measured: none, on a machine that keeps up
FIRST_UNKNOWN = 10**12  # ids that no event has
EDIT_EVERY = 0.1  # seconds
RETRY_SCALE = 0.002  # of Shopify's 4 hours: a webhook that nobody could take is sent again over half a minute
AWAY = 503
EVENT = "/v1/events/"


@dataclass(frozen=True)
class Size:
    rate: int  # requests a second
    connections: int
    outage: float  # seconds
    around: float  # seconds before and after it


FULL = Size(rate=2_000, connections=1_000, outage=10.0, around=4.0)
SMALL = Size(rate=200, connections=100, outage=1.2, around=0.4)

TROUBLE = re.compile("understudy_read_(shed|postgres_errors|redis_errors|loads_failed|feed_gaps|stale_if_error)_total")
SIZES = [pytest.param(SMALL, id="small"), pytest.param(FULL, id="full", marks=pytest.mark.bench)]


@dataclass
class Outage:
    """`known`: of events that are read all the time; `unknown`: of ids, each of which is asked for once."""

    known: Tally = field(default_factory=Tally)
    unknown: Tally = field(default_factory=Tally)
    edits: int = 0
    began: float = 0.0  # seconds since the load did
    ended: float = 0.0
    counted: dict[str, float] = field(default_factory=dict)  # what read-api itself says of it

    def in_words(self, name: str) -> str:
        lines = [f"\n{name}: away from {self.began:.1f} s to {self.ended:.1f} s, {self.edits} edits"]
        lines += [f"  known:   {self.known.in_words()}", f"  unknown: {self.unknown.in_words()}"]
        lines.append(f"  metrics: {self.counted}")
        for second in sorted(self.known.timeline):
            known, unknown = self.known.timeline[second], self.unknown.timeline[second]
            lines.append(f"    {second:3} s  known {dict(known)}  unknown {dict(unknown)}")
        return "\n".join(lines)

    def nobody_was_shown_less_or_left_hanging(self) -> None:
        for tally in (self.known, self.unknown):
            assert not tally.went_back, tally.went_back[:10]
            assert not tally.outdated, tally.outdated[:10]
            assert not tally.errors, tally.errors
            assert tally.unhinted == 0
        assert set(self.known.statuses) <= {200, AWAY}
        assert set(self.unknown.statuses) <= {404, AWAY}
        assert self.edits > 0


async def known_events(running: Running) -> list[int]:
    products = [await running.shop.create(f"Read {number}", []) for number in range(EVENTS)]
    await running.settled()
    return [product["id"] for product in products]


@asynccontextmanager
async def edited(running: Running, event_ids: Sequence[int]) -> AsyncIterator[Callable[[], int]]:
    """Somebody edits them, one after the other, until the end of the block. Yields how often."""
    numbers, stop, edits = itertools.count(1), asyncio.Event(), 0

    async def edit() -> None:
        nonlocal edits
        while not stop.is_set():
            edits = next(numbers)
            await running.shop.edit(event_ids[edits % len(event_ids)], title=f"Edit {edits}")
            await asyncio.sleep(EDIT_EVERY)

    editing = asyncio.create_task(edit())
    try:
        yield lambda: edits
    finally:
        stop.set()
        await editing


async def read_through(
    running: Running, size: Size, leave: Callable[[], Awaitable[None]], come_back: Callable[[], Awaitable[None]]
) -> Outage:
    """Read and edit; `leave`; read and edit on; `come_back`; the same for a while. Then all must be equal."""
    event_ids, outage, over = await known_events(running), Outage(), asyncio.Event()
    await running.shop.turn(webhook_retry_scale=RETRY_SCALE)
    server, unknown = address(running), itertools.count(FIRST_UNKNOWN + time.monotonic_ns() % 10**9)
    paths = [f"{EVENT}{event_id}" for event_id in event_ids] + ["/v1/events?limit=10", "/v1/categories"]
    await all_is_well(running, paths[0])
    strange = [f"{EVENT}{next(unknown)}" for _ in range(100_000)]
    async with crowd([server], size.connections) as readers, crowd([server], size.connections) as strangers:
        began, before = time.monotonic(), await counted(running)

        async def passed(seconds: float) -> None:
            until = time.monotonic() + seconds
            _: bool = await eventually(lambda: time.monotonic() >= until, seconds + 5)

        async with edited(running, event_ids) as edits:
            known = asyncio.create_task(
                readers.at_rate(size.rate * (1 - COLD_PART), lambda _: not over.is_set(), paths)
            )
            cold = asyncio.create_task(strangers.at_rate(size.rate * COLD_PART, lambda _: not over.is_set(), strange))
            try:
                await passed(size.around)
                outage.began = time.monotonic() - began
                await leave()
                await passed(size.outage)
                await come_back()
                outage.ended = time.monotonic() - began
                await passed(size.around)
                outage.edits = edits()
            finally:
                over.set()
                outage.known, outage.unknown = await known, await cold
        after = await counted(running)
        outage.counted = {name: rise for name in after if (rise := after[name] - before.get(name, 0.0))}
    await running.equal(event_ids)
    return outage


async def all_is_well(running: Running, path: str) -> None:
    """It hears the feed again and keeps what it loads: a test before this one may have killed NATS."""

    async def hot() -> bool:
        return "detail=l1" in (await running.http.get(path)).headers["Cache-Status"]

    _: bool = await eventually(hot, 15.0, saying="a hit in L1")


async def counted(running: Running) -> dict[str, float]:
    """Its counters of trouble."""
    lines = (await running.http.get("/metrics")).text.splitlines()
    told = (line.removeprefix("understudy_read_").rsplit(" ", 1) for line in lines if TROUBLE.match(line))
    return {name: float(value) for name, value in told}


def address(running: Running) -> Address:
    host, _, port = running.system.plan.layout.url("read_api").removeprefix("http://").rpartition(":")
    return host, int(port)


@pytest.mark.parametrize("size", SIZES)
async def test_redis_killed_and_restarted(running: Running, size: Size) -> None:
    """L1 and PostgreSQL answer; who misses both while too many do is told to come back."""
    outage = await read_through(
        running, size, lambda: running.kill(running.valkey), lambda: running.restart(running.valkey)
    )
    print(outage.in_words("Redis killed and restarted"))  # noqa: T201
    outage.nobody_was_shown_less_or_left_hanging()
    assert outage.known.statuses[AWAY] <= outage.known.asked * REFUSED
    assert outage.unknown.statuses[AWAY] <= outage.unknown.asked * REFUSED


@pytest.mark.parametrize("size", SIZES)
async def test_nats_killed_and_restarted(running: Running, size: Size) -> None:
    """L1 is passed by: nothing is heard of changes. Redis and PostgreSQL answer."""
    outage = await read_through(
        running, size, lambda: running.kill(running.nats), lambda: running.restart(running.nats)
    )
    print(outage.in_words("NATS killed and restarted"))  # noqa: T201
    outage.nobody_was_shown_less_or_left_hanging()
    assert outage.known.statuses[AWAY] <= outage.known.asked * REFUSED
    assert outage.unknown.statuses[AWAY] <= outage.unknown.asked * REFUSED


@pytest.mark.parametrize("size", SIZES)
async def test_postgresql_paused(running: Running, size: Size) -> None:
    """What L1 or Redis hold is answered as ever, what has just changed as it was; the rest is refused, soon."""

    async def pause() -> None:
        await asyncio.to_thread(running.postgres.pause)

    async def resume() -> None:
        await asyncio.to_thread(running.postgres.resume)

    outage = await read_through(running, size, pause, resume)
    print(outage.in_words("PostgreSQL paused"))  # noqa: T201
    outage.nobody_was_shown_less_or_left_hanging()
    # A list that was read before the last change to any list is not given any more: another one showed more (P3).
    refused = sum(times for path, times in outage.known.refused.items() if path.startswith(EVENT))
    assert refused <= outage.known.asked * REFUSED
    assert outage.unknown.statuses[AWAY] > 0
