"""Cached documents in Redis, fenced by the revision of the tag they belong to (ARCHITECTURE.md, The cache protocol).

One hash for each tag:  `r` the tag's revision,  `d:<document>` a stored document,  `l:<document>` the lease to load it,
`b:<document>` that a purge brought it and nobody has asked for it yet,  `u` until when documents may stay at all.
Three scripts of one key each carry the protocol, so it is atomic, and safe in a cluster:

    elect   a reader asks: here is the document | you load it (lease) | someone else does (wait)
    fill    the loader stores, if its lease still stands and its revision is not below the tag's; or gives the lease up
    purge   the syncer raises the revision: documents and leases below it are gone; a document that was asked for since
            the purge before may come with it

A purge, an eviction, an expiry or a restart of Redis voids every lease of the tag, so a slow loader can never bring an
old document back.
"""

import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import redis.asyncio
import redis.exceptions
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from shared.errors import Unavailable
from shared.settings import RedisSettings
from shared.tags.names import EVENTS, PUBLIC_EVENT, event_tag

__all__ = [
    "EVENTS",
    "FOUND",
    "NOT_FOUND",
    "NO_DOCUMENTS",
    "Document",
    "Hit",
    "Lead",
    "RedisUnavailable",
    "Tags",
    "Wait",
    "connect",
    "event_tag",
]

FOUND, NOT_FOUND = 200, 404  # the statuses of documents

SOCKET_TIMEOUT = 0.5  # seconds; a cache that is slower than that is no cache
CONNECT_TIMEOUT = 0.5  # seconds
LEASE = 3.0  # seconds a loader may take before another is elected
DOCUMENT_TTL = 3600.0  # seconds; bounds what a lost purge could cost, and forgets what nobody reads
NEGATIVE_TTL = 30.0  # seconds; anyone can ask for ids that don't exist
MAX_DOCUMENTS = 2000  # of one tag: whoever mints more filters and cursors than that reads from PostgreSQL


class RedisUnavailable(Unavailable):
    """Redis does not answer."""


@dataclass(frozen=True)
class Document:
    """An answer ready to be sent: the revision it shows, its HTTP status (200 or 404), its JSON body."""

    revision: int
    status: int
    body: bytes

    def encode(self) -> bytes:
        return b"%d %d " % (self.revision, self.status) + self.body

    @classmethod
    def decode(cls, stored: bytes) -> "Document":
        revision, status, body = stored.split(b" ", 2)
        return cls(int(revision), int(status), body)


NO_DOCUMENTS: Mapping[str, Document] = MappingProxyType({})


@dataclass(frozen=True)
class Hit:
    document: Document


@dataclass(frozen=True)
class Lead:
    """Load it, and fill with this lease."""

    lease: str


@dataclass(frozen=True)
class Wait:
    """Another process loads it."""


def connect(settings: RedisSettings) -> "redis.asyncio.Redis":
    # Callers beyond `max_connections` queue for a moment; the plain pool would fail them, as if Redis were away.
    pool = redis.asyncio.BlockingConnectionPool.from_url(
        settings.redis_url.get_secret_value(),
        socket_timeout=SOCKET_TIMEOUT,
        socket_connect_timeout=CONNECT_TIMEOUT,
        retry=Retry(NoBackoff(), 1),  # once, for a connection that was closed while idle
        health_check_interval=10,
        max_connections=64,
        timeout=SOCKET_TIMEOUT,
    )
    return redis.asyncio.Redis.from_pool(pool)


class Tags:
    """The three scripts. Every method raises RedisUnavailable when Redis does not answer in time."""

    def __init__(self, client: "redis.asyncio.Redis", prefix: str = "understudy:") -> None:
        self.client = client
        self._prefix = prefix
        self._elect, self._fill, self._purge = (
            client.register_script((files(__name__) / f"{name}.lua").read_text()) for name in ("elect", "fill", "purge")
        )

    async def elect(self, tag: str, document: str) -> Hit | Lead | Wait:
        lease = secrets.token_hex(8)
        async with answering():
            answer: Any = await self._elect([self._key(tag)], [document, lease, int(LEASE * 1000), MAX_DOCUMENTS])
        match answer:
            case bytes():
                return Hit(Document.decode(answer))
            case 1:
                return Lead(lease)
        return Wait()

    async def fill(self, tag: str, name: str, lease: str, document: Document) -> bool:
        """False when the lease no longer stands, the tag has moved on, or the tag holds too many documents."""
        ttl = DOCUMENT_TTL if document.status == FOUND else NEGATIVE_TTL
        arguments: list[str | int | bytes] = [
            name,
            lease,
            document.revision,
            document.encode(),
            int(ttl * 1000),
            MAX_DOCUMENTS,
            int(DOCUMENT_TTL * 1000),
        ]
        async with answering():
            return bool(await self._fill([self._key(tag)], arguments))

    async def release(self, tag: str, name: str, lease: str) -> None:
        """Give up a lease without storing anything, so that another loads at once instead of when it ends."""
        async with answering():
            await self._fill([self._key(tag)], [name, lease, 0, b"", 0, 0, 0])

    async def purge(self, tag: str, revision: int, document: Document | None = None) -> bool:
        """False when the tag was not below this revision: nothing had to go.

        `document`: what anyone may read of the event at that very revision. It takes the place of what goes, if anyone
        has asked for it since the purge before.
        """
        async with answering():
            return bool(await self._purge([self._key(tag)], _purge(revision, document)))

    async def purge_all(
        self, tags: Sequence[tuple[str, int]], documents: Mapping[str, Document] = NO_DOCUMENTS
    ) -> None:
        """The same for many, in one round trip. Not one transaction: each tag is raised by itself.

        Raises:
            RedisUnavailable: some may not be raised.
        """
        if len(tags) == 1:
            await self.purge(*tags[0], documents.get(tags[0][0]))
            return
        async with answering(), self.client.pipeline(transaction=False) as pipeline:
            for tag, revision in tags:
                await self._purge([self._key(tag)], _purge(revision, documents.get(tag)), client=pipeline)
            await pipeline.execute()

    async def ping(self) -> None:
        async with answering():
            await self.client.ping()

    def _key(self, tag: str) -> str:
        return self._prefix + tag


def _purge(revision: int, document: Document | None) -> list[str | int | bytes]:
    """The script's arguments. A document of another revision is none of this purge's."""
    keep: list[str | int | bytes] = [revision, int(DOCUMENT_TTL * 1000)]
    if document is None or document.revision != revision:
        return keep
    return [*keep, PUBLIC_EVENT, document.encode()]


@asynccontextmanager
async def answering() -> AsyncIterator[None]:
    """Give every failure of the Redis client one name."""
    try:
        yield
    except (redis.exceptions.RedisError, OSError, TimeoutError) as error:
        raise RedisUnavailable(f"Redis does not answer: {error!r}") from error
