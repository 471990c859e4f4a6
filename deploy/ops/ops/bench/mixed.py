"""Ten thousand readers who stay connected and ask for this and that: ours, and FastAPI with Redis."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from ops.bench import cpu
from ops.bench.contenders import CACHE_ASIDE, Contender, peers
from ops.bench.load import Outcome, Plan
from ops.bench.loading import figures, generate, keeps_up, warm
from ops.bench.questions import SAMPLE, mixture, path
from ops.bench.report import OURS, Row, Target, number
from ops.bench.requirements import open_files
from ops.bench.subject import Say, Subject

SPARE_FILES = 1_000
ASK_WITHIN = 10.0  # seconds
WARM_UP = 2.0  # seconds
SUSTAINED = 500.0  # ms
LEAST = 250.0  # requests a second; who does not sustain that sustains nothing
MOST_LATE = 10.0  # ms; a generator that was later than this measured itself
TARGETS = (Target("p99 ms", under=50), Target("errors", under=1))
NO_TAGS = "it knows no entity tags: what ours answers 304, it sends whole"


@dataclass(frozen=True)
class Crowd:
    """So many connections that ask so many times a second, all together."""

    connections: int = 10_000
    rate: float = 10_000.0

    def words(self, rate: float) -> str:
        return f"{number(self.connections)} connections, {number(rate)} requests/s, mixed paths"


def measure(
    subject: Subject,
    events: Sequence[Mapping[str, Any]],
    seconds: float,
    scratch: Path,
    say: Say,
    crowd: Crowd = Crowd(),  # frozen
) -> list[Row]:
    """Raises Refused where a process may not open that many connections, ProcessError."""
    open_files(crowd.connections + SPARE_FILES)
    ours = Contender(OURS, subject.read_apis[0], subject.pids["read_api"])
    asked = mixture(events, _host(ours), _etags(ours, events))
    rows = list(_down_to_sustained(ours, asked, crowd, seconds, say, "one process"))
    with peers((CACHE_ASIDE,), subject, scratch, crowd=True) as others:
        peer = others[CACHE_ASIDE][0]
        asked = mixture(events, _host(peer), lambda _: None)
        return [*rows, *_down_to_sustained(peer, asked, crowd, seconds, say, f"one process; {NO_TAGS}")]


def _down_to_sustained(
    contender: Contender, asked: Sequence[str], crowd: Crowd, seconds: float, say: Say, note: str
) -> Iterator[Row]:
    """At the crowd's rate; and if it does not sustain that, at the first half, quarter and so on that it does."""
    warm(contender.place, asked)
    rate = crowd.rate
    while True:
        say(f"mixed: {contender.who} at {number(rate)}/s")
        cpu.settle(contender.pid)
        plan = Plan([contender.place], list(asked), crowd.connections, rate, WARM_UP + seconds, WARM_UP)
        outcome = generate(plan)
        sustains = keeps_up(outcome, SUSTAINED)
        if sustains or rate == crowd.rate:
            targets = TARGETS if contender.who == OURS and rate == crowd.rate else ()
            yield Row(crowd.words(rate), contender.who, figures(outcome), targets, _note(outcome, note, sustains))
        if sustains or rate <= LEAST:
            return
        rate /= 2


def _host(contender: Contender) -> str:
    host, port = contender.place
    return f"{host}:{port}"


def _etags(contender: Contender, events: Sequence[Mapping[str, Any]]) -> Callable[[str], str | None]:
    """As it says now, for all that the mixture may ask with."""
    plain = {"Accept-Encoding": "identity"}  # as the load asks: a coded answer has another tag
    with httpx2.Client(base_url=contender.url, headers=plain, trust_env=False, timeout=ASK_WITHIN) as client:
        held = {path(event): client.get(path(event)).headers.get("ETag") for event in events[:SAMPLE]}
    return held.get


def _note(outcome: Outcome, said: str, sustains: bool) -> str:
    words = [said, "sustained" if sustains else "NOT SUSTAINED"]
    words += [f"{times:,} x {status}" for status, times in outcome.statuses.items()]
    words += [f"{outcome.unanswered:,} unanswered"] if outcome.unanswered else []
    words += ["THE GENERATOR WAS LATE"] if outcome.late_p99_ms > MOST_LATE else []
    return "; ".join(words)
