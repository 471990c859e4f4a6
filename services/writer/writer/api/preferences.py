"""`Prefer: wait=n` (RFC 7240). Pure.

A preference that can't be understood is passed over, as the RFC asks: the client is answered as if it had none.
"""

import re

LONGEST_WAIT = 30  # seconds; proxies often end a request that is silent for 60
LONGEST = 1024  # characters
# A quoted string may hold commas.
PREFERENCE = re.compile(r'[ \t]*([^\s,;="]+)(?:[ \t]*=[ \t]*("[^"]*"|[^\s,;"]*))?[^,"]*(?:"[^"]*"[^,"]*)*(?:,|$)')
SECONDS = re.compile(r"[0-9]{1,9}", re.ASCII)


def wait(header: str | None) -> int | None:
    """The seconds that a client would wait, at most LONGEST_WAIT; None when it doesn't say. The first one counts."""
    text = (header or "").strip(", \t")
    at = 0
    while at < len(text) <= LONGEST:
        found = PREFERENCE.match(text, at)
        if found is None:
            return None
        if found[1].lower() == "wait":
            value = (found[2] or "").strip('"')
            return min(int(value), LONGEST_WAIT) if SECONDS.fullmatch(value) else None
        at = found.end()
    return None
