"""Reconciling, put together: what a run of each scope does, and when one is due."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import asyncpg

from shared.bus import Bus
from shared.contracts import Origin
from shared.errors import Permanent
from shared.shopify import Share, ShopifyClient
from syncer.backfill import Publisher
from syncer.backlog import Backlog
from syncer.export import Export
from syncer.reconcile.doubts import Doubts
from syncer.reconcile.listing import Listing
from syncer.reconcile.reports import Reports
from syncer.reconcile.settling import Settling
from syncer.reconcile.whole import WholeReconcile
from syncer.reconcile.window import WindowReconcile
from syncer.reconcile.windows import Margins
from syncer.rules import Rules
from syncer.runs import Run, Runs, Work


class UnknownScope(Permanent):
    """A reconcile is of a window, or whole."""


@dataclass(frozen=True)
class Reconcile:
    """The `Work` of the kind "reconcile"."""

    window: Work
    whole: Work

    async def __call__(self, run: Run) -> Mapping[str, object]:
        match run.scope:
            case "window":
                return await self.window(run)
            case "whole":
                return await self.whole(run)
        raise UnknownScope(run.scope)


def reconcile(
    pool: "asyncpg.Pool[asyncpg.Record]",
    client: ShopifyClient,
    export: Export,
    bus: Bus,
    rules: Rules,
    shop: str,
    *,
    margins: Margins,
    wake: Callable[[], None],
) -> Reconcile:
    """`wake` is that of the loop which reads the doubts (`refetcher.doubts`)."""
    runs, doubts, reports = Runs(pool), Doubts(pool), Reports(pool)
    listing = Listing(client.acting_for(Share.RECONCILE), rules)
    backlog = Backlog(bus.broker)
    settling = Settling(runs, doubts, backlog, margins.grace.total_seconds(), wake)
    window = WindowReconcile(runs, listing, doubts, settling, reports, margins)
    publisher = Publisher(bus, backlog, shop, Origin.RECONCILE)
    whole = WholeReconcile(export, listing, doubts, settling, reports, publisher.publish, margins.grace)
    return Reconcile(window, whole)


def margins(overlap: float, grace: float) -> Margins:
    """Of seconds, as the settings have them."""
    return Margins(timedelta(seconds=overlap), timedelta(seconds=grace))
