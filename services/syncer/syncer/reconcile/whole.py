"""Compare everything: what an export saw is said on CHANGES, and what is said there differs or does not.

An equal one comes to nothing there. What was edited so lately that its webhook may be on its way, and what lives in our
tables though the export did not see it, is doubted: a read of its own decides.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import structlog

from shared.shopify import Share
from syncer import metrics
from syncer.export import Export, ExportLost, OnProducts, Seen
from syncer.reconcile.doubts import Doubts
from syncer.reconcile.freshness import settles_at
from syncer.reconcile.listing import Listing
from syncer.reconcile.reports import Reports
from syncer.reconcile.settling import Settling
from syncer.runs import Run

log = structlog.get_logger()

REASON = "reconcile"  # of what was edited while it was exported; webhooks are on their way, so its repair is no drift
BATCH = 1_000  # doubts written at once
NAMED = 20  # ids that the log names; the report names more


def _now() -> datetime:
    return datetime.now(UTC)


class WholeReconcile:
    """A `Work` without options."""

    def __init__(
        self,
        export: Export,
        listing: Listing,
        doubts: Doubts,
        settling: Settling,
        reports: Reports,
        publish: OnProducts,
        grace: timedelta,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._export = export
        self._listing = listing
        self._doubts = doubts
        self._settling = settling
        self._reports = reports
        self._publish = publish
        self._grace = grace.total_seconds()
        self._now = now

    async def __call__(self, run: Run) -> Mapping[str, object]:
        """Exports, publishes, reads what is doubted, reports; also what was too large to be compared.

        Raises:
            ExportError: not everything could be read; nothing was taken for deleted.
            ReadsPending, ProjectionPending, and the errors of Shopify, NATS and PostgreSQL: it goes on later.
        """
        ahead = await self._listing.ahead()

        async def compare(products: Sequence[Seen]) -> Sequence[int] | None:
            now = self._now() + ahead
            settled = [seen for seen in products if settles_at(seen.node, self._grace) <= now]
            fresh = [seen.product_id for seen in products if settles_at(seen.node, self._grace) > now]
            await self._doubts.named(fresh)
            too_large = await self._publish(settled)
            metrics.RECONCILE_CHECKED.labels("whole").inc(len(products))
            return too_large

        counts = await self._export.read(run, Share.RECONCILE, compare, stage="comparing", reason=REASON)
        missing = await self._doubt_missing(run)
        await self._settling.answered(run)
        await self._settling.projected(run)
        report = await self._reports.of(run, None, counts.products + missing)
        await self._export.forget(run)
        if counts.too_large:
            log.error("reconcile.too_large", run=run.id, products=len(counts.too_large), named=counts.too_large[:NAMED])
        return {**report, "export": counts.report()}

    async def _doubt_missing(self, run: Run) -> int:
        """What lives here, and was not there."""
        try:
            unseen = await self._export.unseen(run)
        except ExportLost:
            await self._export.forget(run)  # the next attempt reads all of it again
            raise
        for start in range(0, len(unseen), BATCH):
            await self._doubts.living(unseen[start : start + BATCH])
        log.info("reconcile.unseen", run=run.id, events=len(unseen))
        return len(unseen)
