"""What caches on the way may keep, by which tags they can be told to drop it, and how they are told. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from read_api.audience import Audience
from shared.tags.names import OURS

NO_STORE = "no-store"  # of whatever declares nothing else

# What Cloudflare (developers.cloudflare.com/cache/how-to/purge-cache/purge-by-tags: printable ASCII without spaces,
# commas between them, 16 KB a header, 1,024 characters a tag in a purge) and Fastly (Surrogate-Key, the same figures in
# bytes, spaces between them, bytes 0x21-0x7E) take, and what Varnish can be asked for without quoting.
TAG = re.compile(r"[a-z0-9:._-]{1,1024}")  # Cloudflare knows no upper case
MAX_TAGS_BYTES = 16 * 1024 - len("Surrogate-Key: \r\n")
# Directives that count seconds (RFC 9111 section 5.2, RFC 5861). Surrogate-Control may add a second number, and whom it
# is for: `max-age=600+30;edge`.
COUNTED = re.compile(
    r"(?:^|[ ,])(max-age|s-maxage|stale-if-error|stale-while-revalidate)(?![\w-])([^ ,]*)", re.IGNORECASE
)
SECONDS = re.compile(r"=([0-9]{1,10}|\"[0-9]{1,10}\")(\+[0-9]{1,10})?(;.*)?")
FIELD_VALUE = re.compile(r"[!-~]+( [!-~]+)*")  # RFC 9110 section 5.5, without what nobody needs


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """The headers of a cacheable answer, one place for all routes.

    `public` and `organizer` are values of Cache-Control, `cdn` of CDN-Cache-Control (RFC 9213), `surrogate` of
    Surrogate-Control, which Fastly reads instead.

    Raises:
        ValueError: a value that no header may have, or one that would let caches share what needs a token.
    """

    public: str
    cdn: str | None
    organizer: str
    surrogate: str | None = None

    def __post_init__(self) -> None:
        for value in (self.public, self.cdn, self.organizer, self.surrogate):
            if value is not None and FIELD_VALUE.fullmatch(value) is None:
                raise ValueError("is not the value of an HTTP header")
        if not keeps_secrets(self.organizer):
            raise ValueError("must be private or no-store: what needs a token is never shared")

    def headers(self, audience: Audience, tags: Sequence[str] = ()) -> Mapping[str, str]:
        """What needs a token is never public, bears no tag, and names the header that it depends on.

        `tags`: what the document depends on. One that no provider could be told to purge makes an answer that nobody
        may keep.
        """
        match audience:
            case Audience.ORGANIZER:
                return {"Cache-Control": self.organizer, "Vary": "Authorization"}
            case Audience.PUBLIC:
                keys = list(dict.fromkeys((*tags, OURS)))
                return self._shared(keys) if _can_be_purged(keys) else {"Cache-Control": NO_STORE}

    def _shared(self, keys: Sequence[str]) -> Mapping[str, str]:
        headers = {"Cache-Control": self.public}
        if self.cdn is not None:
            headers["CDN-Cache-Control"] = self.cdn
        if self.surrogate is not None:
            headers["Surrogate-Control"] = self.surrogate
        return headers | {"Cache-Tag": ",".join(keys), "Surrogate-Key": " ".join(keys)}


def keeps_secrets(cache_control: str) -> bool:
    """Whether no shared cache may store what bears this. (`private="name"` holds back that one header only.)"""
    said = directives(cache_control)
    names = {directive.partition("=")[0].strip() for directive in said}
    return not names & {"public", "s-maxage"} and bool({"private", "no-store"} & said)


def directives(cache_control: str) -> frozenset[str]:
    """What it says, each with its value, in lower case."""
    return frozenset(part.strip().lower() for part in cache_control.split(","))


def without_number(cache_control: str) -> str | None:
    """The first directive that should count seconds, and does not."""
    counted = COUNTED.finditer(cache_control)
    return next((each[1].lower() for each in counted if SECONDS.fullmatch(each[2]) is None), None)


def _can_be_purged(keys: Sequence[str]) -> bool:
    fits = sum(map(len, keys)) + len(keys) - 1 <= MAX_TAGS_BYTES
    return fits and all(TAG.fullmatch(key) for key in keys)
