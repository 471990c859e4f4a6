"""Conditional requests (RFC 9110, sections 8.8.3 and 13.1.2). Pure."""

import hashlib
import re
from collections.abc import Sequence

ENTITY_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')
SEPARATOR = re.compile(r"[ \t]*(?:,[ \t]*)+")
IDENTITY_BYTES = 6  # enough to tell apart the documents that may stand behind one URL


def entity_tag(revision: int, identity: str) -> str:
    """A strong tag, the same on every replica: the same revision of the same document has the same bytes."""
    digest = hashlib.blake2s(identity.encode(), digest_size=IDENTITY_BYTES).hexdigest()
    return f'"{revision}-{digest}"'


def is_current(if_none_match: Sequence[str], tag: str) -> bool:
    """Whether a reader holds `tag` already. `if_none_match`: the header's lines; a malformed one matches nothing.

    The comparison is weak, so a proxy that made `W/"1-a"` of `"1-a"` (it compressed the body) still gets its 304.
    """
    text = ", ".join(if_none_match).strip(" \t")
    return text == "*" or tag in _tags(text)


def _tags(text: str) -> list[str]:
    found: list[str] = []
    at = 0
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
