"""How far children stray from their parent in a result: order for each connection kept, parents first. Pure but for
temporary files.

Shopify promises no more of an ungrouped result (docs/shopify.md 4); how far is undocumented, hence the knob.
"""

import heapq
import random
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import IO, Literal, Protocol

PIECE = 1 << 20  # bytes copied at once


class Spread(Protocol):
    def put(self, line: bytes, branch: int, after: int) -> int:
        """Take a line whose parent was put at `after`; where this one is, for its children."""

    def ready(self) -> list[bytes]:
        """Lines that may be written now."""

    def rest(self) -> Iterator[bytes]:
        """What is left at the end, in pieces that end lines."""


class Grouped:
    """Each line right below what was put before it."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []

    def put(self, line: bytes, branch: int, after: int) -> int:  # noqa: ARG002 - the protocol's
        self._lines.append(line)
        return 0

    def ready(self) -> list[bytes]:
        lines, self._lines = self._lines, []
        return lines

    def rest(self) -> Iterator[bytes]:
        yield from self.ready()


class Scattered:
    """Children up to `reach` lines later."""

    def __init__(self, reach: int, chance: random.Random) -> None:
        self._reach, self._chance = reach, chance
        self._waiting: list[tuple[int, int, bytes]] = []
        self._order = count()
        self._last: dict[int, int] = {}  # by branch
        self._now = 0

    def put(self, line: bytes, branch: int, after: int) -> int:
        self._now += 1
        due = self._now
        if branch:
            due = max(due + int(self._chance.random() * self._reach), self._last.get(branch, 0), after)
            self._last[branch] = due
        heapq.heappush(self._waiting, (due, next(self._order), line))
        return due

    def ready(self) -> list[bytes]:
        lines = []
        while self._waiting and self._waiting[0][0] <= self._now:
            lines.append(heapq.heappop(self._waiting)[2])
        return lines

    def rest(self) -> Iterator[bytes]:
        while self._waiting:
            yield heapq.heappop(self._waiting)[2]


class AtTheEnd:
    """All roots, then all of the first connection's lines, and so on: kept on disk meanwhile."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lines: list[bytes] = []
        self._files: dict[int, IO[bytes]] = {}

    def put(self, line: bytes, branch: int, after: int) -> int:  # noqa: ARG002 - the protocol's
        if not branch:
            self._lines.append(line)
            return 0
        if branch not in self._files:
            self._files[branch] = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - closed in `rest`
        self._files[branch].write(line + b"\n")
        return 0

    def ready(self) -> list[bytes]:
        lines, self._lines = self._lines, []
        return lines

    def rest(self) -> Iterator[bytes]:
        """Branches are numbered as they were met, a parent before its children."""
        for _, file in sorted(self._files.items()):
            file.seek(0)
            while piece := file.readlines(PIECE):
                yield b"".join(piece).removesuffix(b"\n")
            file.close()


def spread(
    grouped: bool,
    scatter: int | Literal["end"],
    folder: Path,
    chance: random.Random,
) -> Spread:
    if grouped or scatter == 0:
        return Grouped()
    return AtTheEnd(folder) if scatter == "end" else Scattered(scatter, chance)
