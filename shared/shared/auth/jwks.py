"""Keep an issuer's keys at hand: fetched in the background, never once for each request."""

import asyncio
import contextlib
import time
from collections.abc import Callable

import httpx2
import structlog

from shared.auth.keyset import InvalidKeySet, KeySet
from shared.errors import Unavailable

MAX_BYTES = 1 << 20  # of a JWKS; real ones have a few KiB
HTTP_OK = 200

log = structlog.get_logger(__name__)


class KeysUnavailable(Unavailable):
    """The issuer's keys can't be had, so no token can be proven."""


class RemoteKeys:
    """The keys at `url`: one fetch at a time, whoever asks; the last good ones serve while fetching fails.

    `refresh`, `cooldown`, `max_stale`, `timeout` in seconds. Run `keep_fresh` as a task beside it.
    """

    def __init__(
        self,
        url: str,
        http: httpx2.AsyncClient,
        *,
        refresh: float,
        cooldown: float,
        max_stale: float,
        timeout: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._http = http
        self._refresh = refresh
        self._cooldown = cooldown
        self._max_stale = max_stale
        self._timeout = timeout
        self._monotonic = monotonic
        self._keys = KeySet()
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    async def having(self, kid: str) -> KeySet:
        """The keys, read again (at most once in `cooldown`) when none is called `kid`. Raises `KeysUnavailable`."""
        if not self._keys.has(kid) or self._stale():
            await self._read_again()
        if self._stale():
            raise KeysUnavailable
        return self._keys

    async def keep_fresh(self) -> None:
        """Refresh for ever; a failure waits for the next turn."""
        while True:
            await self._shared_fetch()
            await asyncio.sleep(self._refresh)

    async def close(self) -> None:
        """End a fetch that is under way."""
        if self._fetching is not None:
            self._fetching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._fetching

    def _stale(self) -> bool:
        return self._monotonic() - self._fetched_at > self._max_stale

    async def _read_again(self) -> None:
        under_way = self._fetching is not None and not self._fetching.done()
        if under_way or self._monotonic() - self._tried_at >= self._cooldown:
            await self._shared_fetch()

    async def _shared_fetch(self) -> None:
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.create_task(self._fetch(), name="jwks-fetch")
        await asyncio.shield(self._fetching)  # one caller's cancellation is not the others'

    async def _fetch(self) -> None:
        self._tried_at = self._monotonic()
        try:
            async with asyncio.timeout(self._timeout):
                self._keys = KeySet.parse(await self._download())
        except Exception as error:  # noqa: BLE001  whatever an issuer serves, the next turn tries again
            log.warning("jwks.refresh_failed", error=type(error).__name__, age=self._monotonic() - self._fetched_at)
            return
        self._fetched_at = self._monotonic()
        log.debug("jwks.refreshed", keys=len(self._keys.keys))

    async def _download(self) -> bytes:
        async with self._http.stream("GET", self._url, follow_redirects=False) as answer:
            if answer.status_code != HTTP_OK:
                raise InvalidKeySet(f"the JWKS address answered {answer.status_code}")
            body = bytearray()
            async for piece in answer.aiter_bytes():
                body += piece
                if len(body) > MAX_BYTES:
                    raise InvalidKeySet("the JWKS is too large")
        return bytes(body)
