"""What becomes of a message that was handled, or could not be. One policy for every consumer.

    Outcome        when                                                   on the server
    acknowledged   the handler returned                                   ack
    retried        Transient, or an error nobody named; attempts left     nak, with a growing delay
    waiting        Unavailable, or no end in time: a server is away       nak, with a growing delay, for ever
    buried         Permanent, or no attempt left                          dead letter stored, then term

A dead letter that can't be stored is no dead letter: the message is retried instead.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

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
MAX_REASON = 1024  # characters of an error kept in a header

DELIVERIES = Counter("understudy_deliveries_total", "Messages by what became of them", ["consumer", "outcome"])


@dataclass(frozen=True)
class Retry:
    """Redeliver after `delay` seconds."""

    delay: float
    waiting: bool


@dataclass(frozen=True)
class Bury:
    """Keep it as a dead letter, and never deliver it again."""

    reason: str


def decide(error: Exception, attempt: int) -> Retry | Bury:
    """What to do with a message whose `attempt`-th delivery (from 1) ended in `error`. Pure."""
    delay = min(MAX_DELAY, FIRST_DELAY * 2 ** min(attempt - 1, 16))
    match error:
        case Unavailable() | TimeoutError():  # a server that hangs is away, too
            return Retry(delay, waiting=True)
        case Permanent() | UnknownContract():
            return Bury(f"{type(error).__name__}: {error}")
        case Transient() if attempt < MAX_ATTEMPTS:
            return Retry(delay, waiting=False)
        case _ if attempt < MAX_ATTEMPTS:
            return Retry(delay, waiting=False)
    return Bury(f"gave up after {attempt} attempts: {type(error).__name__}: {error}")


class Undertaker:
    """Stores dead letters. `publish(subject, headers, body)` returns once the bus has stored one."""

    def __init__(self, publish: Callable[[str, dict[str, str], bytes], Awaitable[None]]) -> None:
        self._publish = publish

    async def bury(self, message: NatsMessage, reason: str) -> None:
        raw = message.raw_message
        about = raw.metadata
        # The server's own are meant for its first publication: an expected sequence would never be met again.
        headers = {name: value for name, value in (raw.headers or {}).items() if not name.startswith("Nats-")}
        headers |= {
            "Nats-Msg-Id": f"dead:{about.stream}:{about.sequence.stream}:{about.consumer}",
            "Dead-Reason": one_line(reason),
            "Dead-Error": reason.split(":", 1)[0],
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

    def __init__(self, msg: Any, /, *, context: Any, undertaker: Undertaker) -> None:
        super().__init__(msg, context=context)
        self._undertaker = undertaker

    async def consume_scope(self, call_next: Callable[[Any], Awaitable[Any]], msg: Any) -> Any:
        consumer = msg.raw_message.metadata.consumer
        try:
            async with asyncio.timeout(HANDLER_DEADLINE):
                result = await call_next(msg)
        except HandlerException:
            raise
        except Exception as error:  # noqa: BLE001 (the one place where an error becomes an outcome)
            return await self._settle(msg, consumer, error)
        DELIVERIES.labels(consumer, "acknowledged").inc()
        return result

    async def _settle(self, msg: NatsMessage, consumer: str, error: Exception) -> None:
        attempt = msg.raw_message.metadata.num_delivered
        outcome = decide(error, attempt)
        if isinstance(outcome, Bury):
            await self._bury(msg, consumer, outcome, attempt)
        assert isinstance(outcome, Retry)  # noqa: S101 (a buried message has raised RejectMessage)
        DELIVERIES.labels(consumer, "waiting" if outcome.waiting else "retried").inc()
        unexpected = None if isinstance(error, Transient | TimeoutError) else error
        log.warning(
            "message.waiting" if outcome.waiting else "message.retried",
            subject=msg.raw_message.subject,
            attempt=attempt,
            delay=outcome.delay,
            error=repr(error),
            exc_info=unexpected,
        )
        raise NackMessage(delay=outcome.delay) from error

    async def _bury(self, msg: NatsMessage, consumer: str, outcome: Bury, attempt: int) -> None:
        subject = msg.raw_message.subject
        try:
            await self._undertaker.bury(msg, outcome.reason)
        except Exception as error:
            log.exception("message.not_buried", subject=subject, reason=outcome.reason)
            raise NackMessage(delay=MAX_DELAY) from error
        DELIVERIES.labels(consumer, "buried").inc()
        log.error("message.buried", subject=subject, reason=outcome.reason, attempts=attempt)
        raise RejectMessage
