"""All events are made anew under everybody's eyes, and nobody sees it: no failed read, nothing older, nothing lost."""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
from repairs import ask, carried_out, ended, meanwhile, run_row
from waiting import eventually
from whole_system import Running

READERS = 12  # each with a connection of its own
PAUSE = 0.02  # seconds between two reads of one reader: together a few hundred reads in a second
ENOUGH = 200  # reads, and
BUSY = 100.0  # of them in a second, or the test has shown nothing
LONGEST = 2.0  # seconds for one read, on a busy machine
EDIT_EVERY = 0.3  # seconds; each edit is read from Shopify as well, and leaves points for the export
REVISION = "X-Revision"


@dataclass
class Eyes:
    """What readers saw, all of them together. What is older than before, or no answer, is written down."""

    reads: int = 0
    longest: float = 0.0
    wrong: list[str] = field(default_factory=list)
    newest: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    began: float = field(default_factory=time.perf_counter)

    def saw(self, path: str, answer: httpx2.Response, known: int, took: float) -> None:
        """`known`: the newest revision that anybody had seen when this read began."""
        self.reads += 1
        self.longest = max(self.longest, took)
        if answer.status_code not in (200, 304):
            self.wrong.append(f"{path}: {answer.status_code} {answer.text[:200]}")
            return
        revision = int(answer.headers[REVISION])
        if revision < known:
            self.wrong.append(f"{path}: revision {revision} after {known}")
        self.newest[path] = max(self.newest[path], revision)

    def noticed_nothing(self) -> None:
        assert self.wrong == [], self.wrong[:10]
        assert self.reads > ENOUGH
        assert self.reads / (time.perf_counter() - self.began) > BUSY
        assert self.longest < LONGEST


@asynccontextmanager
async def watched(running: Running, event_ids: list[int]) -> AsyncIterator[Eyes]:
    """Everybody reads events, their tickets and lists, conditionally and not, for as long as the block."""
    eyes, stop = Eyes(), asyncio.Event()
    paths = [f"/v1/events/{event_id}" for event_id in event_ids]
    paths += [f"{path}/tickets" for path in paths] + ["/v1/events", "/v1/events?sort=title&limit=5", "/v1/categories"]

    async def reader(number: int) -> None:
        chance = random.Random(number)  # noqa: S311 (an order)
        tags: dict[str, str] = {}
        async with httpx2.AsyncClient(base_url=running.http.base_url, trust_env=False, timeout=10.0) as http:
            while not stop.is_set():
                path = chance.choice(paths)
                known, began = eyes.newest[path], time.perf_counter()
                headers = {"If-None-Match": tags[path]} if number % 2 and path in tags else {}
                try:
                    answer = await http.get(path, headers=headers)
                except httpx2.HTTPError as error:
                    eyes.wrong.append(f"{path}: {error!r}")
                    continue
                tags[path] = answer.headers.get("ETag", "")
                eyes.saw(path, answer, known, time.perf_counter() - began)
                await asyncio.sleep(PAUSE)

    reading = [asyncio.create_task(reader(number)) for number in range(READERS)]
    try:
        yield eyes
    finally:
        stop.set()
        await asyncio.gather(*reading)


async def live(running: Running, event_ids: list[int], seed: int) -> None:
    """Edits and sales, until it is cancelled."""
    chance = random.Random(seed)  # noqa: S311 (made-up edits)
    places = await running.shop.locations()
    truth = {product["id"]: product for product in await running.shop.truth() if product["id"] in event_ids}
    for number in range(1_000_000):
        product = truth[chance.choice(event_ids)]
        if number % 2:
            await running.shop.edit(product["id"], title=f"Live {number}")
        else:
            await running.shop.stock(chance.choice(product["variants"])["id"], number % 90, chance.choice(places))
        await asyncio.sleep(EDIT_EVERY)


async def make_awry(running: Running, event_ids: list[int]) -> None:
    """What no change has said and no document shows: only a rebuild can find it."""
    for event_id in event_ids:
        await running.sql("UPDATE events SET search = '' WHERE id = $1", event_id)


async def active(running: Running) -> list[int]:
    rows = await running.sql("SELECT id FROM events WHERE status = 'active' AND deleted_at IS NULL ORDER BY id")
    return [row["id"] for row in rows]


async def revisions(running: Running) -> dict[int, int]:
    return {row["id"]: row["revision"] for row in await running.sql("SELECT id, revision FROM events")}


async def none_is_left(running: Running) -> None:
    rows = await running.sql("SELECT nspname FROM pg_namespace WHERE nspname IN ('rebuilding', 'retired')")
    assert [row["nspname"] for row in rows] == []
    assert await running.sql("SELECT event_id FROM unannounced") == []


async def test_a_rebuild_under_read_load_is_noticed_by_nobody(running: Running) -> None:
    event_ids = await active(running)
    before = await revisions(running)
    await make_awry(running, event_ids[:2])
    with running.postbox.holding() as lost:  # webhooks that never arrive: the rebuild finds what they would have said
        await running.shop.edit(event_ids[0], title="Never announced")
        await running.shop.flush()
    assert lost
    async with watched(running, event_ids) as eyes, meanwhile(live(running, event_ids[1:], 1)):
        reports: list[Any] = [(await carried_out(running, "rebuild"))["report"] for _ in range(2)]
        await running.reads(event_ids[0], title="Never announced")
        assert len(await running.sql("SELECT id FROM events WHERE search @@ 'announced'::tsquery")) == 1
    eyes.noticed_nothing()
    assert max(report["locked_ms"] for report in reports) < 500
    assert all((report["missing"], report["extra"], report["buried"]) == ([], [], []) for report in reports)
    after = await revisions(running)
    assert all(after[event_id] >= revision for event_id, revision in before.items())
    await running.equal()
    await none_is_left(running)


async def test_a_syncer_killed_in_the_middle_ends_its_rebuild_and_nobody_notices(running: Running) -> None:
    event_ids = await active(running)
    await running.shop.turn(bulk_seconds=0.5)
    chance = random.Random(3)  # noqa: S311 (moments)
    async with watched(running, event_ids) as eyes, meanwhile(live(running, event_ids, 2)):
        run_id = await ask(running, "rebuild")
        for stage in ("reading", "comparing"):

            async def begun(stage: str = stage) -> bool:
                row = await run_row(running, run_id)
                return row["state"] != "running" or row["stage"] == stage

            _: bool = await eventually(begun, 30)
            await asyncio.sleep(chance.uniform(0.0, 0.1))  # part of the disturbance: nothing is waited for
            await running.kill(running.process("syncer"))
            await running.restart(running.process("syncer"))
        row = await ended(running, run_id)
    assert row["state"] == "succeeded", row["error"]
    eyes.noticed_nothing()
    await running.equal()
    await none_is_left(running)
