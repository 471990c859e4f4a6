"""One call to a provider, and what its answer means for us. What it says is not repeated: it may hold secrets."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx2

from shared.errors import Permanent, Unavailable

DEADLINE = 10.0  # seconds for one call
LONGEST_REST = 3600.0  # seconds; a provider that asks for more is asked again all the same


class EdgeUnavailable(Unavailable):
    """The provider does not answer, or takes no more for now. `rest`: seconds that it wants to be left alone."""

    def __init__(self, words: str, rest: float = 0.0) -> None:
        super().__init__(words)
        self.rest = rest


class EdgeSilent(EdgeUnavailable):
    """The provider does not answer at all."""


class PurgeRefused(Permanent):
    """The provider does not take this purge. `status`: of its answer; None: the answer was one of success."""

    def __init__(self, words: str, status: int | None = None) -> None:
        super().__init__(words)
        self.status = status


class TokenRefused(PurgeRefused):
    """The provider does not take our token, for tags or for anything."""


async def call(
    http: httpx2.AsyncClient,
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: object = None,
    within: float = DEADLINE,
) -> httpx2.Response:
    """Its answer, if it is one of success; `within` so many seconds.

    Raises:
        EdgeSilent, EdgeUnavailable, PurgeRefused, TokenRefused
    """
    try:
        async with asyncio.timeout(within):
            answer = await http.request(method, url, headers=dict(headers), json=body)
    except (httpx2.HTTPError, TimeoutError) as error:
        raise EdgeSilent(f"no answer: {type(error).__name__}") from error
    match answer.status_code:
        case code if code < 300:  # noqa: PLR2004 (the successes of HTTP)
            return answer
        case 401 | 403:
            raise TokenRefused(f"refused our token: {answer.status_code}", answer.status_code)
        case 408 | 425 | 429:
            raise EdgeUnavailable(f"takes no more for now: {answer.status_code}", rest(answer.headers))
        case code if code >= 500:  # noqa: PLR2004 (the failures of a server)
            raise EdgeUnavailable(f"failed: {code}", rest(answer.headers))
    raise PurgeRefused(f"refused: {answer.status_code}", answer.status_code)


def rest(headers: Mapping[str, str]) -> float:
    """Retry-After (RFC 9110 section 10.2.3), or Fastly's own word, in seconds from now; 0 without a sensible one."""
    said = headers.get("Retry-After", "").strip()
    reset = headers.get("Fastly-RateLimit-Reset", "").strip()  # when its window ends, in seconds of the epoch
    if _is_number(said):
        return min(LONGEST_REST, float(said))
    if not said and _is_number(reset):
        return _from_now(datetime.fromtimestamp(float(reset), UTC))
    try:
        at = parsedate_to_datetime(said)
        return _from_now(at.replace(tzinfo=at.tzinfo or UTC))
    except (ValueError, OverflowError):  # no date, or none that a calendar holds
        return 0.0


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 12  # noqa: PLR2004 (seconds for some thousand years)


def _from_now(at: datetime) -> float:
    return max(0.0, min(LONGEST_REST, (at - datetime.now(UTC)).total_seconds()))
