"""Faults that are aimed: each strikes the next requests that it fits, so often, and is used up. Pure.

Two questions make a fault: what becomes of the effect, and what does the caller get? The shares among the knobs are
luck; these are for a test that needs this command to fail in this way.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, model_validator

from sandbox.shopify.knobs import Seconds

ARMED = 1_000  # faults armed at once
STRUCK = 10_000  # strikes remembered; the oldest go first


class TooManyFaults(Exception):
    """Too many faults are armed; clear some."""


class Effect(StrEnum):
    """What becomes of it."""

    NONE = "none"
    ONCE = "once"
    TWICE = "twice"  # Shopify's edge repeats the request: the second one's answer is given
    LATE = "late"  # admitted and charged, carried out `effect_after` seconds later whatever the caller does meanwhile


class Answer(StrEnum):
    """What the caller gets."""

    GIVEN = "given"
    ERROR = "error"  # HTTP `status`
    CLOSED = "closed"  # the connection is closed without a byte
    HANGS = "hangs"  # nothing, until the caller gives up
    THROTTLED = "throttled"  # THROTTLED, though the points are there
    INTERNAL_ERROR = "internal_error"  # HTTP 200 with INTERNAL_SERVER_ERROR instead of data
    REFUSED = "refused"  # charged, and answered with `user_errors`: what can't come from the state of this shop


class Refusal(BaseModel):
    """One of `userErrors`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    field: list[str] | None = None
    message: str
    code: str | None = None


class Fault(BaseModel):
    """One fault. Its defaults are no fault: an answer that comes in time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mutation: str | None = Field(None, description="productUpdate; null: any mutation (unless `query` is given).")
    query: str | None = Field(None, description="A root field of a query, product, to strike reads instead.")
    match: str | None = Field(
        None, min_length=1, description="What must occur in the request's variables, as JSON without spaces."
    )
    times: int = Field(1, ge=1, le=100_000, description="How many requests it strikes.")
    effect: Effect = Effect.ONCE
    answer: Answer = Answer.GIVEN
    status: int = Field(502, ge=400, le=599, description="Of the answer `error`; 429 and 430 come from the edge.")
    retry_after: float | None = Field(None, ge=0, description="Seconds in a Retry-After of the answer `error`.")
    seconds: Seconds = Field(0, description="The answer comes so much later than the latency alone would have it.")
    effect_after: float = Field(
        0, ge=0, le=600, description="The effect `late` happens so many seconds after the request was admitted."
    )

    user_errors: list[Refusal] = Field([], description="Of the answer `refused`.")

    @model_validator(mode="after")
    def _makes_sense(self) -> "Fault":
        if self.mutation is not None and self.query is not None:
            raise ValueError("A fault strikes mutations or queries.")
        if self.answer is Answer.GIVEN and self.effect in {Effect.NONE, Effect.LATE}:
            raise ValueError("No answer can be given before there is an effect.")
        if self.answer in {Answer.THROTTLED, Answer.REFUSED} and self.effect is not Effect.NONE:
            raise ValueError("What is throttled or refused has no effect.")
        if bool(self.user_errors) != (self.answer is Answer.REFUSED) or (self.user_errors and self.query):
            raise ValueError("The answer `refused` of a mutation, and no other, has `user_errors`.")
        if bool(self.effect_after) != (self.effect is Effect.LATE):
            raise ValueError("The effect `late`, and no other, has an `effect_after`.")
        return self

    def fits(self, operation: str, fields: Sequence[str], variables: Any) -> bool:
        """`operation` is query or mutation, `fields` the root fields it names."""
        if operation != ("query" if self.query is not None else "mutation"):
            return False
        named = self.query if self.query is not None else self.mutation
        if named is not None and named not in fields:
            return False
        return self.match is None or self.match in orjson.dumps(variables).decode()


@dataclass(slots=True)
class Armed:
    id: int
    fault: Fault
    left: int

    def as_json(self) -> dict[str, Any]:
        return {"id": self.id, "left": self.left, **self.fault.model_dump(mode="json")}


@dataclass(frozen=True, slots=True)
class Strike:
    """`fields` are what the struck request asked for."""

    fault_id: int
    at: datetime
    fields: tuple[str, ...]


@dataclass(slots=True)
class Faults:
    """Those armed, in the order they were armed: the first that fits strikes."""

    armed: dict[int, Armed] = field(default_factory=dict)
    struck: deque[Strike] = field(default_factory=lambda: deque(maxlen=STRUCK))
    _last: int = 0

    def arm(self, fault: Fault) -> Armed:
        if len(self.armed) >= ARMED:
            raise TooManyFaults(f"{ARMED} are armed.")
        self._last += 1
        self.armed[self._last] = Armed(self._last, fault, fault.times)
        return self.armed[self._last]

    def fitting(self, operation: str, fields: Sequence[str], variables: Any) -> Armed | None:
        """Not used up by being found: see `strike`."""
        return next((one for one in self.armed.values() if one.fault.fits(operation, fields, variables)), None)

    def strike(self, armed: Armed, at: datetime, fields: Sequence[str]) -> None:
        self.struck.append(Strike(armed.id, at, tuple(fields)))
        armed.left -= 1
        if armed.left <= 0:
            self.armed.pop(armed.id, None)

    def clear(self) -> int:
        """Disarm all; how many there were."""
        cleared = len(self.armed)
        self.armed.clear()
        return cleared
