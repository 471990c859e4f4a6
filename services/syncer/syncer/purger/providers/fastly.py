"""Fastly: POST /service/{id}/purge with `surrogate_keys` (256 at most), soft or not; POST /service/{id}/purge_all.

Sources: docs.fastly.com/api (authentication by Fastly-Key; rate limiting: 429, Fastly-RateLimit-Reset), and its purge
API: a batch holds 256 keys and is answered with a purge id for each; purge_all is never soft. A soft purge marks a copy
as stale, so that `stale-if-error` can still fall back on it.
"""

from collections.abc import Sequence

import httpx2

from syncer.purger.providers.call import EdgeUnavailable, call

API = "https://api.fastly.com"


class Fastly:
    def __init__(
        self, http: httpx2.AsyncClient, token: str, service: str, api: str | None = None, *, soft: bool
    ) -> None:
        self._http = http
        self._headers = {"Fastly-Key": token, "Accept": "application/json"}
        self._soft = {"Fastly-Soft-Purge": "1"} if soft else {}
        self._url = f"{api or API}/service/{service}"

    async def purge(self, tags: Sequence[str]) -> None:
        answer = await call(
            self._http, "POST", f"{self._url}/purge", self._headers | self._soft, {"surrogate_keys": list(tags)}
        )
        try:
            done = set(answer.json())
        except (ValueError, TypeError) as error:
            raise EdgeUnavailable("answered what is not Fastly's") from error
        if missing := set(tags) - done:
            raise EdgeUnavailable(f"left out {len(missing)} of {len(tags)} keys")

    async def purge_everything(self) -> None:
        """All of the service. Never soft."""
        await call(self._http, "POST", f"{self._url}/purge_all", self._headers)
