"""Who asks, and what they may do. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from shared.errors import Permanent

MAX_SCOPES = 100  # of one token; the rest of a longer list is not looked at


class Scope(StrEnum):
    EVENTS_READ = "events:read"
    EVENTS_WRITE = "events:write"
    JOBS_READ = "jobs:read"
    ADMIN = "admin"  # implies all others


class InvalidToken(Permanent):
    """The token proves nothing."""


@dataclass(frozen=True, slots=True)
class Principal:
    """`subject` is a JWT's `sub`, or `key:<id>` of a static key.

    `expires_at`: Unix seconds from which on the token is refused, with the leeway that it is given; None: never.
    """

    subject: str
    scopes: frozenset[str]
    expires_at: float | None = None

    def may(self, scope: str) -> bool:
        return scope in self.scopes or Scope.ADMIN in self.scopes


def known_scopes(names: Iterable[str]) -> frozenset[str]:
    """Those of `names` that mean something here: an identity provider's other scopes are none of our business."""
    return frozenset(list(names)[:MAX_SCOPES]) & frozenset(scope.value for scope in Scope)
