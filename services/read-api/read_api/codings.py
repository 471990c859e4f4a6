"""Content codings: which of ours a reader takes (RFC 9110, section 12.5.3), and how they are made. Pure."""

import gzip
import re
from enum import StrEnum
from functools import lru_cache

import zstandard


class Coding(StrEnum):
    """In the order of our preference."""

    ZSTD = "zstd"
    GZIP = "gzip"
    IDENTITY = "identity"


SMALLEST = 1000  # bytes; below that, a packet is a packet
QUICK = 32_768  # bytes that are coded in well under a millisecond; more is for a thread
ZSTD_LEVEL = 3  # as small as 9 on our documents, in a quarter of the time
GZIP_LEVEL = 6
LONGEST_HEADER = 256  # characters; nobody lists more codings than that
CODINGS = re.compile(
    r"[ \t]*([A-Za-z0-9*_-]+)[ \t]*(?:;[ \t]*q[ \t]*=[ \t]*([01](?:\.[0-9]{0,3})?))?[ \t]*(?:,|$)",
    re.IGNORECASE,
)
ALIASES = {"x-gzip": Coding.GZIP.value}


def accepted(accept_encoding: str) -> tuple[Coding, ...]:
    """Ours that the reader takes, best first, and `identity` whatever it says: better than 406."""
    return _accepted(accept_encoding) if len(accept_encoding) <= LONGEST_HEADER else (Coding.IDENTITY,)


@lru_cache(maxsize=256)  # browsers send a handful of them
def _accepted(accept_encoding: str) -> tuple[Coding, ...]:
    said = _said(accept_encoding)
    said.setdefault(Coding.GZIP, said.get("*", 0.0))  # who takes whatever there is rarely means what is new
    wanted = [(said.get(coding, 0.0), coding) for coding in Coding if coding is not Coding.IDENTITY]
    best = sorted((pair for pair in wanted if pair[0] > 0), key=lambda pair: -pair[0])
    plain = said.get(Coding.IDENTITY, 0.0)
    return (*(coding for weight, coding in best if weight >= plain), Coding.IDENTITY)


def encode(coding: Coding, body: bytes) -> bytes:
    """The same bytes on every replica, since the entity tag is a strong one."""
    match coding:
        case Coding.ZSTD:
            return zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress(body)
        case Coding.GZIP:
            return gzip.compress(body, GZIP_LEVEL, mtime=0)
        case Coding.IDENTITY:
            return body


def _said(header: str) -> dict[str, float]:
    """Weights by coding; {} for what can't be read."""
    weights: dict[str, float] = {}
    at = 0
    header = header.strip(" \t,")
    while at < len(header):
        found = CODINGS.match(header, at)
        if found is None:
            return {}
        name = found[1].lower()
        weights.setdefault(ALIASES.get(name, name), float(found[2] or 1))
        at = found.end()
    return weights
