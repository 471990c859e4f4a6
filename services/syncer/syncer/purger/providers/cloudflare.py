"""Cloudflare: POST /zones/{zone}/purge_cache with `tags` (100 at most), or `purge_everything`.

Sources: developers.cloudflare.com/api/resources/cache/methods/purge (body, `success` in the answer),
developers.cloudflare.com/cache/how-to/purge-cache (limits: calls of the account, operations of a call),
developers.cloudflare.com/cache/how-to/purge-cache/purge-by-tags (the header Cache-Tag; what a tag may hold).
"""

from collections.abc import Sequence

import httpx2

from syncer.purger.providers.call import EdgeUnavailable, PurgeRefused, call

API = "https://api.cloudflare.com/client/v4"


class Cloudflare:
    def __init__(self, http: httpx2.AsyncClient, token: str, zone: str, api: str | None = None) -> None:
        self._http = http
        self._headers = {"Authorization": f"Bearer {token}"}
        self._url = f"{api or API}/zones/{zone}/purge_cache"

    async def purge(self, tags: Sequence[str]) -> None:
        await self._purge({"tags": list(tags)})

    async def purge_everything(self) -> None:
        """The whole zone, whosever it is."""
        await self._purge({"purge_everything": True})

    async def _purge(self, body: object) -> None:
        answer = await call(self._http, "POST", self._url, self._headers, body)
        try:
            done = answer.json()["success"]
        except (ValueError, KeyError, TypeError) as error:
            raise EdgeUnavailable("answered what is not Cloudflare's") from error
        if done is not True:
            raise PurgeRefused("said no success")
