"""Stream the result of a bulk operation: from known places only, in bounded pieces, on from where it broke off."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import httpx2

from syncer.export.errors import ExportExpired, ExportMalformed, ExportRefused, ExportTruncated, ResultUnavailable

OK, PARTIAL, OUT_OF_RANGE, SERVER_ERROR = 200, 206, 416, 500
SLOW_DOWN = frozenset({408, 425, 429})
MAX_LINE = 8 << 20  # bytes; no message on the bus may be larger either
CONNECT_TIMEOUT = 10.0  # seconds

Lines = list[tuple[int, bytes]]  # each with its place: the bytes before it


class Results:
    """Where results are kept: `origins` as https://storage.googleapis.com; http only where it is named so."""

    def __init__(self, http: httpx2.AsyncClient, origins: Collection[str]) -> None:
        self._http = http
        self._origins = frozenset(origin.rstrip("/") for origin in origins)

    async def lines(self, url: str, offset: int, size: int | None) -> AsyncIterator[Lines]:
        """Whole lines from the byte `offset` on, some at a time; the last one may lack its line feed.

        Raises:
            ExportRefused: an address that we don't read from, or a redirect.
            ExportExpired: there is nothing at this address any more.
            ExportTruncated, ExportMalformed: less than `size` bytes, or more; a line that is too long.
            ResultUnavailable: the connection broke, or nothing came for too long: go on from the last whole line.
        """
        self._check(url)
        at, rest = offset, b""
        async for piece in self._pieces(url, offset):
            *whole, rest = (rest + piece).split(b"\n")
            lines: Lines = []
            for line in whole:
                if line:
                    lines.append((at, line))
                at += len(line) + 1
            if len(rest) > MAX_LINE:
                raise ExportMalformed(f"a line of more than {MAX_LINE} bytes at byte {at}")
            if lines:
                yield lines
        end = at + len(rest)
        if size is not None and end != size:
            words = f"{end} bytes came, Shopify's fileSize is {size}"
            raise ExportTruncated(words) if end < size else ExportMalformed(words)
        if rest:
            yield [(at, rest)]

    async def _pieces(self, url: str, offset: int) -> AsyncIterator[bytes]:
        """The bytes from `offset` on, as they are: a packed result could be any size."""
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={offset}-"} if offset else {})
        try:
            async with self._http.stream("GET", url, headers=headers) as answer:
                if answer.status_code == OUT_OF_RANGE:
                    return  # the size says whether it should have gone on
                skip = _accepted(answer, offset)
                async for piece in answer.aiter_raw():
                    if skip >= len(piece):
                        skip -= len(piece)
                        continue
                    yield piece[skip:]
                    skip = 0
        except httpx2.HTTPError as error:
            raise ResultUnavailable(f"the download broke off: {type(error).__name__}") from error

    def _check(self, url: str) -> None:
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        if origin not in self._origins:  # never the whole address: it is signed, and whoever has it may read
            raise ExportRefused(f"results are not read from {parts.scheme}://{parts.hostname} (BULK_RESULT_ORIGINS)")


@asynccontextmanager
async def results(
    origins: Collection[str], silence: float, transport: httpx2.AsyncBaseTransport | None = None
) -> AsyncIterator[Results]:
    """With connections of its own: the token of the Admin API never goes there. `silence` in seconds."""
    timeout = httpx2.Timeout(silence, connect=CONNECT_TIMEOUT)
    async with httpx2.AsyncClient(timeout=timeout, follow_redirects=False, transport=transport) as http:
        yield Results(http, origins)


def _accepted(answer: httpx2.Response, offset: int) -> int:
    """How many of the bytes that come are to be skipped: a server may ignore that it was asked for a part."""
    status = answer.status_code
    if status >= SERVER_ERROR or status in SLOW_DOWN:
        raise ResultUnavailable(f"HTTP {status}")
    if answer.is_redirect:
        raise ExportRefused("the result is said to be elsewhere: redirects are not followed")
    if status not in (OK, PARTIAL):
        raise ExportExpired(f"the result is not there any more: HTTP {status}")
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        raise ExportRefused("the result is packed, which nobody asked for")
    if status == OK:
        return offset
    if not answer.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
        raise ExportMalformed("another part of the result came than was asked for")
    return 0
