"""Read what a client wants to hear of, strictly."""

import re
from collections import Counter
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl

from read_api.asked import CANONICAL_ID
from read_api.cursor import MAX_ID
from read_api.live.ids import EventId, Place
from shared.problems import Problem
from shared.tags.names import EVENTS, event_tag

TAGS, JOBS, LAST_EVENT_ID = "tags", "jobs", "last_event_id"
KNOWN = (TAGS, JOBS, LAST_EVENT_ID)
ALL: Literal["all"] = "all"
NOTHING: frozenset[str] = frozenset()
MOST = 100  # tags of one client, and as many jobs
LONGEST_QUERY = 8_192  # bytes; 100 tags and 100 jobs, percent-encoded, are less
JOB_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")  # as `JobChangedV1` has it


@dataclass(frozen=True, slots=True)
class Wish:
    """`tags`: None for everything. `jobs`: None for none, ALL for those that it may see.

    `known`, `known_jobs`: the last ids of either that it was told, as it says; None: it comes anew.
    """

    tags: frozenset[str] | None
    known: EventId | None = None
    jobs: "frozenset[str] | Literal['all'] | None" = None
    known_jobs: EventId | None = None

    @property
    def of_tags(self) -> bool:
        return self.tags != NOTHING


def wish(query: bytes, last_event_id: str | None) -> Wish:
    """`last_event_id` is the header's, which wins: a browser sends it with the address that it connected to first.

    Raises Problem (400).
    """
    given = _parameters(query)
    jobs = _jobs(given[JOBS]) if JOBS in given else None
    tags = _tags(given[TAGS]) if TAGS in given else None if jobs is None else NOTHING
    sent = last_event_id if last_event_id is not None else given.get(LAST_EVENT_ID)
    known = Place.parse(sent) if sent else Place()
    return Wish(tags, known.tags, jobs, known.jobs)


def _parameters(query: bytes) -> dict[str, str]:
    if len(query) > LONGEST_QUERY:
        raise _refusal(f"The query is longer than {LONGEST_QUERY} bytes.")
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, strict_parsing=bool(query), errors="strict")
    except ValueError:  # UnicodeDecodeError is one
        raise _refusal("The query can't be read.") from None
    for name, times in Counter(name for name, _ in pairs).items():
        if name not in KNOWN:
            raise _refusal("Only tags, jobs and last_event_id are known here.")
        if times > 1:
            raise _refusal("Each parameter can be given once.", name)
    return dict(pairs)


def _names(listed: str, parameter: str) -> list[str]:
    names = listed.split(",")
    if len(names) > MOST:
        raise _refusal(f"At most {MOST} {parameter} can be listened to.", parameter)
    return names


def _tags(listed: str) -> frozenset[str] | None:
    return None if listed == ALL else frozenset(_tag(name) for name in _names(listed, TAGS))


def _jobs(listed: str) -> "frozenset[str] | Literal['all']":
    if listed == ALL:
        return ALL
    job_ids = _names(listed, JOBS)
    if not all(JOB_ID.fullmatch(job_id) for job_id in job_ids):
        raise _refusal("A job is named by its id, as the writer spells it; `all` is all that you may see.", JOBS)
    return frozenset(job_ids)


def _tag(name: str) -> str:
    if name == EVENTS:
        return EVENTS
    kind, _, number = name.partition(":")
    if kind != "event" or CANONICAL_ID.fullmatch(number) is None or int(number) > MAX_ID:
        raise _refusal("A tag is `events`, or `event:` and an event's id; `all` is every tag.", TAGS)
    return event_tag(int(number))


def _refusal(detail: str, parameter: str | None = None) -> Problem:
    error = {"detail": detail} if parameter is None else {"detail": detail, "query": parameter}
    return Problem(400, detail, extensions={"errors": [error]})
