"""One hot document, as many requests as a server answers: ours, nginx from disk, and the usual caches."""

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx2

from ops.bench.contenders import CACHE_ASIDE, CASHEWS, FASTAPI_CACHE, NGINX, Contender, nginx, peers
from ops.bench.percentiles import median_of
from ops.bench.report import OURS, Row, Target
from ops.bench.requirements import program
from ops.bench.subject import Say, Subject
from ops.bench.wrk import hammer

ROUNDS = 3  # interleaved: whatever else the machine does meets all of them
PLAIN, HELD, CODED = "hot GET /v1/events/{id}", "the same, 304", "the same, gzip"
GZIP = {"Accept-Encoding": "gzip"}
ASK_WITHIN = 10.0  # seconds
TARGETS = (Target("requests/s", over=0.5, beside=NGINX), Target("requests/s", over=9, beside=CACHE_ASIDE))
NOTES = {
    OURS: "one process, one worker",
    NGINX: "one worker; the same bytes and headers from disk",
    CACHE_ASIDE: "one worker; the CPU of Valkey comes on top",
    CASHEWS: "one worker; Redis behind its decorator",
    FASTAPI_CACHE: "one worker; Redis behind its decorator",
}


@dataclass(frozen=True)
class Answer:
    """What ours says: to be served by nginx, too."""

    body: bytes
    headers: Mapping[str, str]

    @property
    def etag(self) -> str:
        return self.headers["etag"]


@dataclass(frozen=True)
class Trial:
    """One way of asking one contender."""

    what: str
    contender: Contender
    headers: Mapping[str, str]


def measure(subject: Subject, path: str, seconds: float, scratch: Path, say: Say) -> list[Row]:
    """Each for `seconds` in each round. Raises NotInstalled, ProcessError, Refused."""
    program("wrk")
    ours = Contender(OURS, subject.read_apis[0], subject.pids["read_api"])
    answer = ask(ours, path)
    files = {path: answer.body, f"{path}.gz": gzip.compress(answer.body, compresslevel=6)}
    with (
        nginx(files, answer.headers, scratch / "nginx") as server,
        peers((CACHE_ASIDE, CASHEWS, FASTAPI_CACHE), subject, scratch) as others,
    ):
        all_ = [ours, server, *(contender for several in others.values() for contender in several)]
        trials = [Trial(PLAIN, contender, {}) for contender in all_]
        for contender in (ours, server):
            trials.append(Trial(HELD, contender, {"If-None-Match": ask(contender, path).etag}))
            trials.append(Trial(CODED, contender, GZIP))
        return _rounds(trials, path, seconds, say)


def ask(contender: Contender, path: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Once, as identity unless `headers` say otherwise; it is hot then."""
    asked = {"Accept-Encoding": "identity", **(headers or {})}
    answer = httpx2.get(contender.url + path, headers=asked, trust_env=False, timeout=ASK_WITHIN).raise_for_status()
    return Answer(answer.content, dict(answer.headers))


def _rounds(trials: Sequence[Trial], path: str, seconds: float, say: Say) -> list[Row]:
    seen: list[list[dict[str, float]]] = [[] for _ in trials]
    for trial in trials:
        ask(trial.contender, path)
    for number in range(1, ROUNDS + 1):
        for place, trial in enumerate(trials):
            say(f"hot, round {number} of {ROUNDS}: {trial.contender.who} ({place + 1} of {len(trials)})")
            figures = hammer(trial.contender.url + path, trial.contender.pid, seconds, trial.headers)
            seen[place].append(figures)
    return [_row(trial, rounds) for trial, rounds in zip(trials, seen, strict=True)]


def _row(trial: Trial, rounds: Sequence[dict[str, float]]) -> Row:
    who = trial.contender.who
    return Row(
        trial.what,
        who,
        median_of(rounds),
        targets=TARGETS if (trial.what, who) == (PLAIN, OURS) else (),
        note=NOTES[who],
    )
