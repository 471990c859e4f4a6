"""What is purged next: some tags, or everything. Pure.

A tag that was heard is purged at once, but never twice within `interval`: what comes meanwhile waits for the next
purge, which serves all of it. Each purge is **repeated** `repeat_after` seconds later: an answer that was on its way
from read-api to the edge when the purge came, and says what was before, is stored after it.

A message is released (its caller acknowledges it) when nothing depends on it any more. Each tag has one bearer, the
latest message that named it; a crash redelivers it, and so the tag. When everything is **owed**, that stands in a
table, and no message needs to bear it.

Clocks come in through the door: seconds, from any beginning, that only grow.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Generic, TypeVar

MAX_TAGS = 5_000  # remembered at once; beyond that, everything is purged instead

M = TypeVar("M")


class Scope(IntEnum):
    """What `everything` means; the greater one includes the other."""

    OURS = 1  # whatever bears our common tag
    WHOLE = 2  # all that the provider has of this zone or service, tagged or not


@dataclass(frozen=True)
class Some:
    """Purge these tags, in one call."""

    tags: tuple[str, ...]


@dataclass(frozen=True)
class Everything:
    """Purge everything."""

    scope: Scope


@dataclass(frozen=True)
class Escalate:
    """Owe everything: the tags that wait are more than can be worked off in time."""

    tags: int


@dataclass(frozen=True)
class Rest:
    """Nothing is due before `until`."""

    until: float


@dataclass(eq=False, slots=True)
class _Bearer(Generic[M]):
    message: M
    tags: int  # that it still bears


@dataclass(slots=True)
class _Due(Generic[M]):
    bearer: _Bearer[M]
    heard_at: float | None  # the oldest announcement that no purge has served
    going_at: float | None = None  # the same, of the purge that is under way
    ripe_at: float = -math.inf  # not before
    repeat_at: float | None = None
    again_at: float | None = None  # a repeat after that one, for what was purged since

    def at(self) -> float:
        wanted = self.repeat_at if self.heard_at is None else -math.inf
        return math.inf if wanted is None else max(self.ripe_at, wanted)

    def order(self) -> tuple[bool, float]:
        """Who has waited longest comes first; repeats take what room is left."""
        return (True, self.repeat_at or 0.0) if self.heard_at is None else (False, self.heard_at)


@dataclass(frozen=True)
class _Whole:
    """Everything is to be purged: `since` the oldest announcement that waits for it, or for the second time."""

    scope: Scope
    at: float
    since: float | None = None


class Backlog(Generic[M]):
    """All that was heard and is not purged yet, or not for the last time. `repeat_after` is more than `interval`."""

    def __init__(self, interval: float, repeat_after: float) -> None:
        self._interval = interval
        self._repeat_after = repeat_after
        self._due: dict[str, _Due[M]] = {}
        self._owed: _Whole | None = None
        self._going: _Whole | None = None
        self._repeat: _Whole | None = None

    def __len__(self) -> int:
        """Tags that are remembered."""
        return len(self._due)

    @property
    def settled(self) -> bool:
        """Whether everything that was owed is purged, for the last time."""
        return self._owed is None and self._going is None and self._repeat is None

    def oldest(self) -> float | None:
        """When the oldest announcement was made that nothing was purged for."""
        of_tags = (at for due in self._due.values() for at in (due.heard_at, due.going_at))
        of_all = (whole.since for whole in (self._owed, self._going) if whole is not None)
        return min((at for at in (*of_tags, *of_all) if at is not None), default=None)

    def hear(self, tags: Iterable[str], message: M, announced_at: float) -> list[M]:
        """What is released by it: messages whose tags this one bears now; itself, when everything is owed anyway."""
        if self._owed is not None and self._owed.since is not None:
            self._owed = replace(self._owed, since=min(self._owed.since, announced_at))
            return [message]
        names = dict.fromkeys(tags)
        bearer = _Bearer(message, len(names))
        if not names:
            return [message]
        return [released for name in names for released in self._bear(name, bearer, announced_at)]

    def _bear(self, tag: str, bearer: _Bearer[M], announced_at: float) -> Iterator[M]:
        due = self._due.get(tag)
        if due is None:
            self._due[tag] = _Due(bearer, announced_at)
            return
        before, due.bearer = due.bearer, bearer
        due.heard_at = announced_at if due.heard_at is None else min(due.heard_at, announced_at)
        yield from _put_down(before)

    def owe(self, scope: Scope, now: float) -> list[M]:
        """Everything must go. Call it when that is written down; what is released needs no bearer any more."""
        oldest = self.oldest()
        before = [whole.scope for whole in (self._owed, self._going, self._repeat) if whole is not None]
        self._owed = _Whole(max(scope, *before, scope), now, now if oldest is None else oldest)
        self._repeat = None
        released = [message for due in self._due.values() for message in _put_down(due.bearer)]
        self._due.clear()
        return released

    def next(self, now: float, batch: int, affordable: int) -> Some | Everything | Escalate | Rest:
        """`batch`: tags in one call. `affordable`: tags that the quota lets us purge in good time."""
        if self._owed is not None:
            return Everything(self._owed.scope)
        fresh = sum(due.heard_at is not None for due in self._due.values())
        if fresh > max(batch, affordable) or len(self._due) > MAX_TAGS:
            return Escalate(fresh)
        if self._repeat is not None and self._repeat.at <= now:
            return Everything(self._repeat.scope)
        ripe = sorted((*due.order(), tag) for tag, due in self._due.items() if due.at() <= now)
        if ripe:
            return Some(tuple(tag for *_, tag in ripe[:batch]))
        later = [due.at() for due in self._due.values()]
        return Rest(min(later if self._repeat is None else [*later, self._repeat.at], default=math.inf))

    def begin(self, step: Some | Everything) -> None:
        """The call goes out now: what is heard from here on is served by a later one."""
        if isinstance(step, Everything):
            self._going, self._owed, self._repeat = self._owed or self._repeat, None, None
            return
        for tag in step.tags:
            due = self._due[tag]
            due.going_at, due.heard_at = due.heard_at, None

    def accepted(self, step: Some | Everything, began: float) -> list[M]:
        """The provider has done what began then."""
        if isinstance(step, Everything):
            going, self._going = self._going, None
            if going is not None and going.since is not None and self._owed is None:
                self._repeat = _Whole(going.scope, began + self._repeat_after)
            return []
        return [message for tag in step.tags for message in self._served(tag, began)]

    def _served(self, tag: str, began: float) -> Iterator[M]:
        due = self._due.get(tag)
        if due is None:
            return  # everything became owed meanwhile
        due.ripe_at = began + self._interval
        while due.repeat_at is not None and due.repeat_at <= began:
            due.repeat_at, due.again_at = due.again_at, None
        if due.going_at is not None:
            later = began + self._repeat_after
            due.repeat_at, due.again_at = (later, None) if due.repeat_at is None else (due.repeat_at, later)
        due.going_at = None
        if due.heard_at is None and due.repeat_at is None:
            del self._due[tag]
            yield from _put_down(due.bearer)

    def failed(self, step: Some | Everything) -> list[M]:
        """The provider has not, or we don't know. What is released is owed, and that is still written down."""
        if isinstance(step, Everything):
            going, self._going = self._going, None
            if going is None or self._owed is not None:
                return []
            if going.since is None:
                self._repeat = going
                return []
            released = self.owe(going.scope, going.since)
            if self._owed is not None:
                self._owed = replace(self._owed, since=min(going.since, self._owed.since or going.since))
            return released
        for due in (self._due[tag] for tag in step.tags if tag in self._due):
            both = [at for at in (due.heard_at, due.going_at) if at is not None]
            due.heard_at, due.going_at = min(both, default=None), None
        return []


def _put_down(bearer: _Bearer[M]) -> Iterator[M]:
    bearer.tags -= 1
    if not bearer.tags:
        yield bearer.message
