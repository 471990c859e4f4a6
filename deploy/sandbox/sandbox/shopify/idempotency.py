"""`@idempotent(key:)`: one effect for one key, for 24 hours (docs/shopify.md 3). Pure.

A key is held by a request from its admission to its answer; a second request with a held key is told so. A key that was
used answers again with what it did then, rendered from the present state; with other arguments it is refused.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson

from sandbox.shopify.refusals import refuse

RETENTION = timedelta(hours=24)
MAX_KEYS = 100_000  # the oldest go first


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a call, and whether its key is used up by it."""

    result: Any
    refused: bool
    remembered: bool


@dataclass(frozen=True, slots=True)
class Used:
    fingerprint: str
    done: Done
    at: datetime


@dataclass(slots=True)
class Idempotency:
    clock: Callable[[], datetime]
    replays: int = 0  # calls answered with what an earlier one did
    _used: OrderedDict[str, Used] = field(default_factory=OrderedDict)
    _held: set[str] = field(default_factory=set)

    def hold(self, keys: list[str]) -> frozenset[str]:
        """The keys that were free and are now held by the caller, until `release`."""
        mine = frozenset(key for key in keys if key not in self._held)
        self._held |= mine
        return mine

    def release(self, keys: frozenset[str]) -> None:
        self._held -= keys

    def once(self, key: str, held: frozenset[str], mutation: str, arguments: Any, effect: Callable[[], Done]) -> Any:
        """Run `effect` unless the key was used.

        Raises:
            Refused: the key is held by another request, was used with other arguments, or used up by a refusal.

        """
        if key not in held:
            message = "This request is currently in progress, please try again."
            raise refuse(None, message, "IDEMPOTENCY_CONCURRENT_REQUEST")
        self._forget()
        fingerprint = hashlib.sha256(orjson.dumps([mutation, arguments], option=orjson.OPT_SORT_KEYS)).hexdigest()
        used = self._used.get(key)
        if used and used.fingerprint != fingerprint:
            message = "The same idempotency key cannot be used with different operation parameters."
            raise refuse(None, message, "IDEMPOTENCY_KEY_PARAMETER_MISMATCH")
        if used and used.done.refused:
            message = "A previous request with this idempotency key failed. Retry with a new idempotency key."
            raise refuse(None, message, "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED")
        if used:
            self.replays += 1
            return used.done.result
        done = effect()
        if done.remembered:
            self._used[key] = Used(fingerprint, done, self.clock())
        return done.result

    def _forget(self) -> None:
        oldest = self.clock() - RETENTION
        while self._used and (len(self._used) > MAX_KEYS or next(iter(self._used.values())).at < oldest):
            self._used.popitem(last=False)
