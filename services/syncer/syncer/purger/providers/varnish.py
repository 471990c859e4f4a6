"""Varnish with our configuration (deploy/edge/varnish): PURGE on its second listener, the tags in Surrogate-Key."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

import httpx2

from syncer.purger.providers.call import PurgeRefused, call

DEADLINE = 2.0  # seconds: it is near, and the others wait for it


class Varnish:
    def __init__(self, http: httpx2.AsyncClient, url: str) -> None:
        self._http = http
        self._url = f"{url}/"

    async def purge(self, tags: Sequence[str]) -> None:
        await self._tell({"Surrogate-Key": " ".join(tags)})

    async def purge_everything(self) -> None:
        await self._tell({"Purge-Everything": "1"})

    async def _tell(self, headers: Mapping[str, str]) -> None:
        try:
            await call(self._http, "PURGE", self._url, headers, within=DEADLINE)
        except PurgeRefused as error:
            if error.status == HTTPStatus.METHOD_NOT_ALLOWED:  # as our configuration answers on the readers' port
                raise PurgeRefused("405: this is not the purge listener (-a purge=…)", error.status) from None
            raise
