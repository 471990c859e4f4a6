"""Ask Shopify: one document, within the budget, within a deadline, and a typed answer or a typed error."""

import copy
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import httpx2
import structlog
from opentelemetry import trace
from pydantic import SecretStr

from shared.errors import UnderstudyError
from shared.shopify import envelope, metrics
from shared.shopify.bucket import Level
from shared.shopify.budget import Budget, Reservation
from shared.shopify.clock import Clock
from shared.shopify.documents import Document, load
from shared.shopify.envelope import Answer, Reading
from shared.shopify.errors import (
    AnswerTooLarge,
    NeverLeft,
    ShopifyFaulted,
    ShopifyRefused,
    ShopifyUnavailable,
    Throttled,
    UserErrors,
)
from shared.shopify.http import Received, post
from shared.shopify.settings import ShopifySettings
from shared.shopify.shares import Share
from shared.shopify.tokens import TokenSource

HTTP_OK, UNAUTHORIZED, SERVER_ERROR = 200, 401, 500
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0  # seconds between attempts; doubled each time, and then a random share of it
MAX_OTHER_VERSIONS = 20  # names of versions that are remembered, and so logged only once

_OUTCOMES: dict[type[BaseException], str] = {
    Throttled: "throttled",
    ShopifyUnavailable: "unavailable",
    NeverLeft: "never_left",
    ShopifyFaulted: "faulted",
    ShopifyRefused: "refused",
    AnswerTooLarge: "too_large",
    UserErrors: "user_errors",
}
log = structlog.get_logger(__name__)
tracer = trace.get_tracer(__name__)


Before = Callable[[], Awaitable[float]]


@dataclass(frozen=True, slots=True)
class _Call:
    """`ends_at` on the monotonic clock."""

    document: Document
    variables: Mapping[str, Any]
    ends_at: float
    before: Before | None = None


class ShopifyClient:
    """One shop, one app, one process. Make it with `shared.shopify.shopify(settings)`."""

    def __init__(
        self,
        settings: ShopifySettings,
        tokens: TokenSource,
        http: httpx2.AsyncClient,
        budget: Budget,
        clock: Clock | None = None,
    ) -> None:
        self._settings = settings
        self._tokens = tokens
        self._http = http
        self._budget = budget
        self._clock = clock or Clock()
        self._share = Share.COMMANDS
        self._other_versions: set[str] = set()
        self._path = f"/admin/api/{settings.shopify_api_version}/graphql.json"

    def acting_for(self, share: Share) -> Self:
        """The same client, with the same connections, tokens and points, whose requests are of that share."""
        other = copy.copy(self)
        other._share = share  # noqa: SLF001 (of its own class)
        return other

    async def execute(
        self,
        name: str,
        variables: Mapping[str, Any] | None = None,
        *,
        safe_to_repeat: bool = False,
        deadline: float | None = None,
        before: Before | None = None,
    ) -> Answer:
        """Send the document `name`, and give its answer, which is whole: partial data with errors raises.

        A query is repeated while Shopify throttles or fails, within `deadline` seconds (default: the setting) and
        the number of attempts that the settings allow. A mutation is sent once, unless it is `safe_to_repeat`.
        Raises the errors of `shared.shopify.errors`; `may_have_happened` on them speaks of the last attempt.

        `before` is awaited before each request (a 401 that another token may mend is followed by a second one), when
        the points are there and nothing is left to wait for. It gives the seconds that the request may take, all in
        all, from when `before` was called: once they are over, it does not leave any more (NeverLeft, a
        ShopifyUnavailable), though the process was stopped meanwhile. What it raises is raised here; then
        nothing was sent, and the points are given back.
        """
        document = load(name)
        seconds = self._settings.shopify_deadline if deadline is None else deadline
        call = _Call(document, variables or {}, self._clock.monotonic() + seconds, before)
        attempts = self._settings.shopify_max_attempts if document.kind == "query" or safe_to_repeat else 1
        for attempt in range(1, attempts):
            try:
                return await self._attempt(call)
            except (Throttled, ShopifyUnavailable, ShopifyFaulted) as error:
                pause = self._pause(error, attempt)
                if pause >= self._left(call):
                    raise
                await self._clock.sleep(pause)
        return await self._attempt(call)

    async def level(self) -> Level:
        """How many points there are, for whoever tells how long it will take; at most half a second old."""
        return await self._budget.level()

    async def ask_for_points(self, reservation: Reservation) -> None:
        """The cheapest request, with points that the caller has reserved: its answer says how many are left."""
        call = _Call(load("shop"), {}, self._clock.monotonic() + self._settings.shopify_request_timeout)
        await self._request(call, await self._tokens.token(), reservation)

    async def _attempt(self, call: _Call) -> Answer:
        """Send it once; once more with another token when the first was refused: a 401 changed nothing."""
        token = await self._tokens.token()
        try:
            return await self._measured(call, token)
        except ShopifyRefused as error:
            if error.status != UNAUTHORIZED or not await self._tokens.refused(token):
                raise
        return await self._measured(call, await self._tokens.token())

    async def _measured(self, call: _Call, token: SecretStr) -> Answer:
        """One request, its span, its metrics, its one log line."""
        with tracer.start_as_current_span(f"shopify {call.document.name}", kind=trace.SpanKind.CLIENT):
            return await self._counted(call, token)

    async def _counted(self, call: _Call, token: SecretStr) -> Answer:
        outcome, began = "cancelled", self._clock.monotonic()
        cost = self._budget.costs.of(call.document)
        try:
            async with self._budget.reserve(cost, deadline=self._left(call), share=self._share) as reservation:
                began = self._clock.monotonic()
                answer = await self._request(call, token, reservation)
            outcome = "ok"
        except UnderstudyError as error:
            outcome = _OUTCOMES.get(type(error), "failed")
            log.warning("shopify.failed", document=call.document.name, outcome=outcome, reason=str(error))
            raise
        finally:
            seconds = self._clock.monotonic() - began
            metrics.REQUESTS.labels(call.document.name, outcome).inc()
            metrics.SECONDS.labels(call.document.name).observe(seconds)
        charged = answer.cost and answer.cost.actual
        log.debug("shopify.answered", document=call.document.name, seconds=round(seconds, 3), cost=charged)
        return answer

    async def _request(self, call: _Call, token: SecretStr, reservation: Reservation) -> Answer:
        leave_by = await self._may_leave_by(call, reservation)
        read_began_at = self._clock.now()
        received = await self._post(call, token, reservation, leave_by)
        arrived_at = self._clock.now()
        reading = self._read(call.document, received.body, reservation)
        if reading.error is not None:
            raise reading.error
        postmark = envelope.postmark(received.headers, arrived_at)
        answer = Answer(reading.data, reading.cost, read_began_at, reading.warnings, postmark)
        if reading.warnings:
            log.warning("shopify.search_misread", document=call.document.name, warnings=reading.warnings)
        if call.document.kind == "mutation" and (errors := envelope.user_errors(reading.data)):
            raise UserErrors(errors, answer)
        return answer

    async def _may_leave_by(self, call: _Call, reservation: Reservation) -> float:
        """On the monotonic clock. Counted from before the question: its answer may be read long after it was given."""
        if call.before is None:
            return float("inf")
        asked_at = self._clock.monotonic()
        reservation.settle(0.0)
        seconds = await call.before()
        reservation.unsettle()
        return asked_at + seconds

    async def _post(self, call: _Call, token: SecretStr, reservation: Reservation, leave_by: float) -> Received:
        """The answer with HTTP 200; any other status is raised as the error it is."""
        document = {
            "query": call.document.text,
            "operationName": call.document.operation,
            "variables": dict(call.variables),
        }
        over = leave_by - self._clock.monotonic()
        within = max(0.0, min(self._settings.shopify_request_timeout, self._left(call), over))
        try:
            received = await post(
                self._http,
                self._path,
                document,
                token=token,
                within=within,
                max_bytes=self._settings.shopify_max_answer_bytes,
                leave_by=leave_by,
                clock=self._clock,
            )
        except ShopifyUnavailable as error:
            if not error.may_have_happened:
                reservation.settle(0.0)
            raise
        self._check_version(received)
        if received.status == HTTP_OK:
            return received
        if received.status < SERVER_ERROR:
            reservation.settle(0.0)
        if received.status in envelope.SLOW_DOWN:
            reservation.refused = True
            metrics.THROTTLED.labels(self._share).inc()
        raise envelope.refusal(received.status, received.headers.get("Retry-After"), received.body)

    def _read(self, document: Document, body: bytes, reservation: Reservation) -> Reading:
        """Parse, and settle with what the answer says about points."""
        reading = envelope.read(body)
        if isinstance(reading.error, Throttled):
            reservation.refused = True
            metrics.THROTTLED.labels(self._share).inc()
        if reading.cost is not None:
            reservation.learnt = self._budget.costs.learn(document, reading.cost.requested)
        charged = reading.charged()
        if charged is not None:
            reservation.settle(charged, reading.cost.status if reading.cost else None)
            metrics.POINTS.labels(self._share, document.name).inc(charged)
        return reading

    def _left(self, call: _Call) -> float:
        """Seconds until the deadline of the call."""
        return max(0.0, call.ends_at - self._clock.monotonic())

    def _pause(self, error: Throttled | ShopifyUnavailable | ShopifyFaulted, attempt: int) -> float:
        if isinstance(error, Throttled):
            return error.retry_after
        longest: float = min(FIRST_PAUSE * 2**attempt, LONGEST_PAUSE)
        return longest * self._clock.chance()

    def _check_version(self, received: Received) -> None:
        """An expired version silently falls forward to another one (docs/shopify.md 2.6), whose shapes may differ."""
        version = received.headers.get("X-Shopify-API-Version")
        if version is None or version == self._settings.shopify_api_version:
            return
        known = version in self._other_versions
        if not known and len(self._other_versions) < MAX_OTHER_VERSIONS:
            self._other_versions.add(version)
            log.warning("shopify.other_version", asked=self._settings.shopify_api_version, answered=version)
        metrics.OTHER_VERSION.labels(version if version in self._other_versions else "other").inc()
