"""The storage host that serves results: signed URLs that expire, ranges, and downloads that break off."""

import asyncio
import base64
import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from sandbox.shopify.bulk.operation import BulkOperation
from sandbox.shopify.bulk.operations import BulkOperations
from sandbox.shopify.knobs import Knobs

BUCKET = "/shopify-tiers-assets/bulk-operation-outputs/"
ACCOUNT = "assets@simulated-tiers.example"
PIECE = 1 << 17  # bytes sent at once
RANGE = re.compile(r"bytes=(?P<first>\d*)-(?P<last>\d*)")
DENIED = "<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"


class Window(NamedTuple):
    """Bytes of a file, `stop` excluded."""

    start: int
    stop: int


class Broken(Exception):
    """The connection breaks off here, as the knobs say."""


@dataclass(slots=True)
class Storage:
    """`cuts_left` downloads more are cut as the knobs say; None: each."""

    operations: BulkOperations
    knobs: Callable[[], Knobs]
    secret: bytes
    cuts_left: int | None = None

    def routes(self) -> list[Route]:
        return [Route(f"{BUCKET}{{name}}", self.fetch, methods=["GET"])]

    def url(self, operation: BulkOperation, base_url: str) -> str | None:
        """Where the result is; null when there is none, or when its time is over."""
        if operation.result is None or operation.expires_at is None or self.operations.expired(operation):
            return None
        expires = str(int(operation.expires_at) + 1)
        query = {
            "GoogleAccessId": ACCOUNT,
            "Expires": expires,
            "Signature": self._signature(operation.name, expires),
            "response-content-disposition": f'attachment; filename="bulk-{operation.id}.jsonl"',
            "response-content-type": "application/jsonl",
        }
        return f"{base_url.rstrip('/')}{BUCKET}{quote(operation.name)}?{urlencode(query)}"

    async def fetch(self, request: Request) -> Response:
        name, asked = request.path_params["name"], request.query_params
        expires = asked.get("Expires", "")
        signed = hmac.compare_digest(self._signature(name, expires), asked.get("Signature", ""))
        operation = self.operations.named(name)
        if not signed or operation is None:
            return self._denied("SignatureDoesNotMatch", "Access denied.")
        if operation.result is None or self.operations.expired(operation):
            return self._denied("ExpiredToken", "The provided token has expired.")
        size, tag = operation.result.stat().st_size, f'"{operation.name}"'
        window = window_of(request.headers.get("Range"), size)
        if request.headers.get("If-Range", tag) != tag:
            window = Window(0, size)
        if window is None:
            return Response(status_code=416, headers={"Content-Range": f"bytes */{size}"})
        whole = window == Window(0, size) and "Range" not in request.headers
        headers = {
            "Accept-Ranges": "bytes",
            "ETag": tag,
            "Last-Modified": formatdate(operation.result.stat().st_mtime, usegmt=True),
            "Content-Length": str(window.stop - window.start),
            "Content-Disposition": f'attachment; filename="bulk-{operation.id}.jsonl"',
        }
        if not whole:
            headers["Content-Range"] = f"bytes {window.start}-{window.stop - 1}/{size}"
        body = self._pieces(operation.result, window)
        return StreamingResponse(body, 200 if whole else 206, headers, "application/jsonl")

    async def _pieces(self, path: Path, window: Window) -> AsyncIterator[bytes]:
        knobs, left = self.knobs(), window.stop - window.start
        cut = knobs.download_cut_after if self._take_cut() else None
        rate = knobs.download_bytes_per_second
        with path.open("rb") as file:
            file.seek(window.start)
            while left > 0:
                piece = file.read(min(PIECE, left, rate or PIECE, PIECE if cut is None else max(1, cut)))
                if cut is not None and cut <= 0:
                    raise Broken
                yield piece
                left -= len(piece)
                cut = None if cut is None else cut - len(piece)
                if rate:
                    await asyncio.sleep(len(piece) / rate)

    def _take_cut(self) -> bool:
        if self.knobs().download_cut_after is None:
            return False
        if self.cuts_left is None:
            return True
        self.cuts_left, unlucky = max(0, self.cuts_left - 1), self.cuts_left > 0
        return unlucky

    def _signature(self, name: str, expires: str) -> str:
        signed = hmac.digest(self.secret, f"GET\n{expires}\n{BUCKET}{name}".encode(), hashlib.sha256)
        return base64.b64encode(signed).decode()

    def _denied(self, code: str, message: str) -> Response:
        status = self.knobs().download_refusal_status
        return Response(DENIED.format(code=code, message=message), status, media_type="application/xml")


def window_of(header: str | None, size: int) -> Window | None:
    """What a Range header asks for; all without one, or with one that is no byte range. None: not satisfiable."""
    found = RANGE.fullmatch(header or "")
    if found is None or not (found["first"] or found["last"]):
        return Window(0, size)
    if not found["first"]:
        return Window(max(0, size - int(found["last"])), size) if int(found["last"]) else None
    start, last = int(found["first"]), int(found["last"] or size - 1)
    return Window(start, min(last, size - 1) + 1) if start < size and start <= last else None
