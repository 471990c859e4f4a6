"""The work of runs of kind "rebuild": fill new tables, compare them with those that readers use, switch.

    prepare    new tables, and a consumer of their own from which they get every change since
    reading    everything by bulk operations, straight into the new tables; the live ones, and readers, see none of it
    catching up
    comparing  every event gets its revision; what is in doubt is asked of Shopify
    switching  one transaction; then what changed is announced (`herald.py`)

Killed anywhere, the same run goes on with the same tables; where it can't, it starts over. Nothing that readers use is
touched before the switch, and all of it by the switch.
"""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import asyncpg
import structlog

from shared.bus import Bus
from shared.contracts import Origin
from shared.errors import Permanent
from shared.postgres import queries, transaction
from shared.shopify.shares import Share
from syncer import metrics, sightings
from syncer.export import Export, Seen
from syncer.rebuild.aligner import Aligner
from syncer.rebuild.alignment import Decision, too_many
from syncer.rebuild.errors import ShadowLags, ShadowLost, SwitchRefused, TooMuchMissing
from syncer.rebuild.follower import Follower, Post
from syncer.rebuild.shadow import Shadow, State
from syncer.rebuild.switch import FEW, Switch, Switched
from syncer.rebuild.version import making
from syncer.rules import Rules
from syncer.runs import Run, Runs
from syncer.store import Store

log = structlog.get_logger()
SQL = queries("syncer", "rebuild/rebuild.sql")

REASON = "rebuild"  # of a refetch
PORTION = 100  # products that are projected at once
LOOK = 0.2  # seconds between looks at what is waited for
STALLED_AFTER = 300.0  # seconds in which the new tables came no nearer to the changes
ANSWER_WITHIN = (
    600.0  # seconds for Shopify's answers about what is in doubt; then the old rows stay, and it is read later
)
CLOSE_ENOUGH = 50  # changes that the new tables may be behind when the switch begins: it waits for them
PASSES = 50  # over what has changed since the last one, before a switch is tried all the same
SWITCHES = 20  # attempts before the run is put off
SWITCH_PAUSE = 0.5  # seconds in which changes go on between two attempts
NAMED = 20  # ids in an error

ShadowPool = Callable[[], "AbstractAsyncContextManager[asyncpg.Pool[asyncpg.Record]]"]


class Rebuild:
    """`shadow_pool` opens a pool whose connections look into the schema `rebuilding` first (`shadow.SEARCH_PATH`)."""

    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        shadow_pool: ShadowPool,
        export: Export,
        bus: Bus,
        runs: Runs,
        rules: Rules,
        currency: str | None,
        shop: str,
    ) -> None:
        self._pool = pool
        self._shadow_pool = shadow_pool
        self._export = export
        self._bus = bus
        self._runs = runs
        self._rules = rules
        self._currency = currency
        self._shop = shop
        self._shadow = Shadow(pool)
        self._post = Post(bus)

    async def __call__(self, run: Run) -> Mapping[str, object]:
        """Returns the report.

        Raises:
            TooMuchMissing, NotCopyable, ExportError: nothing was switched, and nothing is left of it.
            others: it goes on later, where it stopped.
        """
        try:
            return await self._rebuild(run)
        except Permanent:
            await self._sweep(run)
            raise
        except ShadowLost:
            await self._clear()  # the next attempt starts over
            raise

    async def tidy(self) -> bool:
        """Remove what a run left that has ended meanwhile: it was cancelled, or given up. Never more to do."""
        state = await self._shadow.state()
        if state is not None and not await self._is_open(state.run_id):
            await self._clear()
            log.info("rebuild.tidied", run=state.run_id)
        return False

    async def _rebuild(self, run: Run) -> Mapping[str, object]:
        state = await self._prepare(run)
        if state.report is None:
            async with self._building() as (follower, aligner, gate):
                counts = state.export or await self._read(run, follower)
                await self._catch_up(run)
                await self._compare(run, aligner)
                switched = await self._switch(run, aligner, gate)
            report = self._account(switched) | {"export": counts}
        else:
            report = state.report | {"export": state.export}
        await self._export.forget(run)
        await self._clear()
        return report

    async def _prepare(self, run: Run) -> State:
        """The tables of this run, as they were left or new ones."""
        state = await self._shadow.state()
        if state is not None and state.run_id == run.id and (state.report or await self._goes_on(state)):
            return state
        await self._runs.progress(run, "preparing")
        await self._clear()
        await self._export.forget(run)  # of an attempt whose tables are gone: they must be filled again
        await self._shadow.create(run.id)
        await self._post.create()
        await self._shadow.listening(run.id)
        created = await self._shadow.state()
        if created is None:
            raise ShadowLost("the new tables are gone")
        return created

    async def _goes_on(self, state: State) -> bool:
        """Whether nothing was missed since."""
        if not state.listening:
            return False
        try:
            await self._post.behind()
        except ShadowLost as error:
            log.warning("rebuild.starts_over", run=state.run_id, error=str(error))
            return False
        return True

    @asynccontextmanager
    async def _building(self) -> AsyncIterator[tuple[Follower, Aligner, asyncio.Lock]]:
        gate = asyncio.Lock()
        async with self._shadow_pool() as shadow_pool:
            follower = Follower(self._bus, Store(shadow_pool, self._rules, self._currency), gate)
            async with follower.following():
                yield follower, Aligner(self._pool, self._rules, self._currency, gate), gate

    # Stages

    async def _read(self, run: Run, follower: Follower) -> Mapping[str, Any]:
        async def project(products: Sequence[Seen]) -> None:
            for start in range(0, len(products), PORTION):
                await self._project(follower, products[start : start + PORTION])

        counts = await self._export.read(run, Share.BACKFILL, project, stage="reading", reason=REASON)
        await self._answered(run)
        report = counts.report()
        await self._shadow.exported(run.id, report)
        return report

    async def _project(self, follower: Follower, products: Sequence[Seen]) -> None:
        """What can't be projected stays unread, and is in doubt when the tables are compared."""
        origin, shop = Origin.BACKFILL, self._shop
        changes = [sightings.of_product(each.node, origin, shop, each.began_at, each.began_at) for each in products]
        try:
            errors = await follower.project(changes)
        except Permanent as error:
            if len(products) > 1:
                middle = len(products) // 2
                await self._project(follower, products[:middle])
                await self._project(follower, products[middle:])
                return
            log.warning("rebuild.product_refused", product=products[0].product_id, error=str(error))
            return
        for refused in errors:
            if refused is not None:
                raise refused

    async def _answered(self, run: Run) -> None:
        """Products that were edited while they were read are read one by one, within limits: the rest is in doubt."""
        deadline = time.monotonic() + ANSWER_WITHIN
        while (wanted := await self._export.still_wanted(REASON)) and time.monotonic() < deadline:
            await self._runs.progress(run, "reading one by one", 0, wanted)
            await asyncio.sleep(LOOK)

    async def _catch_up(self, run: Run, close: int = 0) -> None:
        """Until all is in that is on CHANGES now."""
        target, begun = await self._post.last(), await self._post.behind()
        nearest, since = begun, time.monotonic()
        while (behind := await self._post.behind(target)) > close:
            if behind < nearest:
                nearest, since = behind, time.monotonic()
            elif time.monotonic() - since > STALLED_AFTER:
                raise ShadowLags(f"{behind} changes are not in the new tables since {STALLED_AFTER:.0f} s")
            await self._runs.progress(run, "catching up", max(0, begun - behind), begun)
            await asyncio.sleep(LOOK)

    async def _compare(self, run: Run, aligner: Aligner) -> None:
        """Align until little is left, and nothing in doubt."""
        living = await aligner.living()
        unread = await aligner.unread()
        if too_many(len(unread), living):
            raise TooMuchMissing(f"{len(unread)} of {living} events were not read: {unread[:NAMED]} …")
        deadline = time.monotonic() + ANSWER_WITHIN
        for number in itertools.count():
            patient = time.monotonic() < deadline
            decided = await aligner.step(patient=patient)
            doubtful = decided[Decision.ASK] + decided[Decision.WAIT]
            await self._runs.progress(run, "comparing", living - doubtful, living)
            if not doubtful and (decided.total() <= FEW or number > PASSES):
                break
            if doubtful:
                await asyncio.sleep(LOOK)
        await self._shadow.make_ready()

    async def _switch(self, run: Run, aligner: Aligner, gate: asyncio.Lock) -> Switched:
        switch = Switch(self._pool, aligner, self._post, gate, making(self._rules, self._currency))
        for attempt in range(1, SWITCHES + 1):
            await self._runs.progress(run, "switching", attempt - 1, SWITCHES)
            await aligner.step(patient=False)
            await self._catch_up(run, CLOSE_ENOUGH)  # last: what comes in while it is aligned must not be many
            try:
                return await switch.step(run.id)
            except SwitchRefused as error:
                log.warning("rebuild.switch_refused", run=run.id, attempt=attempt, error=str(error))
                await asyncio.sleep(SWITCH_PAUSE)
        raise SwitchRefused(f"not in {SWITCHES} attempts")

    def _account(self, switched: Switched) -> dict[str, Any]:
        report = switched.report | {
            "locked_ms": round(switched.locked * 1000, 1),
            "paused_ms": round(switched.paused * 1000, 1),
        }
        metrics.REBUILD_LOCKED_SECONDS.set(switched.locked)
        metrics.REBUILD_PAUSED_SECONDS.set(switched.paused)
        counted = {
            "equal": report["equal"],
            "changed": report["changed"],
            "kept": report["events"] - report["equal"] - report["changed"],
        }
        for decision, count in Counter(counted).items():
            metrics.REBUILT.labels(decision).inc(count)
        log.info("rebuild.switched", **report)
        return report

    # Ends

    async def _sweep(self, run: Run) -> None:
        """Whatever went wrong: nothing of this run stays, and what made it fail is what is said."""
        state = await self._shadow.state()
        if state is not None and state.run_id == run.id:
            await self._clear()

    async def _clear(self) -> None:
        await self._post.delete()
        await self._shadow.drop()

    async def _is_open(self, run_id: int) -> bool:
        async with transaction(self._pool) as connection:
            found: bool = await connection.fetchval(SQL.is_open, run_id)
            return found
