"""What the doctor says: one sentence with the facts, and what a person must do. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

MAX_NAMED = 8  # things that one sentence names; of more it says how many


class State(StrEnum):
    OK = "ok"
    REPAIRED = "repaired"  # it was not, and now is
    WARNING = "warning"  # it works, and will not always
    FAILED = "failed"  # readers see less than Shopify has, or soon will


@dataclass(frozen=True)
class Finding:
    """`todo` is for a person; None: nothing is left to do."""

    check: str
    state: State
    says: str
    todo: str | None = None

    def spelled(self) -> dict[str, str | None]:
        return {"check": self.check, "state": self.state.value, "says": self.says, "todo": self.todo}


def ok(check: str, says: str) -> Finding:
    return Finding(check, State.OK, says)


def repaired(check: str, says: str, todo: str | None = None) -> Finding:
    return Finding(check, State.REPAIRED, says, todo)


def warning(check: str, says: str, todo: str | None) -> Finding:
    return Finding(check, State.WARNING, says, todo)


def failed(check: str, says: str, todo: str | None) -> Finding:
    return Finding(check, State.FAILED, says, todo)


def named(things: Iterable[object]) -> str:
    """a, b and 3 more."""
    words = [str(thing) for thing in things]
    if len(words) > MAX_NAMED:
        words[MAX_NAMED:] = [f"{len(words) - MAX_NAMED} more"]
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def how_many(things: Sequence[object] | int, one: str, many: str | None = None) -> str:
    """1 subscription, 2 subscriptions."""
    count = things if isinstance(things, int) else len(things)
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def span(seconds: float) -> str:
    """About how long, in words: 45 s, 12 min, 3 h, 5 days."""
    for unit, size, enough in (("days", 86_400, 2), ("h", 3_600, 2), ("min", 60, 2)):
        if seconds >= enough * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
