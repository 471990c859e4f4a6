"""`understudy bench read`: the parts of it, each on its own."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from ops.bench import cold, curve, hot, mixed
from ops.bench.contenders import CACHE_ASIDE, CASHEWS, FASTAPI_CACHE, check_installed
from ops.bench.plots import Series
from ops.bench.questions import path
from ops.bench.report import Row
from ops.bench.requirements import program
from ops.bench.subject import Say, Subject


class Part(StrEnum):
    COLD = "cold"  # first: nobody may have read those events yet
    HOT = "hot"
    CURVE = "curve"
    MIXED = "mixed"


@dataclass
class Findings:
    rows: list[Row] = field(default_factory=list)
    points: list[curve.Point] = field(default_factory=list)

    def series(self) -> list[Series]:
        return list(lines(self.points))


NEEDS = {
    Part.COLD: ((), (CACHE_ASIDE, CASHEWS, FASTAPI_CACHE)),
    Part.HOT: (("wrk", "nginx"), (CACHE_ASIDE, CASHEWS, FASTAPI_CACHE)),
    Part.CURVE: (("nginx",), (CACHE_ASIDE,)),
    Part.MIXED: ((), (CACHE_ASIDE,)),
}


def check(parts: Sequence[Part]) -> None:
    """Raises NotInstalled for the first thing that is missing, before anything is started."""
    for programs, peers in (NEEDS[part] for part in parts):
        for name in programs:
            program(name)
        check_installed(peers)


def measure(
    subject: Subject,
    events: Sequence[Mapping[str, Any]],
    parts: Sequence[Part],
    seconds: float,
    scratch: Path,
    say: Say,
) -> Findings:
    """In an order of its own. Raises NotInstalled, ProcessError, Refused, ServerDown."""
    found = Findings()
    asked = path(events[0])
    for part in (part for part in Part if part in parts):
        room = scratch / part.value
        room.mkdir()
        match part:
            case Part.COLD:
                found.rows += cold.measure(subject, events, room, say)
            case Part.HOT:
                found.rows += hot.measure(subject, asked, seconds, room, say)
            case Part.CURVE:
                found.points = curve.measure(subject, asked, seconds, room, say)
                found.rows += curve.rows(found.points)
            case Part.MIXED:
                found.rows += mixed.measure(subject, events, seconds, room, say)
    return found


def lines(points: Sequence[curve.Point]) -> Iterator[Series]:
    for who in dict.fromkeys(point.who for point in points):
        own = [point for point in points if point.who == who]
        for part in ("p50", "p99"):
            yield Series(who, part, [point.rate for point in own], [point.figures[f"{part} ms"] for point in own])
