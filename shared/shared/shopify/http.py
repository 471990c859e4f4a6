"""One exchange with Shopify over HTTP: bounded in time and bytes, no redirects, every failure named."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
import orjson
from pydantic import SecretStr

from shared.shopify.errors import AnswerTooLarge, ShopifyUnavailable
from shared.shopify.settings import ShopifySettings

# The request never left: no connection, or none free.
_NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol)


@dataclass(frozen=True, slots=True)
class Received:
    status: int
    headers: httpx2.Headers
    body: bytes


def http_client(settings: ShopifySettings, transport: httpx2.AsyncBaseTransport | None = None) -> httpx2.AsyncClient:
    """The connections to one shop. Its own time-outs stand behind the deadline that `post` keeps."""
    return httpx2.AsyncClient(
        base_url=settings.admin_url,
        transport=transport,
        follow_redirects=False,
        timeout=httpx2.Timeout(settings.shopify_request_timeout, connect=settings.shopify_connect_timeout),
        limits=httpx2.Limits(max_connections=settings.shopify_max_in_flight),
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
) -> Received:
    """POST `document` as JSON; whatever the status, the whole answer. `within` in seconds, all in all.

    Raises `ShopifyUnavailable` when there is none, and `AnswerTooLarge`.
    """
    headers = {"Content-Type": "application/json"}
    if token is not None:
        headers["X-Shopify-Access-Token"] = token.get_secret_value()
    try:
        async with asyncio.timeout(within):
            async with http.stream("POST", path, content=orjson.dumps(document), headers=headers) as answer:
                return Received(answer.status_code, answer.headers, await _body(answer, max_bytes))
    except _NOT_SENT as error:
        raise ShopifyUnavailable(type(error).__name__, may_have_happened=False) from None
    except TimeoutError:
        raise ShopifyUnavailable(f"no answer within {within:.1f} s", may_have_happened=True) from None
    except httpx2.HTTPError as error:
        raise ShopifyUnavailable(type(error).__name__, may_have_happened=True) from None


async def _body(answer: httpx2.Response, max_bytes: int) -> bytes:
    """Unpacked; bounded while it is unpacked, so that a small answer can't become a huge one."""
    body = bytearray()
    async for piece in answer.aiter_bytes():
        body += piece
        if len(body) > max_bytes:
            raise AnswerTooLarge(f"more than {max_bytes} bytes")
    return bytes(body)
