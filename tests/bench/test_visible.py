"""From the webhook's 200 to the new title: how long, beside what a read and a durable publish cost on this machine."""

import itertools
import statistics
import time
from collections.abc import Awaitable, Callable

import pytest
from postbox import Letter
from whole_system import Running

from shared.topology import PROJECTIONS

pytestmark = pytest.mark.bench

SAMPLES = 300
PROMISED = 0.1  # seconds, p50 and p99, on a machine that does nothing else
GIVEN_UP = 5.0  # seconds


def shown(name: str, seconds: list[float]) -> float:
    """Print p50 and p99 in milliseconds; returns the p50 in seconds."""
    cuts = statistics.quantiles(seconds, n=100)
    print(f"{name:48} p50 {cuts[49] * 1000:8.2f} ms   p99 {cuts[98] * 1000:8.2f} ms   ({len(seconds)} samples)")  # noqa: T201
    return cuts[49]


async def timed(deed: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    await deed()
    return time.perf_counter() - began


async def edited(running: Running, event_id: int, title: str) -> Letter:
    """The real webhook of an edit, not delivered yet."""
    with running.postbox.holding() as letters:
        await running.shop.edit(event_id, title=title)
        await running.shop.flush()
    return letters[-1]


async def until_read(running: Running, event_id: int, title: str, etag: str) -> str:
    """Polls as a browser would, with the entity tag it holds; returns the new one."""
    deadline = time.perf_counter() + GIVEN_UP
    while time.perf_counter() < deadline:
        answer = await running.event(event_id, etag=etag)
        if answer.status_code == 200 and answer.json()["title"] == title:
            return str(answer.headers["ETag"])
    raise AssertionError(f"{title} is not visible after {GIVEN_UP:g} s")


async def test_from_webhook_answered_to_visible(running: Running) -> None:
    event_id = (await running.new_event())["id"]
    taken, visible = [], []
    etag = (await running.event(event_id)).headers["ETag"]

    for number in range(SAMPLES):
        title = f"Sample {number}"
        letter = await edited(running, event_id, title)
        taken.append(await timed(lambda letter=letter: running.postbox.deliver(letter)))  # type: ignore[misc]
        began = time.perf_counter()
        etag = await until_read(running, event_id, title, etag)
        visible.append(time.perf_counter() - began)
    reads = [await timed(lambda: running.event(event_id, etag=etag)) for _ in range(SAMPLES)]
    published = await durable_publishes(running)

    print()  # noqa: T201
    shown("baseline: one conditional GET", reads)
    shown("baseline: one durable publish to NATS", published)
    shown("webhook sent -> answered 200 (durable)", taken)
    p50 = shown("webhook answered 200 -> visible", visible)
    assert p50 < PROMISED


async def durable_publishes(running: Running) -> list[float]:
    """Of messages of about the same size, to a stream whose readers pass over what they can't read."""
    numbers = itertools.count()
    async with running.jetstream() as jetstream:

        async def publish() -> None:
            unique = {"Nats-Msg-Id": f"bench-{next(numbers)}"}
            await jetstream.publish("projections.bench", b"x" * 2000, stream=PROJECTIONS.name, headers=unique)

        return [await timed(publish) for _ in range(SAMPLES)]
