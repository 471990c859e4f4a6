"""Ten thousand ask at once for a document that no cache has: how often is PostgreSQL asked?"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ops.bench.contenders import CACHE_ASIDE, CASHEWS, CASHEWS_LOCK, FASTAPI_CACHE, peers
from ops.bench.load import Outcome, Plan
from ops.bench.loading import generate
from ops.bench.questions import path
from ops.bench.report import OURS, Row, Target, number
from ops.bench.request import request
from ops.bench.requirements import open_files
from ops.bench.statements import Statements, counted
from ops.bench.subject import Say, Subject

AT_ONCE = 10_000
SPARE_FILES = 1_000
PROCESSES = 2
PATIENCE = 60.0  # seconds: a browser's, not the load generator's usual
BELOW = {CASHEWS_LOCK: "/locked"}  # where the cashews app has its locked twin


def what(at_once: int) -> str:
    return f"cold document, {number(at_once)} at once, {PROCESSES} processes"


def measure(
    subject: Subject, events: Sequence[Mapping[str, Any]], scratch: Path, say: Say, at_once: int = AT_ONCE
) -> list[Row]:
    """Each contender takes an event of its own from the end of `events`; nobody may have asked for it before.

    Raises Refused when PostgreSQL's log does not count, or fewer than two read-apis run.
    """
    open_files(at_once + SPARE_FILES)
    names = (CACHE_ASIDE, CASHEWS, FASTAPI_CACHE)
    with (
        peers(names, subject, scratch, PROCESSES, crowd=True) as others,
        counted(subject.postgres, subject.postgres_log) as log,
    ):
        places = {OURS: subject.places[:PROCESSES]}
        places |= {name: [contender.place for contender in several] for name, several in others.items()}
        places[CASHEWS_LOCK] = places[CASHEWS]
        rows = []
        for event, (who, where) in zip(reversed(events), places.items(), strict=False):
            say(f"cold: {number(at_once)} at once at {who}")
            asked = BELOW.get(who, "") + path(event)
            outcome = generate(Plan(where, [request("bench", asked).decode()], at_once, patience=PATIENCE))
            rows.append(_row(who, outcome, log, int(event["id"]), at_once))
    return rows


def _row(who: str, outcome: Outcome, log: Statements, event_id: int, at_once: int) -> Row:
    figures = {
        "PostgreSQL queries": log.of(event_id),
        "errors": outcome.errors,
        **{
            name: outcome.latencies[key]
            for name, key in (("p50 ms", "p50_ms"), ("last ms", "max_ms"))
            if outcome.latencies
        },
    }
    targets = (Target("PostgreSQL queries", over=0, under=2), Target("errors", under=1)) if who == OURS else ()
    statuses = ", ".join(f"{times:,} x {status}" for status, times in outcome.statuses.items())
    return Row(what(at_once), who, figures, targets, statuses)
