"""Send a canary through: a draft product that is made, edited and deleted, and must come in each time by its webhook.

It writes to the shop, so it is only sent on request. Drafts are never shown to anonymous readers.
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import structlog

from shared.errors import Permanent, UnderstudyError
from shared.postgres import queries, transaction
from shared.shopify import ShopifyClient
from shared.shopify.errors import ShopifyRefused, UserErrors
from shared.shopify.products import expecting, gid
from syncer.doctor.findings import Finding, State, failed, how_many, ok, repaired
from syncer.doctor.ledger import Ledger
from syncer.doctor.traffic import Heard
from syncer.rules import Rules
from syncer.runs import Run, Runs

log = structlog.get_logger()
SQL = queries("syncer.doctor")

CHECK = "canary"
TAG = "understudy-canary"
TITLE = "Understudy canary"
LEG_WITHIN = 60.0  # seconds from Shopify's answer until readers could see it
LOOK_AGAIN = 0.05  # seconds; bounds how exactly a leg is measured
CLEAN_WITHIN = 30.0  # seconds for the last attempt to delete it
LEFT_BEHIND = timedelta(minutes=10)  # by then no flight is under way any more
ADVICE = {
    "webhook": "Check the subscriptions, and that webhook-ingest can be reached at WEBHOOK_PUBLIC_URL with the app's "
    "secret in SHOPIFY_WEBHOOK_SECRETS.",
    "projection": "Look at the syncer's log, at `understudy status`, and at `understudy dead`.",
}


@dataclass(frozen=True)
class Leg:
    """One part of the flight. `seen` judges the row of `events`; None: there is none."""

    name: str
    done: str
    seen: Callable[[asyncpg.Record | None], bool]


class Canary:
    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        client: ShopifyClient,
        ledger: Ledger,
        rules: Rules,
        leg_within: float = LEG_WITHIN,
    ) -> None:
        self._pool = pool
        self._client = client
        self._ledger = ledger
        self._rules = rules
        self._leg_within = leg_within
        self._runs = Runs(pool)

    async def fly(self, run: Run) -> list[Finding]:
        """One finding for each leg. The product is deleted, whatever happens; at the latest by the next visit.

        Raises:
            the errors of `shared.shopify.errors`; RunCancelled
        """
        await self._sweep_cursor(run)
        title = f"{TITLE} {secrets.token_hex(4)}"
        try:
            product_id = await self._create(title)
        except Permanent as error:
            return [failed(CHECK, f"Shopify refuses to make a canary: {error}", _advice(error))]
        try:
            await self._runs.progress(run, "made", 1, 3, cursor={"product_id": product_id})
            findings = await self._legs(run, product_id, title)
        except BaseException:
            await self._clean(product_id)
            raise
        return findings

    async def sweep(self) -> Finding | None:
        """Delete what a flight left behind that was broken off. None: there was nothing."""
        answer = await self._client.execute("canaries")
        before = datetime.now(UTC) - LEFT_BEHIND
        with expecting("canaries"):
            left = [int(node["legacyResourceId"]) for node in answer.data["products"]["nodes"] if _ours(node, before)]
        for product_id in left:
            await self._delete(product_id)
        return (
            repaired(CHECK, f"Deleted {how_many(left, 'canary', 'canaries')} that were left behind.") if left else None
        )

    async def _legs(self, run: Run, product_id: int, title: str) -> list[Finding]:
        """After a leg that nothing came of, it is only deleted: what comes next would not come in either."""
        new_title = f"{title}, edited"
        created = Leg("create", "made", lambda row: row is not None)
        edited = Leg("edit", "edited", lambda row: row is not None and row["title"] == new_title)
        deleted = Leg("delete", "deleted", lambda row: row is not None and row["deleted"])
        findings = [await self._arrival(created, product_id, None)]
        if findings[-1].state is State.OK:
            findings.append(await self._leg(edited, product_id, lambda: self._edit(product_id, new_title)))
        if findings[-1].state is State.OK:
            await self._runs.progress(run, "edited", 2, 3)
            findings.append(await self._leg(deleted, product_id, lambda: self._delete(product_id)))
        else:
            await self._delete(product_id)
        await self._runs.progress(run, "deleted", 3, 3, cursor=None)
        return findings

    async def _leg(self, leg: Leg, product_id: int, act: Callable[[], Awaitable[None]]) -> Finding:
        before = await self._ledger.heard(product_id)
        await act()
        return await self._arrival(leg, product_id, before)

    async def _arrival(self, leg: Leg, product_id: int, before: Heard | None) -> Finding:
        """Wait until it is projected; if it is not, say which part was silent. `before`: what was heard of it last."""
        began = time.monotonic()
        while (waited := time.monotonic() - began) < self._leg_within:
            async with transaction(self._pool) as connection:
                row = await connection.fetchrow(SQL.canary, product_id)
            if leg.seen(row):
                return ok(
                    f"{CHECK}_{leg.name}",
                    f"{leg.done.capitalize()} in Shopify, and projected {waited * 1000:.0f} ms later.",
                )
            await asyncio.sleep(LOOK_AGAIN)
        came = await self._ledger.heard(product_id) != before
        silent = "projection" if came else "webhook"
        happened = "its change is on the bus, and was not projected" if came else "no webhook of it came to the bus"
        says = f"{leg.done.capitalize()} in Shopify, and {happened} within {self._leg_within:.0f} s."
        return failed(f"{CHECK}_{leg.name}", says, ADVICE[silent])

    async def _create(self, title: str) -> int:
        product: dict[str, Any] = {"title": title, "status": "DRAFT", "tags": [TAG]}
        if self._rules.product_types:  # else the rules would say that it is no event
            product["productType"] = min(self._rules.product_types)
        elif self._rules.tags:
            product["tags"] = [TAG, min(self._rules.tags)]
        answer = await self._client.execute("canary_create", {"product": product})
        with expecting("canary_create"):
            return int(answer.data["productCreate"]["product"]["legacyResourceId"])

    async def _edit(self, product_id: int, title: str) -> None:
        product = {"id": gid("Product", product_id), "title": title}
        await self._client.execute("canary_edit", {"product": product}, safe_to_repeat=True)

    async def _delete(self, product_id: int) -> None:
        """It may be gone already."""
        try:
            await self._client.execute("canary_delete", {"id": gid("Product", product_id)}, safe_to_repeat=True)
        except UserErrors as error:
            if "does not exist" not in str(error):
                raise

    async def _clean(self, product_id: int) -> None:
        """On the way out of an error, which must not be hidden by another one."""
        try:
            async with asyncio.timeout(CLEAN_WITHIN):
                await self._delete(product_id)
        except (UnderstudyError, TimeoutError) as error:
            log.warning("canary.left_behind", product=product_id, error=repr(error))

    async def _sweep_cursor(self, run: Run) -> None:
        """The attempt before may have died on its way."""
        if run.cursor and isinstance(product_id := run.cursor.get("product_id"), int):
            await self._delete(product_id)


def _advice(error: Permanent) -> str:
    if isinstance(error, ShopifyRefused) and error.code == "ACCESS_DENIED":
        return "The canary alone writes to the shop: give the app the scope write_products for it, or do without."
    return "Mend what Shopify names, and send it again."


def _ours(node: dict[str, Any], before: datetime) -> bool:
    """Made by a flight, which is over. The tag alone does not make a merchant's product a canary."""
    made_by_us = node["title"].startswith(TITLE) and node["status"] == "DRAFT" and TAG in node["tags"]
    return made_by_us and datetime.fromisoformat(node["createdAt"]) < before
