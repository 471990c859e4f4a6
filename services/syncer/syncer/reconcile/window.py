"""Compare what changed in Shopify since the last time: list it cheaply, read what is doubted, report the repairs."""

import asyncio
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog

from shared.postgres import queries, transaction
from syncer import metrics
from syncer.reconcile import windows
from syncer.reconcile.doubts import Doubts
from syncer.reconcile.listing import Listing
from syncer.reconcile.reports import Reports
from syncer.reconcile.settling import Settling
from syncer.reconcile.windows import Margins, Window
from syncer.runs import Run, Runs

log = structlog.get_logger()
SQL = queries("syncer", "reconcile/reconcile.sql")

WAIT_INTERVAL = 0.25  # seconds between two looks at the clock
MANY = 2_000  # doubts, each a read of its own: beyond this, to read everything by one bulk operation is sooner done
MAX_REMEMBERED = 5_000  # deletes whose time is kept for the report


@dataclass
class Listed:
    """What came of the lists; kept in the run's cursor, so that they are not asked for again."""

    window: Window
    checked: int = 0
    doubted: int = 0
    gone: dict[int, datetime] = field(default_factory=dict)

    def as_cursor(self) -> dict[str, Any]:
        gone = {str(product_id): at.isoformat() for product_id, at in list(self.gone.items())[:MAX_REMEMBERED]}
        return {"window": self.window.as_json(), "checked": self.checked, "doubted": self.doubted, "gone": gone}

    @staticmethod
    def read(cursor: Mapping[str, Any]) -> "Listed":
        gone = {int(product_id): datetime.fromisoformat(at) for product_id, at in cursor["gone"].items()}
        return Listed(windows.read(cursor["window"]), cursor["checked"], cursor["doubted"], gone)


class WindowReconcile:
    """A `Work`: options may name `since` and `until`."""

    def __init__(
        self,
        runs: Runs,
        listing: Listing,
        doubts: Doubts,
        settling: Settling,
        reports: Reports,
        margins: Margins,
    ) -> None:
        self._runs = runs
        self._listing = listing
        self._doubts = doubts
        self._settling = settling
        self._reports = reports
        self._margins = margins

    async def __call__(self, run: Run) -> Mapping[str, object]:
        """Lists, reads, projects, reports.

        Raises:
            NoWindow, SearchMisread, TooMuchAtOnce: it can't be done so.
            ReadsPending, ProjectionPending, and the errors of Shopify, NATS and PostgreSQL: it goes on later.
        """
        listed = Listed.read(run.cursor) if run.cursor else await self._list(run)
        if listed.doubted > MANY:
            return await self._hand_over(run, listed)
        await self._settling.answered(run)
        await self._settling.projected(run)
        await self._doubts.say_since(listed.gone, run.started_at)
        return await self._reports.of(run, listed.window.as_json(), listed.checked)

    async def _list(self, run: Run) -> Listed:
        listed = Listed(await self._window(run))
        await self._runs.progress(run, "listing")
        async for products in self._listing.products(listed.window):
            await self._count(run, listed, len(products), await self._doubts.listed(products))
        async for gone in self._listing.destroyed(listed.window):
            listed.gone.update({each.product_id: each.at for each in gone})
            await self._count(run, listed, len(gone), await self._doubts.destroyed(gone))
        for location_id in await self._listing.locations():
            async for levels in self._listing.levels(location_id, listed.window):
                await self._count(run, listed, len(levels), await self._doubts.stocked(location_id, levels))
        await self._count(run, listed, 0, await self._doubts.incomplete(self._margins.grace.total_seconds()))
        await self._runs.progress(run, "reading", cursor=listed.as_cursor())
        return listed

    async def _window(self, run: Run) -> Window:
        now = await self._listing.now()
        if run.asked_by == "operator":  # who asks has just seen something that is not as it should be
            now = await self._old_enough(run, now)
        async with transaction(self._runs.pool) as connection:
            compared = await connection.fetchval(SQL.compared_until)
        window = windows.window(compared, now, self._margins, run.options)
        log.info("reconcile.window", run=run.id, window=window.as_json(), compared=compared and compared.isoformat())
        return window

    async def _old_enough(self, run: Run, now: datetime) -> datetime:
        """Wait until what was edited before it was asked for is in the window."""
        began = time.monotonic()
        wait = (run.asked_at + self._margins.grace + windows.SECOND - now).total_seconds()
        while (waited := time.monotonic() - began) < min(wait, self._margins.grace.total_seconds() + 1):
            await self._runs.progress(run, "waiting for webhooks under way", int(waited), math.ceil(wait))
            await asyncio.sleep(WAIT_INTERVAL)
        return now + timedelta(seconds=time.monotonic() - began)

    async def _count(self, run: Run, listed: Listed, checked: int, doubted: int) -> None:
        listed.checked += checked
        listed.doubted += doubted
        metrics.RECONCILE_CHECKED.labels("window").inc(checked)
        await self._runs.progress(run, "listing", listed.checked)

    async def _hand_over(self, run: Run, listed: Listed) -> Mapping[str, object]:
        """Too much for reads one by one. The report names no window: the next one begins where this one did."""
        await self._doubts.drop()
        whole = await self._runs.ask("reconcile", "whole", asked_by="schedule")
        log.warning(
            "reconcile.handed_over", run=run.id, doubted=listed.doubted, whole=whole, window=listed.window.as_json()
        )
        return {**await self._reports.of(run, None, listed.checked), "handed_over_to": whole}
