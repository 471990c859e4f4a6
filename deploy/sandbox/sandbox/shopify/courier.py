"""Deliver webhooks over HTTP as Shopify does: 5 s, only 2xx counts, no redirects, 8 retries with the original bytes.

Deliveries wait in a heap by due time, a bounded number is under way at once. A full queue drops the newest, says so in
the log, in its status and in the count `dropped`. After its last retry failed, the subscription is removed
(docs/shopify.md 1.3).
"""

import asyncio
import base64
import heapq
import hmac
import logging
import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from uuid import uuid4

import httpx2

from sandbox.shopify.knobs import Knobs

log = logging.getLogger(__name__)

RETRIES = 8
RETRY_SPAN = 4 * 3600.0  # seconds that the 8 retries are spread over
FIRST_RETRY = RETRY_SPAN / (2**RETRIES - 1)  # doubling from here fills the span
CONNECT_TIMEOUT = 1.0  # seconds
REMOVED_AFTER = 8  # failures in a row


@dataclass(slots=True)
class Delivery:
    """One webhook to one address. `status`: pending, delivered, failed, lost, dropped, cancelled."""

    topic: str  # products/update
    url: str
    body: bytes
    headers: dict[str, str]
    subscription_id: int | None
    created_at: datetime
    status: str = "pending"
    attempts: int = 0
    last_answer: str | None = None  # "200", or what went wrong
    finished_at: datetime | None = None
    copy: bool = False


@dataclass(slots=True)
class Courier:
    """Owns the queue, the connections and the log of deliveries.

    `gone(subscription_id)` is called when a subscription has failed too often; `count_failure` counts a subscription's
    failed attempts in a row and returns the new count: 0 after a success, None when the subscription is gone.
    """

    secret: bytes
    knobs: Callable[[], Knobs]
    chance: random.Random
    gone: Callable[[int], None]
    count_failure: Callable[[int, bool], int | None]
    concurrency: int
    queue: int
    log_length: int
    counts: Counter[str] = field(default_factory=Counter)
    recent: deque[Delivery] = field(init=False)
    _heap: list[tuple[float, int, Delivery]] = field(default_factory=list)
    _order: "count[int]" = field(default_factory=count)
    _under_way: set[asyncio.Task[None]] = field(default_factory=set)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _idle: asyncio.Event = field(default_factory=asyncio.Event)
    _loop: asyncio.Task[None] | None = None
    _client: httpx2.AsyncClient | None = None

    def __post_init__(self) -> None:
        self.recent = deque(maxlen=self.log_length)
        self._idle.set()

    async def start(self) -> None:
        limits = httpx2.Limits(max_connections=self.concurrency, max_keepalive_connections=self.concurrency)
        self._client = httpx2.AsyncClient(follow_redirects=False, limits=limits, trust_env=False)
        self._loop = asyncio.create_task(self._run(), name="courier")

    async def stop(self) -> None:
        """Ends at once: what is pending is not delivered."""
        tasks = [*self._under_way, *([self._loop] if self._loop else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._client:
            await self._client.aclose()

    @property
    def pending(self) -> int:
        return len(self._heap) + len(self._under_way)

    async def flushed(self, timeout: float) -> bool:  # noqa: ASYNC109 - the caller's own deadline
        """Wait until nothing is pending; False when the time is up first."""
        try:
            async with asyncio.timeout(timeout):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    def take(self, delivery: Delivery) -> None:
        """Queue a signed delivery, with whatever misfortune the knobs hold for it."""
        knobs = self.knobs()
        self.recent.append(delivery)
        self.counts["triggered"] += 1
        if self.chance.random() < knobs.webhook_loss_share:
            self._finish(delivery, "lost")
            return
        delay = self.chance.uniform(knobs.webhook_delay_min, max(knobs.webhook_delay_min, knobs.webhook_delay_max))
        delay += self.chance.uniform(0, knobs.webhook_reorder_window)
        self._schedule(delivery, delay)
        if self.chance.random() < knobs.webhook_duplicate_share:
            self._again(delivery, delay + self.chance.uniform(0, knobs.webhook_duplicate_delay))
        if self.chance.random() < knobs.webhook_late_share:
            self._again(delivery, delay + knobs.webhook_late_delay)

    def _again(self, delivery: Delivery, delay: float) -> None:
        """The same webhook once more: same id, same bytes."""
        copy = replace(delivery, headers=dict(delivery.headers), copy=True)
        self.recent.append(copy)
        self.counts["duplicated"] += 1
        self._schedule(copy, delay)

    def cancel(self, subscription_id: int) -> None:
        """Forget what is still waiting for a subscription that is gone."""
        for _, _, delivery in self._heap:
            if delivery.subscription_id == subscription_id:
                self._finish(delivery, "cancelled")
        self._heap = [entry for entry in self._heap if entry[2].status == "pending"]
        heapq.heapify(self._heap)
        self._changed.set()
        self._rest()

    def _schedule(self, delivery: Delivery, delay: float) -> None:
        if len(self._heap) >= self.queue:
            self._finish(delivery, "dropped")
            log.warning("webhook.dropped topic=%s queue=%d", delivery.topic, self.queue)
            return
        due = asyncio.get_running_loop().time() + delay
        heapq.heappush(self._heap, (due, next(self._order), delivery))
        self._idle.clear()
        self._changed.set()

    def _finish(self, delivery: Delivery, status: str) -> None:
        delivery.status, delivery.finished_at = status, datetime.now(UTC)
        self.counts[status] += 1

    def _rest(self) -> None:
        if not self._heap and not self._under_way:
            self._idle.set()

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            wait = self._send_due()
            try:
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _send_due(self) -> float | None:
        """Start everything due that there is room for; the seconds until the next, None for no end."""
        now = asyncio.get_running_loop().time()
        while self._heap and self._heap[0][0] <= now and len(self._under_way) < self.concurrency:
            delivery = heapq.heappop(self._heap)[2]
            task = asyncio.create_task(self._attempt(delivery))
            self._under_way.add(task)
            task.add_done_callback(self._done)
        if not self._heap or len(self._under_way) >= self.concurrency:
            return None
        return max(0.0, self._heap[0][0] - now)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._changed.set()
        self._rest()
        if not task.cancelled() and (error := task.exception()):
            log.error("webhook.crashed", exc_info=error)

    async def _attempt(self, delivery: Delivery) -> None:
        delivery.attempts += 1
        delivery.last_answer, delivered = await self._post(delivery)
        self.counts["sent"] += 1
        if not delivered:
            self.counts["failed_attempts"] += 1
        self._settle(delivery, delivered)

    async def _post(self, delivery: Delivery) -> tuple[str, bool]:
        if self._client is None:
            return "not started", False
        timeout = self.knobs().webhook_timeout
        try:
            async with asyncio.timeout(timeout):
                answer = await self._client.post(
                    delivery.url,
                    content=delivery.body,
                    headers=delivery.headers,
                    timeout=httpx2.Timeout(timeout, connect=min(CONNECT_TIMEOUT, timeout)),
                )
        except (TimeoutError, httpx2.TimeoutException):
            return "timeout", False
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            return f"{type(error).__name__}: {error}", False
        return str(answer.status_code), answer.is_success

    def _settle(self, delivery: Delivery, delivered: bool) -> None:
        number = delivery.subscription_id
        in_a_row = self.count_failure(number, delivered) if number is not None else 0
        if delivered:
            self._finish(delivery, "delivered")
            return
        if in_a_row is None:
            self._finish(delivery, "cancelled")
            return
        by_subscription = self.knobs().webhook_removal_counts == "subscription"
        if number is not None and by_subscription and in_a_row >= REMOVED_AFTER:
            self._finish(delivery, "failed")
            self._remove(number)
            return
        if delivery.attempts <= RETRIES:
            self._retry(delivery)
            return
        self._finish(delivery, "failed")
        if number is not None and not by_subscription:
            self._remove(number)

    def _retry(self, delivery: Delivery) -> None:
        knobs = self.knobs()
        if knobs.webhook_new_id_on_retry:
            delivery.headers["X-Shopify-Webhook-Id"] = str(uuid4())
        self._schedule(delivery, FIRST_RETRY * 2 ** (delivery.attempts - 1) * knobs.webhook_retry_scale)

    def _remove(self, subscription_id: int) -> None:
        log.warning("webhook.subscription_removed id=%d", subscription_id)
        self.counts["subscriptions_removed"] += 1
        self.gone(subscription_id)
        self.cancel(subscription_id)


def sign(secret: bytes, body: bytes) -> str:
    """Base64 of HMAC-SHA256 over the raw body, as X-Shopify-Hmac-Sha256 carries it."""
    return base64.b64encode(hmac.digest(secret, body, "sha256")).decode()
