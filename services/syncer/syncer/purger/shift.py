"""The time in which this replica purges: hear, decide, tell the provider, acknowledge. Ends with the first failure.

A few loops share one backlog: one brings messages in, one hears them, one purges, one looks how far we are. Whatever a
shift knows is gone with it, and nothing is lost: what it had not acknowledged is delivered again, what it owed stands
in the table `purger`.
"""

import asyncio
import time
from collections.abc import Sequence

import structlog
from nats.aio.msg import Msg

from shared.bus import Bus
from shared.contracts import EventProjectedV1, UnknownContract, parse
from shared.delivery import Bury, Undertaker
from shared.ending import end
from shared.tags.names import EVENTS, OURS, event_tag
from syncer import metrics
from syncer.purger.debts import Debts
from syncer.purger.inbox import Inbox
from syncer.purger.plan import Backlog, Escalate, Everything, Rest, Scope, Some
from syncer.purger.providers import EdgeSilent, EdgeUnavailable, Fleet, PurgeRefused, Quota, TokenRefused
from syncer.purger.quota import Bucket
from syncer.purger.record import Record
from syncer.purger.settings import CdnSettings

log = structlog.get_logger()

FIRST_PAUSE = 0.5  # seconds after a call that failed; doubles
MOST_REFUSALS = 3  # in a row; then tags are what it does not like, and everything is purged
MOST_COMPLAINTS = 10  # in a row, of a provider that answers (some minutes): perhaps only tags fail
CATCH_UP = 1.0  # seconds between looks whether an edge that was away is back
LONGEST_NAP = 1.0  # seconds; the age is measured so often, and a backlog is noticed


class Shift:
    def __init__(self, settings: CdnSettings, fleet: Fleet, quota: Quota, record: Record, bus: Bus) -> None:
        self._name = settings.cdn_provider or ""
        self._patience = settings.cdn_backlog
        self._fleet = fleet
        self._quota = quota
        self._inbox = Inbox(bus)
        self._undertaker = Undertaker(bus.bury)
        self._backlog: Backlog[int] = Backlog(settings.cdn_interval, settings.cdn_repeat_after)
        self._debts = Debts(self._name, record, bus, self._backlog, self._inbox)
        self._bucket = Bucket(quota.rate, quota.burst, time.monotonic())
        self._woken = asyncio.Event()
        self._failures = 0  # calls in a row that failed;
        self._refusals = 0  # of these, what the provider never takes,
        self._complaints = 0  # and what it answered at all
        self._not_before = 0.0

    async def work(self) -> None:
        """Until something breaks, which it raises: PostgresUnavailable, BusUnavailable."""
        await self._debts.begin()
        loops = (self._inbox.pull, self._inbox.keep, self._listen, self._debts.look, self._purge, self._catch_up)
        tasks = [asyncio.create_task(loop(), name=f"purger {loop.__name__}") for loop in loops]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await asyncio.gather(*map(end, tasks))
            await self._inbox.give_back()
            metrics.CDN_AGE.set(0)
            metrics.CDN_WAITING.set(0)

    async def _listen(self) -> None:
        while True:
            for message in await self._inbox.take():
                await self._hear(message)
            self._woken.set()

    async def _hear(self, message: Msg) -> None:
        about = message.metadata
        sequence = about.sequence.stream
        try:
            announced = parse(message.headers, message.data)
        except UnknownContract as error:
            await self._undertaker.bury(message, Bury(type(error).__name__, str(error)))
            await self._inbox.forget(sequence)
            return
        age = max(0.0, time.time() - about.timestamp.timestamp())
        await self._inbox.release(self._backlog.hear(tags_of(announced), sequence, time.monotonic() - age))

    async def _purge(self) -> None:
        while True:
            await self.step()

    async def step(self) -> None:
        """Do what is due, or wait for it a little."""
        now = time.monotonic()
        self._measure(now)
        affordable = self._quota.batch * self._bucket.calls_within(now, self._patience)
        match self._backlog.next(now, self._quota.batch, affordable):
            case Rest(until):
                await self._nap(until - now)
            case Escalate(tags):
                log.warning("purge.escalated", tags=tags, affordable=affordable)
                await self._debts.owe(Scope.OURS, "backlog")
            case call:
                pause = max(self._bucket.wait(now), self._not_before - now)
                if pause > 0:
                    await asyncio.sleep(min(pause, LONGEST_NAP))
                elif self._bucket.take(now):
                    await self._carry_out(call, now)

    async def _nap(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._woken.wait(), min(seconds, LONGEST_NAP))
        except TimeoutError:
            return
        self._woken.clear()

    async def _carry_out(self, call: Some | Everything, now: float) -> None:
        self._backlog.begin(call)
        try:
            await self._tell(call)
        except (EdgeUnavailable, PurgeRefused) as error:
            await self._inbox.release(self._backlog.failed(call))
            await self._put_off(call, error)
            return
        self._failures = self._refusals = self._complaints = 0
        metrics.CDN_PURGE_SECONDS.observe(time.monotonic() - now)
        metrics.CDN_PURGES.labels(self._name, kind(call)).inc()
        if self._fleet.behind:
            await self._debts.note("edge")
        await self._inbox.release(self._backlog.accepted(call, now))
        if isinstance(call, Some):
            metrics.CDN_TAGS.labels(self._name).inc(len(call.tags))
            return
        log.info("everything.purged", provider=self._name, scope=call.scope.name.lower())
        if not self._fleet.behind:
            await self._debts.settle()

    async def _catch_up(self) -> None:
        while True:
            await asyncio.sleep(CATCH_UP)
            if self._fleet.behind:
                await self._fleet.catch_up()
                if not self._fleet.behind:
                    await self._debts.settle()

    async def _tell(self, call: Some | Everything) -> None:
        match call:
            case Some(tags):
                await self._fleet.purge(tags)
            case Everything(Scope.OURS):
                await self._fleet.purge([OURS])
            case Everything():
                await self._fleet.purge_everything()

    async def _put_off(self, call: Some | Everything, error: EdgeUnavailable | PurgeRefused) -> None:
        """Pause, longer each time, and as long as the provider says. What it takes by no tag is purged as a whole."""
        now = time.monotonic()
        self._failures += 1
        self._refusals += isinstance(error, PurgeRefused) and not isinstance(error, TokenRefused)
        self._complaints += not isinstance(error, EdgeSilent)
        pause = min(self._quota.longest_pause, FIRST_PAUSE * 2 ** min(self._failures - 1, 16))
        rest = error.rest if isinstance(error, EdgeUnavailable) else 0.0
        if rest > 0:
            self._bucket.close(now, rest)
        self._not_before = now + pause
        metrics.CDN_FAILURES.labels(self._name, type(error).__name__).inc()
        say = log.error if isinstance(error, PurgeRefused) else log.warning
        say("purge.failed", provider=self._name, kind=kind(call), error=repr(error), pause=pause, rest=rest)
        if call == Everything(Scope.WHOLE) or isinstance(error, TokenRefused | EdgeSilent) or rest > 0:
            return  # nothing larger is left, or it would not be taken either
        if self._refusals >= MOST_REFUSALS or self._complaints >= MOST_COMPLAINTS:
            reason = "refused" if self._refusals >= MOST_REFUSALS else "failing"
            self._refusals = self._complaints = 0
            await self._debts.owe(Scope.WHOLE, reason)

    def _measure(self, now: float) -> None:
        oldest = self._backlog.oldest()
        metrics.CDN_AGE.set(0.0 if oldest is None else now - oldest)
        metrics.CDN_WAITING.set(len(self._backlog))


def kind(call: Some | Everything) -> str:
    return "tags" if isinstance(call, Some) else call.scope.name.lower()


def tags_of(announced: object) -> Sequence[str]:
    """What the CDN may hold of it. Drafts were never there, but the lists' revision, which a draft may raise, is."""
    if not isinstance(announced, EventProjectedV1):
        return ()
    event = (event_tag(announced.event_id),) if announced.visible else ()
    return event if announced.events_revision is None else (*event, EVENTS)
