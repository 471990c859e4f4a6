"""Who waits for a job is answered when it is over, is not kept for ever, and is not told an untruth by an outage."""

import asyncio
from typing import Any

from waiting import eventually

from shared.postgres import PostgresUnavailable
from writer.api.waiting import Waiting
from writer.wakeups import Wakeups

QUEUED: dict[str, Any] = {"id": "a", "state": "queued", "finished_at": None, "visible_revision": None}
UNSEEN = QUEUED | {"state": "succeeded", "finished_at": "now"}
ENDED = UNSEEN | {"visible_revision": 7}
FAILED = UNSEEN | {"state": "failed"}


class Table:
    """What is read, one after the other; the last for ever. An error is raised."""

    def __init__(self, *found: Any) -> None:
        self.found = list(found)
        self.reads = 0

    async def read(self) -> Any:
        self.reads += 1
        found = self.found.pop(0) if len(self.found) > 1 else self.found[0]
        if isinstance(found, Exception):
            raise found
        return found


async def test_a_change_is_heard_at_once():
    wakeups, table = Wakeups(), Table(QUEUED, ENDED)
    waiter = asyncio.create_task(Waiting(wakeups, 1).until_over(QUEUED, 30, table.read))
    await eventually(lambda: table.reads == 1)
    wakeups.changed("a")
    assert await asyncio.wait_for(waiter, 5) == (ENDED, True)


async def test_what_ended_before_we_listened_is_not_waited_for():
    assert await Waiting(Wakeups(), 1).until_over(QUEUED, 30, Table(ENDED).read) == (ENDED, True)


async def test_done_is_waited_for_until_readers_see_it():
    wakeups, table = Wakeups(), Table(UNSEEN, ENDED)
    waiter = asyncio.create_task(Waiting(wakeups, 1).until_over(QUEUED, 30, table.read))
    await eventually(lambda: table.reads == 1)
    assert not waiter.done()
    wakeups.changed("a")
    assert await asyncio.wait_for(waiter, 5) == (ENDED, True)


async def test_what_failed_is_over_though_nobody_sees_anything():
    assert await Waiting(Wakeups(), 1).until_over(QUEUED, 30, Table(FAILED).read) == (FAILED, True)


async def test_who_was_accepted_is_not_told_otherwise_by_an_outage():
    table = Table(PostgresUnavailable())
    assert await Waiting(Wakeups(), 1).until_over(QUEUED, 0.05, table.read) == (QUEUED, True)
    wakeups, table = Wakeups(), Table(PostgresUnavailable(), ENDED)
    waiter = asyncio.create_task(Waiting(wakeups, 1).until_over(QUEUED, 30, table.read))
    await eventually(lambda: table.reads == 1)
    wakeups.changed("a")
    assert await asyncio.wait_for(waiter, 5) == (ENDED, True)


async def test_places_are_few_and_come_back():
    wakeups, table = Wakeups(), Table(QUEUED)
    waiting = Waiting(wakeups, 1)
    waiter = asyncio.create_task(waiting.until_over(QUEUED, 30, table.read))
    await eventually(lambda: table.reads == 1)
    assert await waiting.until_over(QUEUED, 30, table.read) == (QUEUED, False)
    waiter.cancel()
    await asyncio.wait((waiter,))
    assert await waiting.until_over(QUEUED, 0.01, table.read) == (QUEUED, True)
