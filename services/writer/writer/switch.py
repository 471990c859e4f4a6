"""The breaker at work: every call feeds it; while it is open the cheapest query finds out when Shopify is well again.

No command is burnt on that: a mutation without an answer would park its event, and end in doubt at last.
"""

import time
from collections.abc import Awaitable, Callable

import structlog

from shared.errors import UnderstudyError
from shared.shopify import ShopifyClient
from writer import metrics
from writer.breaker import CLOSED, failed, failure, is_open, may_call, opens_in, succeeded

log = structlog.get_logger()

QUESTION = "shop"
NOTICE = 1.0  # seconds between the end of a pause and somebody noticing, at most
UNREADY = 10.0  # seconds that commands are said to wait, as long as nothing can be dispatched for another reason
SAY_AGAIN = 5.0  # seconds between saying so

Tell = Callable[[float, str | None], Awaitable[None]]


class Switch:
    """`tell` makes known for how many seconds nothing is sent, and why: every replica gives ETAs by that."""

    def __init__(
        self,
        client: ShopifyClient,
        tell: Tell,
        patience: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._tell = tell
        self._patience = patience
        self._monotonic = monotonic
        self._state = CLOSED
        self._said_at, self._said = float("-inf"), ""
        self._unready = False
        self._when_opened: list[Callable[[], None]] = []

    def when_opened(self, then: Callable[[], None]) -> None:
        """Call that at the moment from which nothing may be sent."""
        self._when_opened.append(then)

    @property
    def open(self) -> bool:
        """No mutation may be sent."""
        return is_open(self._state)

    async def answered(self) -> None:
        """Shopify has answered, whatever it said."""
        before, self._state = self._state, succeeded(self._state)
        if is_open(before):
            log.info("breaker.closed", failures=before.failures)
        if is_open(before) or self._unready:
            self._unready = False
            await self._say(0.0, None)

    async def failed(self, error: Exception, lane: int | None) -> None:
        """A call brought an error. `lane`: of the event that may be the cause itself."""
        found = failure(error)
        if found is None:
            return
        before = self._state
        self._state = failed(before, self._monotonic(), found.reason, lane=None if found.everyone else lane)
        if is_open(self._state) and self._state.until != before.until:
            for then in self._when_opened:
                then()
            seconds = opens_in(self._state, self._monotonic())
            log.warning("breaker.opened", reason=found.reason, seconds=seconds)
            await self._say(seconds + NOTICE, found.reason)

    async def probe(self) -> None:
        """Once the pause is over, ask."""
        if not may_call(self._state, self._monotonic(), probing=False):
            return
        await self._say(self._patience, self._state.reason)  # nothing is sent meanwhile, either
        try:
            await self._client.execute(QUESTION, deadline=self._patience)
        except UnderstudyError as error:
            await self.failed(error, None)
        else:
            await self.answered()

    async def unready(self, reason: str) -> None:
        """Nothing can be dispatched, though Shopify may be well."""
        if reason != self._said or self._monotonic() - self._said_at >= SAY_AGAIN:
            self._unready = True
            await self._say(UNREADY, reason)

    async def _say(self, seconds: float, reason: str | None) -> None:
        self._said_at, self._said = self._monotonic(), reason or ""
        metrics.BREAKER.set(seconds > 0)
        try:
            await self._tell(seconds, reason)
        except UnderstudyError as error:
            log.warning("breaker.not_told", reason=str(error))
