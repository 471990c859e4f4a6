"""Varnish with our configuration (deploy/edge/varnish): PURGE on its second listener, the tags in Surrogate-Key."""

from collections.abc import Sequence

import httpx2

from syncer.purger.providers.call import call

DEADLINE = 2.0  # seconds: it is near, and the others wait for it


class Varnish:
    def __init__(self, http: httpx2.AsyncClient, url: str) -> None:
        self._http = http
        self._url = f"{url}/"

    async def purge(self, tags: Sequence[str]) -> None:
        await call(self._http, "PURGE", self._url, {"Surrogate-Key": " ".join(tags)}, within=DEADLINE)

    async def purge_everything(self) -> None:
        await call(self._http, "PURGE", self._url, {"Purge-Everything": "1"}, within=DEADLINE)
