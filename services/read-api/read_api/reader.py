"""Read a document from the nearest place that has it: Redis, else PostgreSQL, loaded once for all who ask.

Across processes, Redis elects one loader and fences what it stores (`shared.tags`). Without Redis every process loads
for itself, coalesced. A nearer tier is asked in `read`, before anything is shared.

No answer is below its tag's floor (`floors.py`), whatever Redis holds and whenever the load began that a reader joined:
what is gets loaded again, from the primary, which committed that revision before anyone heard of it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from read_api import metrics
from read_api.circuit import Circuit
from read_api.coalescer import Coalescer
from read_api.floors import Floors
from shared.tags import LEASE, Document, Hit, Lead, RedisUnavailable, Tags, Wait

FIRST_PAUSE = 0.004  # seconds between two looks at a document that another process loads; doubles
LONGEST_PAUSE = 0.05  # seconds
PATIENCE = LEASE + 0.5  # seconds; by then another loader's lease has ended, and it is our turn

Load = Callable[[], Awaitable[Document]]
Keep = Callable[[Document], bool]  # is this worth Redis' memory?


class Source(StrEnum):
    REDIS = "redis"
    POSTGRES = "postgres"


def everything(_document: Document) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Answer:
    """A document, and how it was come by. `seconds`: how long that took."""

    document: Document
    source: Source
    stored: bool = False
    collapsed: bool = False
    bypassed: bool = False  # Redis was not asked, or did not answer
    stale: bool = False  # what came first was below the floor; this is the primary's
    seconds: float = 0.0


class Reader:
    def __init__(self, tags: Tags, circuit: Circuit, coalescer: Coalescer[Answer], floors: Floors) -> None:
        self._tags = tags
        self._circuit = circuit
        self._coalescer = coalescer
        self._floors = floors

    async def read(self, tag: str, name: str, load: Load, keep: Keep | None = everything) -> Answer:
        """The document `name` of `tag`, not older than anything of that tag that was heard or answered before.

        `load` reads it from the primary, in one snapshot with its revision. `keep` None: Redis is not even asked.

        Raises:
            Unavailable: PostgreSQL is away, or too much is being loaded.
        """
        began = time.perf_counter()
        answer, collapsed = await self._coalescer.join((tag, name), lambda: self._fetch(tag, name, load, keep))
        floor = self._floors.of(tag)
        if answer.document.revision < floor:
            metrics.BELOW_FLOOR.inc()
            # The floor is in the key: a load that began before it was there may not be joined.
            answer, collapsed = await self._coalescer.join((tag, name, floor), lambda: self._load_again(load))
        self._floors.lift(tag, answer.document.revision)
        metrics.ANSWERS.labels(answer.source, str(collapsed).lower()).inc()
        return replace(answer, collapsed=collapsed, seconds=time.perf_counter() - began)

    async def _fetch(self, tag: str, name: str, load: Load, keep: Keep | None) -> Answer:
        if keep is None or not self._circuit.closed:
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
        if not keep(document):
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

    async def _load_again(self, load: Load) -> Answer:
        """Stored nowhere: Redis takes nothing new until the syncer has raised the tag in it."""
        return Answer(await _timed(load), Source.POSTGRES, stale=True)


async def _timed(load: Load) -> Document:
    with metrics.LOAD_SECONDS.time():
        return await load()
