"""Ask a service over HTTP for the length of one command."""

from typing import Any

import httpx2
import orjson

WITHIN = 2.0  # seconds


class Http:
    """JSON over HTTP. No proxy of the environment is asked: what we ask is ours, and near."""

    def __init__(self, within: float = WITHIN) -> None:
        self._client = httpx2.Client(trust_env=False, timeout=within)

    def get(self, url: str) -> Any:
        """The JSON of a success, None for anything else."""
        return self._ask("GET", url)

    def post(self, url: str, body: Any) -> Any:
        return self._ask("POST", url, body)

    def patch(self, url: str, body: Any) -> Any:
        return self._ask("PATCH", url, body)

    def probe(self, url: str) -> tuple[int | None, Any]:
        """Status and JSON of the answer, whatever it is; when there is none, None and why, in words."""
        try:
            answer = self._client.get(url)
        except httpx2.TimeoutException:
            return None, f"no answer within {WITHIN:g} s"
        except httpx2.ConnectError:
            return None, "nobody listens there"
        except httpx2.HTTPError:
            return None, "the connection broke"
        return answer.status_code, _json(answer)

    def _ask(self, method: str, url: str, body: Any = None) -> Any:
        try:
            answer = self._client.request(method, url, json=body)
        except httpx2.HTTPError:
            return None
        return _json(answer) if answer.is_success else None

    def close(self) -> None:
        self._client.close()


def _json(answer: httpx2.Response) -> Any:
    try:
        return orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        return None
