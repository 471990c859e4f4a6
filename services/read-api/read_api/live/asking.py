"""Read what a client wants to hear of, strictly."""

from collections import Counter
from dataclasses import dataclass
from urllib.parse import parse_qsl

from read_api.asked import CANONICAL_ID
from read_api.cursor import MAX_ID
from read_api.live.ids import EventId
from shared.problems import Problem
from shared.tags.names import EVENTS, event_tag

TAGS, LAST_EVENT_ID = "tags", "last_event_id"
KNOWN = (TAGS, LAST_EVENT_ID)
MOST_TAGS = 100  # of one client
LONGEST_QUERY = 4_096  # bytes; 100 tags, percent-encoded, are less


@dataclass(frozen=True, slots=True)
class Wish:
    """`tags`: None for everything. `known`: the last id that it was told, as it says; None: it comes anew."""

    tags: frozenset[str] | None
    known: EventId | None = None


def wish(query: bytes, last_event_id: str | None) -> Wish:
    """`last_event_id` is the header's, which wins: a browser sends it with the address that it connected to first.

    Raises Problem (400).
    """
    given = _parameters(query)
    tags = frozenset(_tag(name) for name in _names(given[TAGS])) if TAGS in given else None
    sent = last_event_id if last_event_id is not None else given.get(LAST_EVENT_ID)
    return Wish(tags, EventId.parse(sent) if sent else None)


def _parameters(query: bytes) -> dict[str, str]:
    if len(query) > LONGEST_QUERY:
        raise _refusal(f"The query is longer than {LONGEST_QUERY} bytes.")
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, strict_parsing=bool(query), errors="strict")
    except ValueError:  # UnicodeDecodeError is one
        raise _refusal("The query can't be read.") from None
    for name, times in Counter(name for name, _ in pairs).items():
        if name not in KNOWN:
            raise _refusal("Only tags and last_event_id are known here.")
        if times > 1:
            raise _refusal("Each parameter can be given once.", name)
    return dict(pairs)


def _names(listed: str) -> list[str]:
    names = listed.split(",")
    if len(names) > MOST_TAGS:
        raise _refusal(f"At most {MOST_TAGS} tags can be listened to.", TAGS)
    return names


def _tag(name: str) -> str:
    if name == EVENTS:
        return EVENTS
    kind, _, number = name.partition(":")
    if kind != "event" or CANONICAL_ID.fullmatch(number) is None or int(number) > MAX_ID:
        raise _refusal("A tag is `events`, or `event:` and an event's id; leave `tags` out to hear of all.", TAGS)
    return event_tag(int(number))


def _refusal(detail: str, parameter: str | None = None) -> Problem:
    error = {"detail": detail} if parameter is None else {"detail": detail, "query": parameter}
    return Problem(400, detail, extensions={"errors": [error]})
