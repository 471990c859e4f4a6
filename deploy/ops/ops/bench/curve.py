"""Latency over load: the same hot document at one rate after the other, until a server no longer keeps up."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ops.bench import cpu
from ops.bench.contenders import CACHE_ASIDE, Contender, nginx, peers
from ops.bench.hot import ask
from ops.bench.load import Plan
from ops.bench.loading import figures, generate, keeps_up
from ops.bench.report import OURS, Row, number
from ops.bench.request import request
from ops.bench.subject import Say, Subject

RATES = (500, 1_000, 2_000, 4_000, 6_000, 8_000, 10_000, 12_500, 15_000, 20_000)  # requests a second
CONNECTIONS = 500
WARM_UP = 0.5  # seconds
SATURATED = 250.0  # ms
WHAT = "hot GET /v1/events/{id}, latency over load"


@dataclass(frozen=True)
class Point:
    """Of one server at one rate; `figures` as a row has them."""

    who: str
    rate: float
    figures: dict[str, float]
    kept_up: bool


def measure(subject: Subject, path: str, seconds: float, scratch: Path, say: Say) -> list[Point]:
    """Points by server, from the lowest rate on; the last of each may be the first at which it did not keep up."""
    ours = Contender(OURS, subject.read_apis[0], subject.pids["read_api"])
    answer = ask(ours, path)
    with (
        nginx({path: answer.body}, answer.headers, scratch / "nginx") as server,
        peers((CACHE_ASIDE,), subject, scratch, crowd=True) as others,
    ):
        return [
            point
            for contender in (ours, server, others[CACHE_ASIDE][0])
            for point in _climb(contender, path, seconds, say)
        ]


def _climb(contender: Contender, path: str, seconds: float, say: Say) -> list[Point]:
    points: list[Point] = []
    host, port = contender.place
    asked = [request(f"{host}:{port}", path).decode()]
    for rate in RATES:
        cpu.settle(contender.pid)
        say(f"latency over load: {contender.who} at {number(rate)}/s")
        outcome = generate(Plan([contender.place], asked, CONNECTIONS, float(rate), WARM_UP + seconds, WARM_UP))
        if outcome.latencies:
            points.append(Point(contender.who, float(rate), figures(outcome), keeps_up(outcome, SATURATED)))
        if not keeps_up(outcome, SATURATED):
            break
    return points


def rows(points: Sequence[Point]) -> list[Row]:
    """The highest rate at which each still kept its p99 below `SATURATED`, and what it was there."""
    kept: dict[str, Point] = {}
    for point in points:
        if point.kept_up:
            kept[point.who] = point
    return [
        Row(
            WHAT,
            who,
            {"kept up with requests/s": point.rate, **point.figures},
            note=f"rates up to {number(max(RATES))}",
        )
        for who, point in kept.items()
    ]
