"""Read a document from the nearest place that has it: Redis, else PostgreSQL, loaded once for all who ask.

Across processes, Redis elects one loader and fences what it stores (`shared.tags`). Without Redis every process loads
for itself, coalesced. A nearer tier is asked in `read`, before anything is shared.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from enum import Enum, StrEnum

from read_api import metrics
from read_api.circuit import Circuit
from read_api.coalescer import Coalescer
from shared.tags import LEASE, Document, Hit, Lead, RedisUnavailable, Tags, Wait

FIRST_PAUSE = 0.004  # seconds between two looks at a document that another process loads; doubles
LONGEST_PAUSE = 0.05  # seconds
PATIENCE = LEASE + 0.5  # seconds; by then another loader's lease has ended, and it is our turn

Load = Callable[[], Awaitable[Document]]


class Source(StrEnum):
    REDIS = "redis"
    POSTGRES = "postgres"


class Keep(Enum):
    """What Redis may keep of an answer."""

    ALL = "all"
    FOUND = "found"  # no 404: where anyone could mint them in a tag that others need
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Answer:
    """A document, and how it was come by. `seconds`: how long that took."""

    document: Document
    source: Source
    stored: bool = False
    collapsed: bool = False
    bypassed: bool = False  # Redis was not asked, or did not answer
    seconds: float = 0.0


class Reader:
    def __init__(self, tags: Tags, circuit: Circuit, coalescer: Coalescer[Answer]) -> None:
        self._tags = tags
        self._circuit = circuit
        self._coalescer = coalescer

    async def read(self, tag: str, name: str, load: Load, keep: Keep = Keep.ALL) -> Answer:
        """The document `name` of `tag`. `load` reads it from the primary, in one snapshot with its revision.

        Raises:
            Unavailable: PostgreSQL is away, or too much is being loaded.
        """
        began = time.perf_counter()
        answer, collapsed = await self._coalescer.join((tag, name), lambda: self._fetch(tag, name, load, keep))
        metrics.ANSWERS.labels(answer.source, str(collapsed).lower()).inc()
        return replace(answer, collapsed=collapsed, seconds=time.perf_counter() - began)

    async def _fetch(self, tag: str, name: str, load: Load, keep: Keep) -> Answer:
        if keep is Keep.NOTHING or not self._circuit.closed:
            return await self._pass_by(load)
        try:
            elected = await self._elect(tag, name)
        except RedisUnavailable as error:
            self._circuit.trip(error)
            return await self._pass_by(load)
        match elected:
            case Hit(document):
                return Answer(document, Source.REDIS)
            case Lead(lease):
                return await self._lead(tag, name, lease, load, keep)
            case Wait():
                return await self._pass_by(load)

    async def _elect(self, tag: str, name: str) -> Hit | Lead | Wait:
        """Wait only when others held the lease for longer than one lasts."""
        until = time.monotonic() + PATIENCE
        pause = FIRST_PAUSE
        while isinstance(elected := await self._tags.elect(tag, name), Wait) and time.monotonic() < until:
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
        return elected

    async def _lead(self, tag: str, name: str, lease: str, load: Load, keep: Keep) -> Answer:
        try:
            document = await _timed(load)
        except BaseException:
            await self._hand_over(tag, name, lease)
            raise
        if keep is Keep.FOUND and document.status != 200:  # noqa: PLR2004 (HTTP)
            await self._hand_over(tag, name, lease)
            return Answer(document, Source.POSTGRES)
        try:
            stored = await self._tags.fill(tag, name, lease, document)
        except RedisUnavailable as error:
            self._circuit.trip(error)
            stored = False
        return Answer(document, Source.POSTGRES, stored=stored)

    async def _hand_over(self, tag: str, name: str, lease: str) -> None:
        """Let another process load at once, instead of when the lease ends."""
        try:
            await self._tags.release(tag, name, lease)
        except RedisUnavailable as error:
            self._circuit.trip(error)

    async def _pass_by(self, load: Load) -> Answer:
        return Answer(await _timed(load), Source.POSTGRES, bypassed=True)


async def _timed(load: Load) -> Document:
    with metrics.LOAD_SECONDS.time():
        return await load()
