"""Conditional requests (RFC 9110, sections 8.8.3 and 13.1.2). Pure."""

import hashlib
import re
from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")

ENTITY_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')
SEPARATOR = re.compile(r"[ \t]*(?:,[ \t]*)+")
LONGEST = 8192  # characters
IDENTITY_BYTES = 6  # enough to tell apart the documents that may stand behind one URL


def entity_tag(revision: int, identity: str) -> str:
    """A strong tag, the same on every replica: the same revision of the same document has the same bytes."""
    digest = hashlib.blake2s(identity.encode(), digest_size=IDENTITY_BYTES).hexdigest()
    return f'"{revision}-{digest}"'


def coded_tag(tag: str, coding: str) -> str:
    """The tag of the same document in a content coding: other bytes, so another strong tag."""
    return tag if coding == "identity" else f'{tag[:-1]}-{coding}"'


def held(if_none_match: str, tags: Mapping[str, T]) -> T | None:
    """What belongs to the first of `tags` that the reader holds already; `*` holds them all.

    `if_none_match`: the header, its lines joined by commas; a malformed one matches nothing. The comparison is weak, so
    a proxy that made `W/"1-a"` of `"1-a"` (it compressed the body) still gets its 304.
    """
    if if_none_match in tags:  # what nearly everyone sends: one tag of ours
        return tags[if_none_match]
    text = if_none_match.strip(" \t")
    listed = tags if text == "*" else _tags(text)
    return next((tags[tag] for tag in listed if tag in tags), None)


def _tags(text: str) -> list[str]:
    """In order; none of a header that is malformed or longer than any that is meant."""
    found: list[str] = []
    text = text.lstrip(", \t")
    at = len(text) if len(text) > LONGEST else 0
    while at < len(text):
        tag = ENTITY_TAG.match(text, at)
        if tag is None:
            return []
        found.append(tag[1])
        separator = SEPARATOR.match(text, tag.end())
        if separator is None:
            return found if tag.end() == len(text) else []
        at = separator.end()
    return found
