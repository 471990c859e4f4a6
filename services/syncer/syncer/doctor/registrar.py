"""Keep the webhook subscriptions as they must be, and see to it that what was missed meanwhile is looked for.

Shopify deletes a subscription after 8 failures in a row, in silence (docs/shopify.md 1.3): so we look at every start,
every few minutes, and whenever the doctor comes.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import structlog

from shared.errors import Permanent, Transient
from shared.postgres import answering, queries, transaction
from shared.shopify import ShopifyClient
from shared.shopify.products import expecting
from syncer import metrics
from syncer.doctor.findings import State
from syncer.doctor.look import Look, Refusal, Search, findings
from syncer.doctor.subscriptions import Diagnosis, Mend, Need, Subscription, diagnose, faults
from syncer.runs import Runs

log = structlog.get_logger()
SQL = queries("syncer.doctor")

LOCK = 0x686F6F6B73  # "hooks": who holds it in this database looks after the subscriptions
LOOK_AGAIN = 0.2  # seconds
GRAIN = 2.0  # seconds; Shopify's times are whole ones, at both ends of a window
LOCK_ATTEMPTS = 150  # so for 30 s the doctor waits for another who looks
MAX_PAGES = 20  # of 250 subscriptions
# A subscription that was deleted had failed for 4 hours by then; and Shopify's clock may be another than ours.
MARGIN = timedelta(hours=4, minutes=10)


class SubscriptionsBusy(Transient):
    """Another process looks after the subscriptions, and takes its time."""


class Registrar:
    """`client` with the share that its calls shall have; `version` is the API version that we speak. `grace`: seconds
    before now that a reconcile leaves out, because webhooks may be on their way.
    """

    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        client: ShopifyClient,
        needs: Sequence[Need],
        version: str,
        grace: float,
    ) -> None:
        self._pool = pool
        self._client = client
        self._needs = needs
        self._version = version
        self._grace = grace
        self._runs = Runs(pool)

    async def step(self) -> None:
        """Look and mend, unless another process is at it.

        Raises:
            the errors of `shared.shopify.errors`: but what Shopify refuses of a single subscription is only said.
            PostgresUnavailable
        """
        async with self._alone() as alone:
            if alone:
                found = [finding.says for finding in findings(await self._look()) if finding.state is not State.OK]
                if found:
                    log.warning("subscriptions.looked_after", found=found)

    async def visit(self) -> Look:
        """Look and mend, and tell what was found.

        Raises:
            SubscriptionsBusy; as `step`
        """
        for _ in range(LOCK_ATTEMPTS):
            async with self._alone() as alone:
                if alone:
                    return await self._look()
            await asyncio.sleep(LOOK_AGAIN)
        raise SubscriptionsBusy

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[bool]:
        async with answering(), self._pool.acquire(timeout=5) as connection:
            held: bool = await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK)
            try:
                yield held
            finally:
                if held and not connection.is_closed():
                    await connection.execute("SELECT pg_advisory_unlock($1)", LOCK)

    async def _look(self) -> Look:
        if not self._needs:
            return Look(wanted=0)
        async with transaction(self._pool) as connection:
            [watch] = await connection.fetch(SQL.get_watch)
        before = diagnose(self._needs, await self._existing(), self._version)
        renewing = before.dated if watch["renewed_for"] != self._version else ()
        starved = bool(before.starving or renewing)
        if starved:
            async with transaction(self._pool) as connection:
                await connection.execute(SQL.open_gap, self._version if renewing else None)
        if not before.todo and not renewing:
            look = Look(len(self._needs), before, before)
        else:
            refused = await self._mend(before, renewing)
            after = diagnose(self._needs, await self._existing(), self._version)
            look = Look(len(self._needs), before, after, refused)
        metrics.SUBSCRIPTIONS.labels("wanted").set(len(self._needs))
        metrics.SUBSCRIPTIONS.labels("refused").set(len(look.after.create) + len(look.after.mend))
        metrics.SUBSCRIPTIONS.labels("foreign").set(len(look.after.foreign) + len(look.after.strays))
        return replace(look, search=await self._close(watch, look, gap=watch["gap"] or starved))

    # What was missed

    async def _close(self, watch: asyncpg.Record, look: Look, *, gap: bool) -> Search | None:
        """Ask for what was missed since all was well; what can't be asked for now is remembered."""
        since = await self._last_well(watch)
        well = not look.after.starving
        async with transaction(self._pool) as connection:
            if not gap or since is None:
                if well:
                    await connection.execute(SQL.close_gap, watch["now"])
                return None
            if not well and not look.mended_some:
                return Search(since, None)
            run = await self._runs.ask(
                "reconcile", "window", asked_by="doctor", options={"since": since.isoformat()}, connection=connection
            )
            # One that has begun compares nothing of the time up to the mending.
            covers = await connection.fetchval(SQL.widen, run, since, self._grace + GRAIN)
            if covers and well:
                await connection.execute(SQL.close_gap, watch["now"])
        return Search(since, run if covers else None)

    async def _last_well(self, watch: asyncpg.Record) -> datetime | None:
        """Nothing was missed before. None: nothing was ever read, so nothing can have been missed."""
        at: datetime | None = watch["well_at"]
        if at is None:
            backfill = await self._runs.last("backfill")
            at = None if backfill is None else backfill["started_at"]
        return None if at is None else at - MARGIN

    # What Shopify is told

    async def _mend(self, diagnosis: Diagnosis, renewing: Iterable[Mend]) -> tuple[Refusal, ...]:
        """All at once: Shopify takes seconds for each. Doubles go last, when nothing depends on them any more."""
        firsts: list[tuple[str, Awaitable[None]]] = [(need.topic, self._create(need)) for need in diagnosis.create]
        firsts += [
            (mend.need.topic, self._update(mend) if mend.in_place else self._renew(mend)) for mend in diagnosis.mend
        ]
        firsts += [(mend.need.topic, self._renew(mend)) for mend in renewing]
        lasts = [(double.topic, self._delete(double)) for double in diagnosis.doubles]
        return (*await _attempted(firsts), *await _attempted(lasts))

    async def _create(self, need: Need) -> None:
        await self._send("webhook_subscription_create", {"topic": need.enum, "subscription": _input(need)}, need.uri)

    async def _update(self, mend: Mend) -> None:
        """In place; by a new one when Shopify says yes and leaves it as it was."""
        variables = {"id": mend.found.id, "subscription": _input(mend.need)}
        data = await self._send("webhook_subscription_update", variables, mend.need.uri)
        with expecting("webhook_subscription_update"):
            now = subscription(data["webhookSubscriptionUpdate"]["webhookSubscription"])
        if faults(mend.need, now, self._version) & mend.faults:
            await self._renew(mend)

    async def _renew(self, mend: Mend) -> None:
        """First the old one goes: two of one topic at one address are refused."""
        await self._delete(mend.found)
        await self._create(mend.need)

    async def _delete(self, found: Subscription) -> None:
        await self._send("webhook_subscription_delete", {"id": found.id}, found.uri)

    async def _send(self, document: str, variables: dict[str, Any], uri: str) -> dict[str, Any]:
        """Done twice, each of them is refused and changes nothing, so it may be repeated."""
        answer = await self._client.execute(document, variables, safe_to_repeat=True)
        log.info("subscription.mended", document=document, uri=uri)
        return answer.data

    async def _existing(self) -> list[Subscription]:
        found: list[Subscription] = []
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            answer = await self._client.execute("webhook_subscriptions", {"after": cursor})
            with expecting("webhook_subscriptions"):
                page = answer.data["webhookSubscriptions"]
                found += [subscription(node) for node in page["nodes"]]
                if not page["pageInfo"]["hasNextPage"]:
                    break
                cursor = page["pageInfo"]["endCursor"]
        return found


async def _attempted(attempts: Iterable[tuple[str, Awaitable[None]]]) -> tuple[Refusal, ...]:
    """What Shopify refused. Other errors are raised, when all have been attempted."""
    topics, awaitables = zip(*attempts, strict=True) if (attempts := list(attempts)) else ((), ())
    outcomes = await asyncio.gather(*awaitables, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException) and not isinstance(outcome, Permanent):
            raise outcome
    return tuple(
        Refusal(topic, str(outcome))
        for topic, outcome in zip(topics, outcomes, strict=True)
        if isinstance(outcome, Permanent)
    )


def subscription(node: dict[str, Any]) -> Subscription:
    """From a node of documents/fragments/Subscription.graphql."""
    return Subscription(
        id=node["id"],
        topic=node["topic"],
        uri=node["uri"],
        format=node["format"],
        filter=node["filter"] or None,
        fields=frozenset(node["includeFields"] or ()),
        namespaces=frozenset(node["metafieldNamespaces"] or ()),
        api_version=node["apiVersion"]["handle"],
    )


def _input(need: Need) -> dict[str, Any]:
    fields: dict[str, Any] = {"uri": need.uri, "format": "JSON"}
    if need.namespaces:
        fields["metafieldNamespaces"] = sorted(need.namespaces)
    return fields
