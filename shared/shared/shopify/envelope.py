"""Read what Shopify answered: data, or the error it is. Pure.

Shapes: docs/shopify.md 2.2. A static error has only `errors`; a run-time error also has `data` and a cost;
userErrors stand inside `data`; THROTTLED is an HTTP 200.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, field_validator

from shared.shopify.bucket import ThrottleStatus
from shared.shopify.errors import ShopifyFaulted, ShopifyRefused, ShopifyUnavailable, Throttled, UserError

DEFAULT_RETRY_AFTER = 1.0  # seconds, where Shopify names no time
MAX_RETRY_AFTER = 60.0  # seconds; a longer wait is for whoever redelivers
MAX_MESSAGE = 500  # characters of Shopify's own words that are passed on

SLOW_DOWN = frozenset({429, 430})  # at the edge; 430 is Shopify's own
_SERVER_ERROR = 500
_REQUEST_TIMEOUT = 408

# Codes by which Shopify blames itself; every other one blames the request.
_OWN_FAULTS = frozenset({"INTERNAL_SERVER_ERROR", "TIMEOUT", "SERVICE_UNAVAILABLE"})


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Throttle(_Lenient):
    maximum: FiniteFloat = Field(alias="maximumAvailable", gt=0)
    available: FiniteFloat = Field(alias="currentlyAvailable")
    rate: FiniteFloat = Field(alias="restoreRate", gt=0)


class _Cost(_Lenient):
    requested: FiniteFloat = Field(alias="requestedQueryCost", ge=0)
    actual: FiniteFloat | None = Field(None, alias="actualQueryCost", ge=0)
    throttle: _Throttle | None = Field(None, alias="throttleStatus")


class _Warning(_Lenient):
    field: str = ""
    message: str = ""


class _Search(_Lenient):
    warnings: list[_Warning] = []


class _Extensions(_Lenient):
    cost: _Cost | None = None
    search: list[_Search] = []


class _ErrorExtensions(_Lenient):
    code: str | None = None


class _Error(_Lenient):
    message: str = ""
    extensions: _ErrorExtensions = _ErrorExtensions()


class _UserError(_Lenient):
    field: list[str] | None = None
    message: str
    code: str | None = None


class _Payload(_Lenient):
    user_errors: list[_UserError] = Field([], alias="userErrors")


class _Envelope(_Lenient):
    data: dict[str, Any] | None = None
    errors: list[_Error] = []
    extensions: _Extensions = _Extensions()

    @field_validator("errors", mode="before")
    @classmethod
    def _as_list(cls, value: Any) -> Any:
        """At the edge, `errors` may be a string or an object (401: "[API] Invalid API key …")."""
        if isinstance(value, list):
            return [error if isinstance(error, dict) else {"message": str(error)} for error in value]
        return [] if value is None else [{"message": str(value)}]


@dataclass(frozen=True, slots=True)
class Cost:
    """In points. `actual` is None when Shopify executed nothing."""

    requested: float
    actual: float | None
    status: ThrottleStatus | None


@dataclass(frozen=True, slots=True)
class Postmark:
    """What is written on the outside of an answer. `date` is Shopify's clock, in whole seconds; `arrived_at` ours."""

    arrived_at: datetime
    date: datetime | None
    api_version: str | None


@dataclass(frozen=True, slots=True)
class Answer:
    """`data` is GraphQL's, unread. `read_began_at` (aware UTC, our clock) is just before the request left: what
    Shopify had changed by then is in `data`. `warnings` are the search's: it may have read the query otherwise.
    """

    data: dict[str, Any]
    cost: Cost | None
    read_began_at: datetime
    warnings: tuple[str, ...] = ()
    postmark: Postmark | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """A body with HTTP 200, parsed. `error` is what to raise instead of using `data`."""

    data: dict[str, Any]
    cost: Cost | None
    warnings: tuple[str, ...]
    error: Throttled | ShopifyFaulted | ShopifyRefused | None = None

    def charged(self) -> float | None:
        """Points that the call used up; None when that is unknown.

        THROTTLED and static errors are never charged, an error at run time is (docs/shopify.md 2.2).
        """
        if self.cost is None or isinstance(self.error, Throttled):
            return 0.0 if self.error is not None else None
        return self.cost.requested if self.cost.actual is None else self.cost.actual


def read(body: bytes) -> Reading:
    """Parse the body of an HTTP 200. Raises `ShopifyFaulted` when it is no GraphQL answer."""
    try:
        envelope = _Envelope.model_validate(orjson.loads(body))
    except (orjson.JSONDecodeError, ValidationError) as error:
        raise ShopifyFaulted(f"the answer is not GraphQL's: {type(error).__name__}") from None
    if envelope.data is None and not envelope.errors:
        raise ShopifyFaulted("the answer has neither data nor errors")
    cost = _cost(envelope.extensions.cost)
    warnings = tuple(f"{w.field}: {w.message}" for search in envelope.extensions.search for w in search.warnings)
    data = envelope.data or {}
    partial = any(value is not None for value in data.values())
    return Reading(data, cost, warnings, _error(envelope.errors, cost, partial=partial) if envelope.errors else None)


def postmark(headers: Mapping[str, str], arrived_at: datetime) -> Postmark:
    """From an answer's headers; a date that can't be read is None."""
    try:
        date = parsedate_to_datetime(headers["Date"]) if "Date" in headers else None
    except ValueError:
        date = None
    if date is not None and date.tzinfo is None:
        date = None
    return Postmark(arrived_at, date, headers.get("X-Shopify-API-Version"))


def refusal(status: int, retry: str | None, body: bytes) -> Throttled | ShopifyUnavailable | ShopifyRefused:
    """The error that an HTTP status other than 200 is (docs/shopify.md 2.2). `retry` is its Retry-After header."""
    message = f"HTTP {status} {words(body)}".strip()
    if status in SLOW_DOWN:
        return Throttled(message, retry_after=retry_after(retry))
    if status >= _SERVER_ERROR or status == _REQUEST_TIMEOUT:
        return ShopifyUnavailable(message, may_have_happened=True)
    return ShopifyRefused(message, status=status)


def user_errors(data: dict[str, Any]) -> tuple[UserError, ...]:
    """Those of every mutation in the answer. Raises `ShopifyFaulted` when they can't be read."""
    try:
        payloads = [_Payload.model_validate(payload) for payload in data.values() if isinstance(payload, dict)]
    except ValidationError:
        raise ShopifyFaulted("userErrors have an unknown shape") from None
    found = (error for payload in payloads for error in payload.user_errors)
    return tuple(UserError(tuple(error.field or ()), error.message, error.code) for error in found)


def words(body: bytes) -> str:
    """What an answer other than 200 says, shortened; empty when it says nothing readable."""
    try:
        errors = _Envelope.model_validate(orjson.loads(body)).errors
    except (orjson.JSONDecodeError, ValidationError):
        return ""
    return "; ".join(error.message for error in errors)[:MAX_MESSAGE]


def retry_after(header: str | None) -> float:
    """Seconds from a Retry-After header (Shopify prints a decimal: "4.0"), within bounds."""
    try:
        seconds = float(header) if header else DEFAULT_RETRY_AFTER
    except ValueError:
        return DEFAULT_RETRY_AFTER
    return min(max(seconds, 0.0), MAX_RETRY_AFTER) if seconds == seconds else DEFAULT_RETRY_AFTER  # noqa: PLR0124  NaN


def _cost(cost: _Cost | None) -> Cost | None:
    if cost is None:
        return None
    throttle = cost.throttle
    status = None if throttle is None else ThrottleStatus(throttle.maximum, throttle.available, throttle.rate)
    return Cost(cost.requested, cost.actual, status)


def _error(errors: list[_Error], cost: Cost | None, *, partial: bool) -> Throttled | ShopifyFaulted | ShopifyRefused:
    codes = [error.extensions.code for error in errors]
    message = "; ".join(error.message for error in errors)[:MAX_MESSAGE]
    if "THROTTLED" in codes:
        return Throttled(message, retry_after=_points_back_in(cost))
    if _OWN_FAULTS.intersection(codes):
        return ShopifyFaulted(message)
    return ShopifyRefused(message, status=200, code=next(filter(None, codes), None), partial=partial)


def _points_back_in(cost: Cost | None) -> float:
    """Seconds until the bucket holds what was asked for: (requested - available) / rate."""
    if cost is None or cost.status is None:
        return DEFAULT_RETRY_AFTER
    return min(max((cost.requested - cost.status.available) / cost.status.rate, 0.0), MAX_RETRY_AFTER)
