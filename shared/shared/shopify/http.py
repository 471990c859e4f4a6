"""One exchange with Shopify over HTTP: bounded in time and bytes, no redirects, every failure named."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
import orjson
from pydantic import SecretStr

from shared.shopify.clock import Clock
from shared.shopify.errors import AnswerTooLarge, NeverLeft, ShopifyUnavailable
from shared.shopify.settings import ShopifySettings

# The request never left: no connection, or none free.
_NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol)

TAKEN_AT_ONCE = 4096  # bytes; the smallest send buffer that Linux gives a socket (tcp_wmem)
SPARE_CONNECTIONS = 2  # beside the slots: a token that is renewed, and the question how many points are left


@dataclass(frozen=True, slots=True)
class Received:
    status: int
    headers: httpx2.Headers
    body: bytes


class TooLate(Exception):
    """The time in which a request was allowed to leave is over."""


class Parcel:
    """A request's body, which leaves in time or not at all. `left`: it may have.

    The clock is asked when all else is done: a process may have been stopped for minutes at any point before, and when
    it is resumed, the event loop may well find the socket ready before it finds the timer due. From that look to the
    system call nothing is awaited (anyio writes at once where nothing is buffered, and buffers nothing of its own).
    Whoever got the headers, or all but the last byte, has no request.
    """

    def __init__(self, body: bytes, leave_by: float, clock: Clock) -> None:
        self._body = body
        self._leave_by = leave_by
        self._clock = clock
        self.left = False

    def __len__(self) -> int:
        return len(self._body)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """What the kernel may not take at once goes ahead of the last byte, so that this one never waits for room."""
        ahead = len(self._body) - 1 if len(self._body) > TAKEN_AT_ONCE else 0
        if ahead:
            self._look()
            yield self._body[:ahead]
        self._look()
        self.left = True
        yield self._body[ahead:]

    def _look(self) -> None:
        if self._clock.monotonic() >= self._leave_by:
            raise TooLate


def http_client(settings: ShopifySettings, transport: httpx2.AsyncBaseTransport | None = None) -> httpx2.AsyncClient:
    """The connections to one shop. Its own time-outs stand behind the deadline that `post` keeps."""
    return httpx2.AsyncClient(
        base_url=settings.admin_url,
        transport=transport,
        follow_redirects=False,
        timeout=httpx2.Timeout(settings.shopify_request_timeout, connect=settings.shopify_connect_timeout),
        limits=httpx2.Limits(max_connections=settings.shopify_max_in_flight + SPARE_CONNECTIONS),
        headers={"User-Agent": "understudy", "Accept": "application/json"},
    )


async def post(
    http: httpx2.AsyncClient,
    path: str,
    document: Mapping[str, Any],
    *,
    token: SecretStr | None = None,
    within: float,
    max_bytes: int,
    leave_by: float = float("inf"),
    clock: Clock | None = None,
) -> Received:
    """POST `document` as JSON; whatever the status, the whole answer. `within` in seconds, all in all.

    After `leave_by` (the clock's monotonic seconds) it does not leave any more. Raises `ShopifyUnavailable` when there
    is no answer, and `AnswerTooLarge`.
    """
    parcel = Parcel(orjson.dumps(document), leave_by, clock or Clock())
    headers = {"Content-Type": "application/json", "Content-Length": str(len(parcel))}
    if token is not None:
        headers["X-Shopify-Access-Token"] = token.get_secret_value()
    try:
        async with asyncio.timeout(within):
            async with http.stream("POST", path, content=parcel, headers=headers) as answer:
                return Received(answer.status_code, answer.headers, await _body(answer, max_bytes))
    except TooLate:
        raise NeverLeft("its time was over before it left") from None
    except _NOT_SENT as error:
        raise ShopifyUnavailable(type(error).__name__, may_have_happened=False) from None
    except TimeoutError:
        if not parcel.left:
            raise NeverLeft(f"it did not leave within {within:.1f} s") from None
        raise ShopifyUnavailable(f"no answer within {within:.1f} s", may_have_happened=True) from None
    except httpx2.HTTPError as error:
        raise ShopifyUnavailable(type(error).__name__, may_have_happened=parcel.left) from None


async def _body(answer: httpx2.Response, max_bytes: int) -> bytes:
    """Unpacked; bounded while it is unpacked, so that a small answer can't become a huge one."""
    body = bytearray()
    async for piece in answer.aiter_bytes():
        body += piece
        if len(body) > max_bytes:
            raise AnswerTooLarge(f"more than {max_bytes} bytes")
    return bytes(body)
