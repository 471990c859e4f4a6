"""What becomes of a message that was handled, or could not be. One policy for every consumer.

    Outcome        when                                                   on the server
    acknowledged   the handler returned                                   ack
    retried        Transient, or an error nobody named; attempts left     nak, with a growing delay
    waiting        Unavailable, or no end in time: a server is away       nak, with a growing delay, for ever
    buried         Permanent, or no attempt left                          dead letter stored, then term

A dead letter that can't be stored is no dead letter: the message is retried instead.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn

import structlog
from faststream import BaseMiddleware
from faststream.exceptions import HandlerException, NackMessage, RejectMessage
from faststream.nats import NatsMessage
from prometheus_client import Counter

from shared.contracts import UnknownContract
from shared.errors import Permanent, Transient, Unavailable
from shared.topology import dead_letter_subject

log = structlog.get_logger()

MAX_ATTEMPTS = 10  # with the delays below, about two and a half minutes before a poison message is buried
FIRST_DELAY = 0.25  # seconds before the second attempt; doubles
MAX_DELAY = 30.0  # seconds
HANDLER_DEADLINE = 15.0  # seconds; ends before the consumer's ack_wait, so that no message is handled twice at once
MAX_REMEMBERED = 50_000  # messages whose failures are counted; as many as may be pending, and more
MAX_REASON = 1024  # characters of an error kept in a header

DELIVERIES = Counter("understudy_deliveries_total", "Messages by what became of them", ["consumer", "outcome"])


@dataclass(frozen=True)
class Retry:
    """Redeliver after `delay` seconds."""

    delay: float
    waiting: bool


@dataclass(frozen=True)
class Bury:
    """Keep it as a dead letter, and never deliver it again. `error` is the name of the last one."""

    error: str
    reason: str


def decide(error: Exception, delivery: int, failures: int) -> Retry | Bury:
    """What to do with a message whose `delivery`-th delivery ended in `error`, its `failures`-th own failure. Pure.

    Both count from 1. A delivery that only waited for a server is no failure of the message.
    """
    name = type(error).__name__
    delay = min(MAX_DELAY, FIRST_DELAY * 2 ** min(delivery - 1, 16))
    match error:
        case Unavailable() | TimeoutError():  # a server that hangs is away, too
            return Retry(delay, waiting=True)
        case Permanent() | UnknownContract():
            return Bury(name, f"{name}: {error}")
        case _ if failures < MAX_ATTEMPTS:
            return Retry(delay, waiting=False)
    return Bury(name, f"gave up after {failures} attempts: {name}: {error}")


def waits(error: Exception) -> bool:
    """Whether the message is not to blame."""
    return isinstance(error, Unavailable | TimeoutError)


class Failures:
    """How often each message has failed by itself, in this process; the oldest is forgotten first."""

    def __init__(self, limit: int = MAX_REMEMBERED) -> None:
        self._counts: OrderedDict[tuple[str, int], int] = OrderedDict()
        self._limit = limit

    def count(self, message: tuple[str, int]) -> int:
        """One more; returns how many."""
        self._counts[message] = self._counts.pop(message, 0) + 1
        if len(self._counts) > self._limit:
            self._counts.popitem(last=False)
        return self._counts[message]

    def forget(self, message: tuple[str, int]) -> None:
        self._counts.pop(message, None)


class Undertaker:
    """Stores dead letters. `publish(subject, headers, body)` returns once the bus has stored one."""

    def __init__(self, publish: Callable[[str, dict[str, str], bytes], Awaitable[None]]) -> None:
        self._publish = publish

    async def bury(self, message: NatsMessage, outcome: Bury) -> None:
        raw = message.raw_message
        about = raw.metadata
        # The server's own are meant for its first publication: an expected sequence would never be met again.
        headers = {name: value for name, value in (raw.headers or {}).items() if not name.startswith("Nats-")}
        headers |= {
            "Nats-Msg-Id": f"dead:{about.stream}:{about.sequence.stream}:{about.consumer}",
            "Dead-Reason": one_line(outcome.reason),
            "Dead-Error": outcome.error,
            "Dead-Stream": about.stream,
            "Dead-Subject": raw.subject,
            "Dead-Sequence": str(about.sequence.stream),
            "Dead-Attempts": str(about.num_delivered),
            "Dead-Consumer": about.consumer,
            "Dead-At": datetime.now(UTC).isoformat(),
        }
        await self._publish(dead_letter_subject(about.consumer, raw.subject), headers, raw.data)


def one_line(reason: str) -> str:
    """A NATS header holds one line of ASCII."""
    return " ".join(reason.split())[:MAX_REASON].encode("ascii", "backslashreplace").decode()


class Delivery(BaseMiddleware):
    """The middleware that carries `decide` out."""

    def __init__(self, msg: Any, /, *, context: Any, undertaker: Undertaker, failures: Failures) -> None:
        super().__init__(msg, context=context)
        self._undertaker = undertaker
        self._failures = failures

    async def consume_scope(self, call_next: Callable[[Any], Awaitable[Any]], msg: Any) -> Any:
        about = msg.raw_message.metadata
        message = (about.stream, about.sequence.stream)
        try:
            async with asyncio.timeout(HANDLER_DEADLINE):
                result = await call_next(msg)
        except HandlerException:
            raise
        except Exception as error:  # noqa: BLE001 (the one place where an error becomes an outcome)
            failures = 0 if waits(error) else self._failures.count(message)
            outcome = decide(error, about.num_delivered, failures)
            if isinstance(outcome, Retry):
                self._retry(msg, outcome, error)
            await self._bury(msg, outcome)
        self._failures.forget(message)
        DELIVERIES.labels(about.consumer, "acknowledged").inc()
        return result

    def _retry(self, msg: NatsMessage, outcome: Retry, error: Exception) -> NoReturn:
        about = msg.raw_message.metadata
        DELIVERIES.labels(about.consumer, "waiting" if outcome.waiting else "retried").inc()
        log.warning(
            "message.waiting" if outcome.waiting else "message.retried",
            subject=msg.raw_message.subject,
            delivery=about.num_delivered,
            delay=outcome.delay,
            error=repr(error),
            exc_info=None if isinstance(error, Transient | TimeoutError) else error,
        )
        raise NackMessage(delay=outcome.delay) from error

    async def _bury(self, msg: NatsMessage, outcome: Bury) -> NoReturn:
        about, subject = msg.raw_message.metadata, msg.raw_message.subject
        try:
            await self._undertaker.bury(msg, outcome)
        except Exception as error:
            log.exception("message.not_buried", subject=subject, reason=outcome.reason)
            raise NackMessage(delay=MAX_DELAY) from error
        self._failures.forget((about.stream, about.sequence.stream))
        DELIVERIES.labels(about.consumer, "buried").inc()
        log.error("message.buried", subject=subject, reason=outcome.reason, deliveries=about.num_delivered)
        raise RejectMessage
