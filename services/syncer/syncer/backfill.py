"""Read everything, and say what was seen on CHANGES. Live changes win by version. It ends when readers can see it.

It can be killed anywhere: the export knows what was handed on, and a product that is said twice changes nothing.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence

import asyncpg
import structlog

from shared.bus import Bus
from shared.contracts import Origin
from shared.errors import Permanent, Unavailable
from shared.postgres import queries, transaction
from shared.shopify.shares import Share
from shared.topology import MAX_PAYLOAD
from syncer import metrics, sightings
from syncer.backlog import Backlog
from syncer.export import Counts, Export, ExportLost, Seen
from syncer.export.export import REASON
from syncer.rules import Rules
from syncer.runs import Run, Runs

log = structlog.get_logger()
SQL = queries("syncer", "export/export.sql")

LOOK_AFTER = 500  # messages published, or
LOOK_AFTER_BYTES = 16 << 20  # this much of them, between looks at how far behind the projector is
MOST_BEHIND = 5_000  # messages, and
MOST_BYTES_BEHIND = 256 << 20  # about this much of them: CHANGES discards its oldest at 4 GiB
PAUSE = 0.1  # seconds between looks while it is too far behind
STALLED_AFTER = 300.0  # seconds in which nothing was projected
LARGEST = MAX_PAYLOAD - (1 << 16)  # bytes of a product's JSON; the rest is for its headers
NAMED = 20  # ids of each kind that an error names; a run keeps 1,000 characters of it


class ProjectorStalled(Unavailable):
    """What was published is not being projected; nothing more is published until it is."""


class NotAllProjected(Permanent):
    """Everything was read and said, and some of it did not become events: look at the dead letters."""


async def was_read_whole(pool: "asyncpg.Pool[asyncpg.Record]") -> bool:
    """Some backfill has read and said everything, whether or not all of it became events: none is needed to begin."""
    async with transaction(pool) as connection:
        was: bool = await connection.fetchval(SQL.was_read_whole)
        return was


class Backfill:
    """The work of runs of kind "backfill". With `origin`, what it says is said as that."""

    def __init__(self, export: Export, bus: Bus, backlog: Backlog, runs: Runs, rules: Rules, shop: str) -> None:
        self._export = export
        self._bus = bus
        self._backlog = backlog
        self._runs = runs
        self._rules = rules
        self._shop = shop

    async def __call__(self, run: Run) -> Mapping[str, object]:
        """Returns the report: the export's counts, what can't be read, seconds spent on publishing and waiting.

        Raises:
            ExportError, NotAllProjected: it failed; the message says what is missing.
            others: it goes on later, where it stopped.
        """
        began = time.perf_counter()
        publisher = Publisher(self._bus, self._backlog, self._shop)
        counts = await self._export.read(run, Share.BACKFILL, publisher.publish)
        published = time.perf_counter()
        await self._projected(run, counts)
        await self._compare(run, counts.too_large)
        await self._export.forget(run)
        metrics.BACKFILLED.inc(counts.products)
        spent = {
            "reading": published - began,
            "projecting": time.perf_counter() - published,
            "paused": publisher.paused,
        }
        unread = await self._export.unread()
        wall = {name: round(seconds, 3) for name, seconds in spent.items()}
        return counts.report() | {"unread": unread, "wall": wall}

    async def _projected(self, run: Run, counts: Counts) -> None:
        """Until readers can see all that was published, and what had to be read one by one as well."""
        target = await self._backlog.last()
        watch = Watch()
        while True:
            behind = await self._backlog.behind(target)
            asked = await self._export.still_wanted(REASON)
            await self._runs.progress(run, "projecting", max(0, counts.products - behind), counts.products)
            if not behind and not asked:
                return
            watch.see((behind, asked))
            await asyncio.sleep(PAUSE)

    async def _compare(self, run: Run, too_large: Sequence[int]) -> None:
        try:
            unprojected = await self._export.unprojected(run, self._rules)
        except ExportLost:
            await self._export.forget(run)
            raise
        unsaid = set(too_large)
        failures = {
            "products are larger than a message may be": too_large,
            "products have no event": [each for each in unprojected.missing if each not in unsaid],
            "events are older than their products": [each for each in unprojected.behind if each not in unsaid],
        }
        words = [f"{len(ids)} {what}: {list(ids[:NAMED])}" for what, ids in failures.items() if ids]
        log.info("backfill.compared", run=run.id, failures=words)
        if words:
            raise NotAllProjected("; ".join(words))


class Publisher:
    """Says products on CHANGES, some at once, and no faster than they are projected."""

    def __init__(self, bus: Bus, backlog: Backlog, shop: str, origin: Origin = Origin.BACKFILL) -> None:
        self._bus = bus
        self._backlog = backlog
        self._shop = shop
        self._origin = origin
        self._since = 0  # messages published since the last look
        self._bytes_since = 0
        self._messages = 0  # published in all
        self._bytes = 0
        self.paused = 0.0  # seconds

    async def publish(self, products: Sequence[Seen]) -> Sequence[int]:
        """Returns when the bus has stored them all, but those that are too large, which it never would: their ids.

        Raises:
            BusUnavailable, BusRefused: some may be stored.
            ProjectorStalled: what was published before is not being projected.
        """
        changes = [sightings.of_product(p.node, self._origin, self._shop, p.began_at, p.began_at) for p in products]
        too_large = [p.product_id for p, c in zip(products, changes, strict=True) if len(c.body) > LARGEST]
        changes = [change for change in changes if len(change.body) <= LARGEST]
        await self._bus.publish_all(changes)
        size = sum(len(change.body) for change in changes)
        self._messages, self._bytes = self._messages + len(changes), self._bytes + size
        self._since, self._bytes_since = self._since + len(changes), self._bytes_since + size
        if self._since >= LOOK_AFTER or self._bytes_since >= LOOK_AFTER_BYTES:
            await self._keep_pace()
        return too_large

    async def _keep_pace(self) -> None:
        self._since = self._bytes_since = 0
        began, watch = time.perf_counter(), Watch()
        most = min(MOST_BEHIND, MOST_BYTES_BEHIND * self._messages // max(1, self._bytes))
        while (behind := await self._backlog.behind()) > most:
            watch.see(behind)
            await asyncio.sleep(PAUSE)
        self.paused += time.perf_counter() - began


class Watch:
    """Raises `ProjectorStalled` when the same is seen for too long."""

    def __init__(self) -> None:
        self._seen: object = None
        self._since = time.monotonic()

    def see(self, value: object) -> None:
        now = time.monotonic()
        if value != self._seen:
            self._seen, self._since = value, now
        elif now - self._since > STALLED_AFTER:
            raise ProjectorStalled(f"{value} since {now - self._since:.0f} s")
