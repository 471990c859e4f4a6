"""When Shopify itself fails: stop asking, try again with one call, and say how long that takes. Pure.

    closed      calls go out. THRESHOLD failures in a row, and it opens
    open        no call goes out, for FIRST_PAUSE seconds, doubled each time up to LONGEST_PAUSE
    half open   one call at a time finds out: a success closes, a failure opens again, for longer

A failure counts when it says something about Shopify, not about the request. What one event may cause by itself (a
time-out, an error inside Shopify) counts once for each event: an event that Shopify never gets done with can't stop
the others, which succeed or don't call at all. To be throttled is no failure: the governor slows down.
"""

from dataclasses import dataclass, replace

from shared.shopify.errors import NeverLeft, ShopifyFaulted, ShopifyRefused, ShopifyUnavailable

THRESHOLD = 5  # a lost connection or a restart over there costs one or two; five in a row are no accident
FIRST_PAUSE = 1.0  # seconds
LONGEST_PAUSE = 60.0  # seconds; so long may Shopify be well again before anybody notices
OK, TOO_LARGE = 200, 413  # HTTP's


@dataclass(frozen=True, slots=True)
class State:
    """Closed while `until` is None: seconds of the clock that every `now` here is of. `failures` in a row, `reason` of
    the last. `suspects`: the events among those that failed while it was closed; not worth keeping over a restart.
    """

    until: float | None = None
    failures: int = 0
    reason: str = ""
    suspects: frozenset[int] = frozenset()


CLOSED = State()


@dataclass(frozen=True, slots=True)
class Failure:
    """`everyone`: any other call would have failed as well."""

    reason: str
    everyone: bool


def failure(error: Exception) -> Failure | None:
    """What an error says about Shopify itself; None: nothing. A refused command is an answer, and no failure."""
    match error:
        case NeverLeft():
            return None
        case ShopifyRefused(status=status) if speaks_of_all(status):
            return Failure(f"Shopify answers HTTP {status}", everyone=True)
        case ShopifyUnavailable(may_have_happened=False):
            return Failure(f"Shopify can't be reached: {error}", everyone=True)
        case ShopifyUnavailable():
            return Failure(f"Shopify gives no answer: {error}", everyone=False)
        case ShopifyFaulted():
            return Failure(f"Shopify fails inside: {error}", everyone=False)
    return None


def speaks_of_all(status: int) -> bool:
    """Whether an HTTP status means every command: the token, the plan, the shop, the address (docs/shopify.md 2.2).

    What is wrong with one command stands in a 200; only too large a one has a status of its own.
    """
    return status not in (OK, TOO_LARGE)


def failed(state: State, now: float, reason: str, *, lane: int | None = None) -> State:
    """A call failed. `lane`: of the event that may be the cause itself; None: any other call would have failed.

    What fails while it is open was sent before, and tells nothing new.
    """
    if state.until is None:
        return _suspected(state, now, reason, lane)
    if now < state.until:
        return state
    return _opened(replace(state, failures=state.failures + 1, reason=reason), now)


def succeeded(_state: State) -> State:
    """A call was answered, whatever the answer."""
    return CLOSED


def may_call(state: State, now: float, probing: bool) -> bool:
    """Whether a call may go out. `probing`: one is under way that went out when it was open no longer."""
    return state.until is None or (now >= state.until and not probing)


def is_open(state: State) -> bool:
    """Open or half open: nothing is known to work."""
    return state.until is not None


def opens_in(state: State, now: float) -> float:
    """Seconds until a call may go out, 0 when one may now: what is told to those who wait, on top of their turn."""
    return 0.0 if state.until is None else max(0.0, state.until - now)


def _suspected(state: State, now: float, reason: str, lane: int | None) -> State:
    if lane is not None and lane in state.suspects:
        return replace(state, reason=reason)
    suspects = state.suspects if lane is None else state.suspects | {lane}
    counted = State(None, state.failures + 1, reason, suspects)
    return counted if counted.failures < THRESHOLD else _opened(counted, now)


def _opened(state: State, now: float) -> State:
    doublings = min(state.failures - THRESHOLD, 10)  # beyond the longest pause it makes no difference
    pause = min(FIRST_PAUSE * 2.0 ** max(0, doublings), LONGEST_PAUSE)
    return State(now + pause, state.failures, state.reason)
