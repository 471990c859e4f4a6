"""What becomes of a message that was handled, or could not be. One policy for every consumer; see `consuming`.

    Outcome        when                                                   on the server
    acknowledged   the handler is done with it                            ack
    retried        Transient, or an error nobody named; attempts left     nak, with a growing delay
    waiting        Unavailable, or no end in time: a server is away       nak, with a growing delay, for ever
                   Occupied: another process is at it                     nak, with a short delay, for ever
    buried         Permanent, or no attempt left                          dead letter stored, then term

A dead letter that can't be stored is no dead letter: the message is retried instead.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from nats.aio.msg import Msg
from prometheus_client import Counter

from shared.contracts import UnknownContract
from shared.errors import Occupied, Permanent, Transient, Unavailable
from shared.topology import dead_letter_subject

MAX_ATTEMPTS = 10  # with the delays below, about two and a half minutes before a poison message is buried
FIRST_DELAY = 0.25  # seconds before the second attempt; doubles
MAX_DELAY = 30.0  # seconds
OCCUPIED_DELAY = 0.02  # seconds, about one transaction of whoever is at it; doubles, up to `MAX_OCCUPIED_DELAY`
MAX_OCCUPIED_DELAY = 0.32  # seconds
HANDLER_DEADLINE = 15.0  # seconds for one batch; meanwhile `consuming` says that we still have it
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
        case Occupied():
            return Retry(min(MAX_OCCUPIED_DELAY, OCCUPIED_DELAY * 2 ** min(delivery - 1, 16)), waiting=True)
        case Unavailable() | TimeoutError():  # a server that hangs is away, too
            return Retry(delay, waiting=True)
        case Permanent() | UnknownContract():
            return Bury(name, f"{name}: {error}")
        case _ if failures < MAX_ATTEMPTS:
            return Retry(delay, waiting=False)
    return Bury(name, f"gave up after {failures} attempts: {name}: {error}")


def waits(error: Exception) -> bool:
    """Whether the message is not to blame."""
    return isinstance(error, Unavailable | Occupied | TimeoutError)


def is_named(error: Exception) -> bool:
    """Whether its words say it all, without a traceback."""
    return isinstance(error, Transient | TimeoutError)


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

    async def bury(self, message: Msg, outcome: Bury) -> None:
        about = message.metadata
        # The server's own are meant for its first publication: an expected sequence would never be met again.
        headers = {name: value for name, value in (message.headers or {}).items() if not name.startswith("Nats-")}
        headers |= {
            "Nats-Msg-Id": f"dead:{about.stream}:{about.sequence.stream}:{about.consumer}",
            "Dead-Reason": one_line(outcome.reason),
            "Dead-Error": outcome.error,
            "Dead-Stream": about.stream,
            "Dead-Subject": message.subject,
            "Dead-Sequence": str(about.sequence.stream),
            "Dead-Attempts": str(about.num_delivered),
            "Dead-Consumer": about.consumer,
            "Dead-At": datetime.now(UTC).isoformat(),
        }
        await self._publish(dead_letter_subject(about.consumer, message.subject), headers, message.data)


def one_line(reason: str) -> str:
    """A NATS header holds one line of ASCII."""
    return " ".join(reason.split())[:MAX_REASON].encode("ascii", "backslashreplace").decode()
