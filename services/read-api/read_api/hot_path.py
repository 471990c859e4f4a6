"""Answer what lies ready in L1 before any framework runs. Everything else goes on to the application.

Only what anyone may have lies ready (`answers.py` puts it there), so nothing here looks at tokens. A hit costs a look
into a dictionary, a few headers, and two messages that were made before.
"""

from collections.abc import Hashable, Iterable

from prometheus_client import Counter
from starlette.types import Message, Scope

from read_api import metrics
from read_api.l1 import L1, Address
from read_api.representations import NO_BODY

MIN_REVISION = b"min_revision="
MOST_DIGITS = 19  # of a revision


def target(path: str, query: bytes) -> tuple[Hashable, int]:
    """The key of an address, and the revision that the reader names in it (0: none).

    As the browser's client spells it, at the end: spelled otherwise it is a key of its own, under which nothing lies.
    """
    if MIN_REVISION not in query:
        return (path, query) if query else path, 0
    before, _, named = query.rpartition(MIN_REVISION)
    if (before and not before.endswith(b"&")) or not named.isdigit() or not 0 < len(named.lstrip(b"0")) <= MOST_DIGITS:
        return (path, query), 0
    before = before[:-1]
    return (path, before) if before else path, int(named)


class HotPath:
    """What lies ready in `l1`."""

    def __init__(self, l1: L1) -> None:
        self._l1 = l1
        self._counters: dict[tuple[str, str, str], Counter] = {}

    def hit(self, scope: Scope) -> tuple[Message, Message] | None:
        """The two messages that answer this request, or None: the application has to."""
        method: str = scope.get("method", "")  # a lifespan has none
        address = self._address(scope) if method in ("GET", "HEAD") else None
        asked = None if address is None else _asked(scope["headers"], address.representation.document.revision)
        if address is None or asked is None:
            return None
        shown = address.representation
        accept_encoding, if_none_match = asked
        codings = shown.acceptable(accept_encoding)
        held = shown.held(if_none_match, codings) if if_none_match else None
        hit = shown.ready.get(codings[0]) if held is None else shown.unchanged.get(held)
        if hit is None:
            return None
        self._count(address, method, "200" if held is None else "304")
        return (hit[0], NO_BODY) if method == "HEAD" else hit

    def _address(self, scope: Scope) -> Address | None:
        """The one asked for, if what it answers stands and has come as far as the reader has."""
        key, revision = target(scope["path"], scope["query_string"])
        address = self._l1.addresses.get(key)
        if address is None or not address.stands or not self._l1.trusted:
            return None
        return address if address.representation.document.revision >= revision else None

    def _count(self, address: Address, method: str, status: str) -> None:
        self._l1.hit(address.entry)
        key = (address.route, method, status)
        counter = self._counters.get(key)
        if counter is None:
            counter = self._counters[key] = metrics.REQUESTS.labels(*key)
        counter.inc()


def _asked(headers: Iterable[tuple[bytes, bytes]], revision: int) -> tuple[str, str] | None:
    """Accept-Encoding and If-None-Match; None when the reader asks for more than lies ready."""
    accept_encoding = if_none_match = b""
    for name, value in headers:
        if name == b"accept-encoding":
            if accept_encoding:
                return None  # several lines: rare enough to be read by the application
            accept_encoding = value
        elif name == b"if-none-match":
            if if_none_match:
                return None
            if_none_match = value
        elif name == b"x-min-revision" and not (
            value.isdigit() and len(value) <= MOST_DIGITS and 0 < int(value) <= revision
        ):
            return None
    return accept_encoding.decode("latin-1"), if_none_match.decode("latin-1")
