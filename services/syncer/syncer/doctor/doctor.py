"""Examine everything that keeps us in step with Shopify, and report one finding after the other."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain

import asyncpg
import structlog
from faststream.nats import NatsBroker

from shared.errors import Permanent, Transient, UnderstudyError
from shared.shopify import ShopifyClient
from shared.shopify.errors import ShopifyRefused
from shared.topology import CHANGES
from syncer import metrics
from syncer.doctor import access, api_version, clocks, definitions, look, places, repairs, traffic
from syncer.doctor.canary import Canary
from syncer.doctor.findings import Finding, State, failed, named
from syncer.doctor.ledger import Ledger
from syncer.doctor.registrar import Registrar
from syncer.doctor.shop import Shop
from syncer.runs import Run, Runs
from syncer.settings import SyncerSettings

log = structlog.get_logger()

SCOPES = ("check", "canary")


class UnknownScope(Permanent):
    """The doctor has no such visit."""


@dataclass(frozen=True)
class Check:
    """`asks_shopify`: it says nothing while Shopify is away."""

    name: str
    examine: Callable[[], Awaitable[Iterable[Finding | None]]]
    asks_shopify: bool = True


class Doctor:
    """A `Work` for runs of kind "doctor": scope "check" looks and mends, scope "canary" writes to the shop as well.

    `client` and the registrar's bear the share that their calls shall have.
    """

    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        client: ShopifyClient,
        broker: NatsBroker,
        settings: SyncerSettings,
        registrar: Registrar,
    ) -> None:
        self._runs = Runs(pool)
        self._client = client
        self._settings = settings
        self._rules = settings.rules()
        self._registrar = registrar
        self._ledger = Ledger(pool, broker)
        self._canary = Canary(pool, client, self._ledger, self._rules)

    async def __call__(self, run: Run) -> dict[str, object]:
        """The report: {"findings": [{"check", "state", "says", "todo"}]}.

        Raises:
            Transient: of a canary only, which can't be sent while Shopify is away.
            UnknownScope, RunCancelled, PostgresUnavailable
        """
        if run.scope not in SCOPES:
            raise UnknownScope(f"{UnknownScope.__doc__} ({run.scope})")
        findings = await (self._examine(run) if run.scope == "check" else self._canary.fly(run))
        _measure(run.scope, findings)
        return {"findings": [finding.spelled() for finding in findings]}

    async def _examine(self, run: Run) -> list[Finding]:
        """All checks at once: Shopify takes seconds for each. What goes wrong in one hides none of the others.

        While Shopify is away as a whole, one finding stands for all that asked it: who looks then has to hear the rest.
        """
        shop = Shop(self._client, self._rules)
        checks = self._checks(shop)
        await self._runs.progress(run, "examining", 0, len(checks) + 1)
        examined = await asyncio.gather(*map(_examined, checks))
        errors = [error for check, (_, error) in zip(checks, examined, strict=True) if check.asks_shopify]
        away = [error for error in errors if isinstance(error, Transient)]
        if len(away) == len(errors):
            heard = [found for check, (found, _) in zip(checks, examined, strict=True) if not check.asks_shopify]
            return [_away(away), *chain.from_iterable(heard)]
        last, _ = await _examined(Check("clock_shopify", lambda: self._shopifys_clock(shop)))  # by all those answers
        return [*chain.from_iterable(findings for findings, _ in examined), *last]

    def _checks(self, shop: Shop) -> list[Check]:
        """In the order of the report."""
        return [
            Check("subscriptions", self._subscriptions),
            Check("scopes", lambda: self._scopes(shop)),
            Check("api_version", lambda: self._api_version(shop)),
            Check("location", lambda: self._location(shop)),
            Check("metafields", lambda: self._metafields(shop)),
            Check("webhooks", lambda: self._webhooks(shop)),
            Check("canary", self._left_canaries),
            Check("changes", self._queue, asks_shopify=False),
            Check("dead_letters", self._dead_letters, asks_shopify=False),
            Check("refetches", self._refetches, asks_shopify=False),
            Check("backfill", self._repairs, asks_shopify=False),
            Check("drift", self._drift, asks_shopify=False),
            Check("clock_postgres", self._postgres_clock, asks_shopify=False),
        ]

    async def _subscriptions(self) -> Iterable[Finding]:
        return look.findings(await self._registrar.visit())

    async def _scopes(self, shop: Shop) -> Iterable[Finding]:
        return access.findings(await shop.scopes())

    async def _api_version(self, shop: Shop) -> Iterable[Finding]:
        versions, answered = await shop.api_versions()
        asked = self._settings.shopify_api_version
        return [api_version.finding(asked, answered, versions, datetime.now(UTC).date())]

    async def _location(self, shop: Shop) -> Iterable[Finding]:
        return [places.finding(self._settings.shopify_location_id, await shop.places())]

    async def _metafields(self, shop: Shop) -> Iterable[Finding]:
        return definitions.findings(self._rules, await shop.definitions())

    async def _webhooks(self, shop: Shop) -> Iterable[Finding]:
        newest = await shop.newest()
        seen = [] if newest is None else await self._ledger.sightings(newest.product_id, newest.updated_at)
        return [traffic.of_webhooks(newest, seen, datetime.now(UTC), CHANGES.max_age)]

    async def _left_canaries(self) -> Iterable[Finding | None]:
        return [await self._canary.sweep()]

    async def _queue(self) -> Iterable[Finding]:
        return [traffic.of_queue(await self._ledger.queue())]

    async def _dead_letters(self) -> Iterable[Finding]:
        return [traffic.of_dead_letters(await self._ledger.dead_letters())]

    async def _refetches(self) -> Iterable[Finding]:
        return traffic.of_refetches(await self._ledger.stuck(), datetime.now(UTC))

    async def _repairs(self) -> Iterable[Finding | None]:
        settings, backfill = self._settings, await self._ledger.course("backfill")
        now, whole_at = datetime.now(UTC), backfill.ended_at
        window, whole = (
            await self._ledger.course("reconcile", "window"),
            await self._ledger.course("reconcile", "whole"),
        )
        return [
            repairs.of_backfill(backfill),
            repairs.of_reconcile("window", window, timedelta(seconds=settings.reconcile_interval), whole_at, now),
            repairs.of_reconcile("whole", whole, timedelta(seconds=settings.reconcile_whole_interval), whole_at, now),
        ]

    async def _drift(self) -> Iterable[Finding]:
        return repairs.of_drift(*await self._ledger.drift())

    async def _postgres_clock(self) -> Iterable[Finding]:
        reading = await self._ledger.clock()
        return [clocks.finding("clock_postgres", "PostgreSQL", reading, clocks.POSTGRES)]

    async def _shopifys_clock(self, shop: Shop) -> Iterable[Finding]:
        return [clocks.finding("clock_shopify", "Shopify", await shop.clock(), clocks.SHOPIFY)]


async def _examined(check: Check) -> tuple[list[Finding], Exception | None]:
    """What was found; an error of the check is a finding, and is given back as well."""
    began, error = time.monotonic(), None
    try:
        findings = [finding for finding in await check.examine() if finding is not None]
    except Exception as raised:  # noqa: BLE001 (whatever it is, the other checks must be heard)
        error = raised
        findings = [_not_examined(check.name, raised)]
    unwell = [finding.says for finding in findings if finding.state is not State.OK]
    say = log.warning if unwell else log.info
    unknown = error if error is not None and not isinstance(error, UnderstudyError) else None
    say(
        "doctor.examined",
        check=check.name,
        found=unwell,
        seconds=round(time.monotonic() - began, 3),
        exc_info=unknown,
    )
    return findings, error


def _away(errors: Iterable[Exception]) -> Finding:
    """Instead of a finding for each check that Shopify did not answer."""
    words = named(dict.fromkeys(f"{type(error).__name__}: {error}" for error in errors))
    return failed(
        "shopify",
        f"Nothing that asks Shopify could be examined: {words}",
        "Check SHOPIFY_ADMIN_URL and the way to Shopify, or wait until it is well; then run the doctor again.",
    )


def _not_examined(check: str, error: Exception) -> Finding:
    if isinstance(error, ShopifyRefused) and error.code == "ACCESS_DENIED":
        return failed(
            check, f"Shopify does not let the app look: {error}", "Give the app the access that Shopify names."
        )
    words = f"It could not be examined: {type(error).__name__}: {error}"
    advice = "Run the doctor again when that has passed." if isinstance(error, Transient) else "Mend what it names."
    return failed(check, words, advice)


def _measure(scope: str, findings: Iterable[Finding]) -> None:
    """The gauges show the last visit of this process."""
    if scope == "check":
        metrics.DOCTOR_FINDINGS.clear()
        metrics.DOCTOR_VISITED.set_to_current_time()
    for finding in findings:
        metrics.DOCTOR_FINDINGS.labels(finding.check, finding.state.value).set(1)
