"""`If-Match` (RFC 9110 section 13.1.1) against an event's revision. Pure.

read-api's entity tags are `"17-3f2a9c01b7de"`, in a content coding `"17-3f2a9c01b7de-gzip"`: whichever document and
coding the client has read, the revision stands in front. The comparison is strong, so a weak tag never matches.
"""

import re
from dataclasses import dataclass

TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
SEPARATOR = re.compile(r"[ \t]*(?:,[ \t]*)+")
REVISION = re.compile(r"([1-9][0-9]{0,18})(?:-.*)?", re.ASCII)
LONGEST = 8192  # characters


class InvalidCondition(ValueError):
    """The header is no list of entity tags."""


@dataclass(frozen=True, slots=True)
class Condition:
    """The revisions that the client would have; `anything`: whichever there is."""

    revisions: frozenset[int]
    anything: bool = False

    def holds(self, revision: int | None) -> bool:
        """`revision`: of the event that readers see; None: they see none yet."""
        return self.anything or revision in self.revisions


def parse(header: str | None) -> Condition | None:
    """None without a header. Raises InvalidCondition."""
    if header is None:
        return None
    text = header.strip(" \t")
    if text == "*":
        return Condition(frozenset(), anything=True)
    if len(text) > LONGEST:
        raise InvalidCondition
    return Condition(frozenset(_revisions(text.strip(", \t"))))


def _revisions(text: str) -> list[int]:
    found = []
    at = 0
    while True:
        tag = TAG.match(text, at)
        if tag is None:
            raise InvalidCondition
        number = REVISION.fullmatch(tag[2])
        if number is not None and tag[1] is None:
            found.append(int(number[1]))
        if tag.end() == len(text):
            return found
        separator = SEPARATOR.match(text, tag.end())
        if separator is None:
            raise InvalidCondition
        at = separator.end()
