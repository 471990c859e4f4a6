"""Hands out the points of one shop to all processes, through Redis; without Redis, a part of them to this process."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import redis.asyncio
import structlog

from shared.errors import UnderstudyError
from shared.shopify import metrics
from shared.shopify.bucket import Bucket, Level
from shared.shopify.costs import CostBook
from shared.shopify.documents import load
from shared.shopify.ledger import FIRST_MAXIMUM, FIRST_RATE, START, Entry, Ledger
from shared.shopify.line import MAX_WAITING, SLOTS, Line
from shared.shopify.shares import Share
from shared.shopify.till import Ask, Granted, Later, LocalTill, Never, Reservation
from shared.tags import RedisUnavailable

RETURN_INTERVAL = 1.0  # seconds between looks whether Redis is back
WORTH_ASKING = 0.5  # seconds of waiting, above which Shopify is asked how many points it has
LEVEL_AGE = 0.5  # seconds; what is told of the level may be so old
QUESTION_INTERVAL = 5.0  # seconds between two such questions of one process
QUESTION = "shop"  # the cheapest document; its answer, as every one, says how many points are there
QUESTION_RANK = -1  # before everyone: all wait for what it brings

log = structlog.get_logger(__name__)

Question = Callable[[Reservation], Awaitable[object]]


class SharedTill:
    """The ledger in Redis. While Redis is away: a part of the last known limits, that begins with hardly anything.

    What others hold and spend is unknown then, so an answer never raises the level; the parts of all processes add up
    to what flows in. Back at the ledger, its level counts for nothing until an answer of Shopify's has told it.
    """

    def __init__(
        self, ledger: Ledger, costs: CostBook, *, part: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._ledger = ledger
        self._costs = costs
        self._part = part
        self._monotonic = monotonic
        self._local: LocalTill | None = None
        self._known: Entry | None = None
        self._seen_at = float("-inf")
        self._born: str | None = None
        self._under_way: dict[str, float] = {}
        self._paid_here: set[str] = set()  # of those, by the local till of this outage
        self.question: Question | None = None
        self._asked_at = float("-inf")
        self._asking: asyncio.Task[None] | None = None
        self._returning: asyncio.Task[None] | None = None
        self.on_news: Callable[[], None] = lambda: None

    @property
    def shared(self) -> bool:
        """Whether the points are Redis', as far as this process knows."""
        return self._local is None

    async def take(self, ask: Ask) -> Granted | Later | Never:
        outcome = await self._take(ask)
        if isinstance(outcome, Granted):
            self._under_way[outcome.id] = outcome.cost
            if outcome.claim is not None:
                self._paid_here.add(outcome.id)
        return outcome

    async def give_back(self, granted: Granted, reservation: Reservation) -> None:
        self._under_way.pop(granted.id, None)
        if self._local is None:
            try:
                entry = await self._ledger.give_back(
                    granted.id,
                    reservation.used,
                    reservation.status,
                    reservation.learnt,
                    refused=reservation.refused,
                )
            except RedisUnavailable as error:
                self._fall_back(error)
            else:
                await self._heard(entry)
                return
        if self._local is not None and granted.id in self._paid_here:
            self._paid_here.discard(granted.id)
            await self._local.give_back(granted, reservation)
        elif self._local is not None and reservation.status is not None:
            self._local.heed(reservation.status)

    async def leave(self, ask: Ask) -> None:
        if self._local is None:
            with suppress(RedisUnavailable):  # its place expires; whoever asks next finds out that Redis is away
                await self._ledger.leave(ask)

    async def level(self) -> Level:
        if self._local is not None:
            return await self._local.level()
        if self._known is None or self._monotonic() - self._seen_at >= LEVEL_AGE:
            self._seen_at = self._monotonic()  # before it is asked for: others need not ask as well
            with suppress(RedisUnavailable):  # whoever takes points finds out that it is away; this is no reason
                self._known = await self._ledger.look()
        return self._part_of_it().level(self._monotonic()) if self._known is None else self._known.level

    async def start(self) -> None:
        """Take over what others have learnt. Redis may be away."""
        try:
            await self._join(away=False)
        except RedisUnavailable as error:
            self._fall_back(error)
        else:
            metrics.mode("shared")

    async def close(self) -> None:
        tasks = [task for task in (self._asking, self._returning) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _take(self, ask: Ask) -> Granted | Later | Never:
        if self._local is None:
            try:
                outcome, entry = await self._ledger.take(ask)
            except RedisUnavailable as error:
                self._fall_back(error)
            else:
                if isinstance(outcome, Granted):
                    self._under_way[outcome.id] = outcome.cost  # before a ledger that was lost is told what is
                await self._heard(entry)
                if isinstance(outcome, Later) and not entry.told and outcome.seconds >= WORTH_ASKING:
                    self._ask_shopify()
                return outcome
        if self._local is None:
            return Later(0.0)
        return await self._local.take(ask)

    async def _heard(self, entry: Entry) -> None:
        self._known = entry
        metrics.level(entry.level, entry.allowed)
        if entry.born == self._born:
            return
        log.warning("governor.ledger_was_lost", under_way=len(self._under_way))
        try:
            await self._join(away=False)
        except RedisUnavailable as error:
            self._fall_back(error)

    async def _join(self, *, away: bool) -> None:
        """Until the ledger knows exactly what is under way; requests begin and end meanwhile."""
        while True:
            said = dict(self._under_way)
            entry, costs = await self._ledger.join(said, away=away)
            self._costs.believe(costs)
            self._born, self._known = entry.born, entry
            if said.keys() == self._under_way.keys():
                return

    def _fall_back(self, error: RedisUnavailable) -> None:
        if self._local is not None:
            return
        bucket = self._part_of_it()
        self._paid_here.clear()
        self._local = LocalTill(bucket, part=self._part, monotonic=self._monotonic)
        self._returning = asyncio.create_task(self._return(), name="governor-return")
        metrics.mode("local")
        log.warning("governor.redis_away", reason=str(error), maximum=bucket.maximum, rate=bucket.rate)

    def _part_of_it(self) -> Bucket:
        """What this process may spend alone, as far as it knows the limits; hardly anything at first."""
        maximum, rate, allowed = FIRST_MAXIMUM, FIRST_RATE, 1.0
        if self._known is not None:
            maximum, rate, allowed = self._known.maximum, self._known.rate, self._known.allowed
        now = self._monotonic()
        return Bucket(maximum * self._part, rate * self._part, START * self._part, now, allowed=allowed)

    async def _return(self) -> None:
        began = self._monotonic()
        while True:
            await asyncio.sleep(RETURN_INTERVAL)
            try:
                await self._join(away=True)
            except RedisUnavailable:
                continue
            break
        self._local = None
        metrics.mode("shared")
        log.info("governor.redis_back", seconds=round(self._monotonic() - began, 1))
        self.on_news()

    def _ask_shopify(self) -> None:
        """Nobody has told where the level is since it was lost, and waiting takes longer than asking."""
        if self.question is None or (self._asking is not None and not self._asking.done()):
            return
        if self._monotonic() - self._asked_at < QUESTION_INTERVAL:
            return
        self._asked_at = self._monotonic()
        self._asking = asyncio.create_task(self._question(self.question), name="governor-question")

    async def _question(self, question: Question) -> None:
        cost = self._costs.of(load(QUESTION))
        ask = Ask(f"{self._ledger.process}question{self._asked_at}", cost, Share.COMMANDS, QUESTION_RANK)
        granted = await self.take(ask)
        if not isinstance(granted, Granted):
            await self.leave(ask)
            return
        reservation = Reservation(cost)
        try:
            await question(reservation)
        except UnderstudyError as error:
            log.warning("governor.question_failed", reason=str(error))
        finally:
            await self.give_back(granted, reservation)
            self.on_news()


class Governor(Line):
    """A budget that all processes of one shop and app share. Make it with `governor(…)`."""

    def __init__(self, ledger: Ledger, *, part: float, slots: int = SLOTS, max_waiting: int = MAX_WAITING) -> None:
        costs = CostBook()
        self.till = SharedTill(ledger, costs, part=part)
        super().__init__(self.till, process=ledger.process, slots=slots, max_waiting=max_waiting)
        self.costs = costs
        self.till.on_news = self._news.set

    def ask_with(self, question: Question) -> None:
        """How to ask Shopify for its level, with points that are reserved already."""
        self.till.question = question

    async def close(self) -> None:
        await self.till.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def governor(
    client: "redis.asyncio.Redis", shop: str, *, processes: int, slots: int = SLOTS, request_timeout: float = 30.0
) -> AsyncIterator[Governor]:
    """`processes`: how many share the shop at most; without Redis each takes its part of the points."""
    made = Governor(Ledger(client, shop, request_timeout=request_timeout), part=1 / processes, slots=slots)
    await made.till.start()
    try:
        yield made
    finally:
        await made.close()
