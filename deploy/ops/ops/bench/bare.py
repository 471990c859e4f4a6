"""What freshness is made of, bare: a durable publish, its way to two listeners, a conditional read."""

import asyncio
import itertools
import time
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import httpx2
import nats
from nats.aio.msg import Msg
from nats.js.api import StreamConfig

from ops.bench.questions import path
from ops.bench.subject import Subject

DURABLE, HEARD, READ = "bare NATS: durable publish", "bare NATS: published -> heard by 2", "bare conditional GET"
STREAM, SUBJECT = "BENCH", "bench.published"
LISTENERS = 2
LARGEST = 50_000_000  # bytes of the stream
BODY = b"x" * 2_000  # about an event's
WITHIN = 10.0  # seconds


async def measure(
    subject: Subject, events: Sequence[Mapping[str, Any]], rate: float, seconds: float
) -> dict[str, list[float]]:
    """In seconds, by name. Raises nats.errors.Error, httpx2.HTTPError."""
    published, heard = await _publish(subject.nats, rate, seconds)
    return {DURABLE: published, HEARD: heard, READ: await _read(subject, events, int(rate * seconds))}


async def _publish(url: str, rate: float, seconds: float) -> tuple[list[float], list[float]]:
    client = await nats.connect(url, connect_timeout=3, allow_reconnect=False)
    jetstream = client.jetstream(timeout=WITHIN)
    moments: dict[str, list[float]] = {}
    all_heard = asyncio.Event()
    numbers, expected = itertools.count(1), LISTENERS * int(rate * seconds)

    async def hears(message: Msg) -> None:
        moments.setdefault((message.headers or {})["Nats-Msg-Id"], []).append(time.perf_counter())
        if next(numbers) == expected:
            all_heard.set()

    try:
        await jetstream.add_stream(StreamConfig(name=STREAM, subjects=[SUBJECT], max_bytes=LARGEST))
        try:
            for _ in range(LISTENERS):
                await jetstream.subscribe(SUBJECT, cb=hears, ordered_consumer=True)
            took, sent = await _at(rate, seconds, jetstream)
            async with asyncio.timeout(WITHIN):
                await all_heard.wait()
        finally:
            await jetstream.delete_stream(STREAM)
    finally:
        await client.close()
    return took, [max(moments[name]) - at for name, at in sent.items()]


async def _at(rate: float, seconds: float, jetstream: Any) -> tuple[list[float], dict[str, float]]:
    """One after the other at this rate, each due for itself: how long each took, and when it was sent."""
    took: list[float] = []
    sent: dict[str, float] = {}

    async def publish() -> None:
        name, began = str(uuid4()), time.perf_counter()
        await jetstream.publish(SUBJECT, BODY, stream=STREAM, headers={"Nats-Msg-Id": name})
        sent[name] = began
        took.append(time.perf_counter() - began)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as publishing:
        for count in range(int(rate * seconds)):
            if (early := began + count / rate - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            publishing.create_task(publish())
    return took, sent


async def _read(subject: Subject, events: Sequence[Mapping[str, Any]], times: int) -> list[float]:
    """One after the other, by a reader who holds what there is."""
    asked, took = path(events[0]), []
    async with httpx2.AsyncClient(base_url=subject.read_apis[0], trust_env=False, timeout=WITHIN) as client:
        etag = (await client.get(asked)).headers["ETag"]
        for _ in range(times):
            began = time.perf_counter()
            await client.get(asked, headers={"If-None-Match": etag})
            took.append(time.perf_counter() - began)
    return took
