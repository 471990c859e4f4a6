"""Read a document from the nearest place that has it: L1, Redis, else PostgreSQL, loaded once for all who ask.

Across processes, Redis elects one loader and fences what it stores (`shared.tags`). Without Redis every process loads
for itself, coalesced.

No answer is below its tag's floor (`floors.py`), whatever a cache holds and whenever the load began that a reader
joined: what is gets loaded again, from the primary, which committed that revision before anyone heard of it. The one
exception says so: while nothing can be loaded, what was the answer a while ago is (stale-if-error), never below what
was answered here.
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
from read_api.l1 import L1, Entry
from read_api.news import News
from shared.errors import Unavailable
from shared.tags import EVENTS, LEASE, Document, Hit, Lead, RedisUnavailable, Tags, Wait

FIRST_PAUSE = 0.002  # seconds between two looks at a document that another process loads; doubles; a load takes 1-2 ms
LONGEST_PAUSE = 0.05  # seconds
PATIENCE = LEASE + 0.5  # seconds; by then another loader's lease has ended, and it is our turn
MIN_REVISION_PATIENCE = 2.0  # seconds a reader waits for the revision it names
LOOK_AGAIN = 0.25  # seconds between two looks for it while nothing is heard

DEAF_ERA = 0.25  # seconds in which loads may be joined while nothing is heard: nobody is given what is older by more

Load = Callable[[], Awaitable[Document]]
Keep = Callable[[Document], bool]  # is this worth Redis' memory?


class Source(StrEnum):
    L1 = "l1"
    REDIS = "redis"
    POSTGRES = "postgres"


def everything(_document: Document) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Wanted:
    """A document that is asked for. `load` reads it from the primary, in one snapshot with its revision.

    `keep` None: Redis is not even asked. `spare_for`: seconds for which it may be answered after it has become stale,
    while it can't be loaded.
    """

    tag: str
    name: str
    load: Load
    keep: Keep | None = everything
    spare_for: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A document, and how it was come by. `entry`: that keeps it in L1. `seconds`: how long that took."""

    document: Document
    source: Source
    entry: Entry | None = None
    stored: bool = False
    collapsed: bool = False
    bypassed: bool = False  # Redis was not asked, or did not answer
    stale: bool = False  # what came first was below the floor; this is the primary's
    spare: bool = False  # nothing newer can be loaded now
    seconds: float = 0.0


class Reader:
    def __init__(
        self,
        tags: Tags,
        circuit: Circuit,
        postgres: Circuit,
        coalescer: Coalescer[Answer],
        floors: Floors,
        l1: L1,
        news: News,
    ) -> None:
        """`circuit` is that of Redis."""
        self._tags = tags
        self._circuit = circuit
        self._postgres = postgres
        self._coalescer = coalescer
        self._floors = floors
        self._l1 = l1
        self._news = news

    async def read(self, wanted: Wanted) -> Answer:
        """That document, not older than anything of its tag that was heard or answered before.

        Raises:
            Unavailable: PostgreSQL is away, or too much is being loaded.
        """
        entry = self._l1.get(wanted.tag, wanted.name)
        if entry is not None:
            return Answer(entry.document, Source.L1, entry)
        began = time.perf_counter()
        try:
            answer, collapsed = await self._load_once(wanted)
        except Unavailable:
            spare = self._spare(wanted)
            if spare is None:
                raise
            answer, collapsed = spare, False
        self._lift(wanted.tag, answer.document.revision)
        metrics.ANSWERS.labels(answer.source, str(collapsed).lower()).inc()
        return replace(answer, collapsed=collapsed, seconds=time.perf_counter() - began)

    async def read_from(self, wanted: Wanted, revision: int, sees: Callable[[Document], bool]) -> Answer:
        """The same, once a document that the reader `sees` has this revision; or, after a while, what there is.

        Raises:
            Unavailable: as above.
        """

        def has_come(answer: Answer) -> bool:
            return sees(answer.document) and answer.document.revision >= revision

        until = time.monotonic() + MIN_REVISION_PATIENCE
        answer = await self.read(wanted)
        waited = True
        while waited and not has_come(answer):
            try:
                answer = await self._look_again(wanted)
            except Unavailable:
                break
            waited = not has_come(answer) and await self._wait(wanted.tag, until - time.monotonic())
        return answer

    async def _wait(self, tag: str, left: float) -> bool:
        """For news of the tag; where none can be relied on, only for a moment. False: there is no time, or no room."""
        return left > 0 and await self._news.of(tag, left if self._l1.trusted else min(left, LOOK_AGAIN))

    async def _look_again(self, wanted: Wanted) -> Answer:
        """The feed may be down, and then Redis too may hold what is older than what is committed."""
        began = time.perf_counter()
        # The floor is in the key: a reader who has seen more may not join a load that began before it was there.
        key = (wanted.tag, wanted.name, "again", self._floors.of(wanted.tag))
        answer, collapsed = await self._coalescer.join(key, lambda: self._load(wanted))
        self._lift(wanted.tag, answer.document.revision)
        return replace(answer, collapsed=collapsed, seconds=time.perf_counter() - began)

    async def _load_once(self, wanted: Wanted) -> tuple[Answer, bool]:
        tag, name = wanted.tag, wanted.name
        answer, collapsed = await self._coalescer.join((tag, name, *self._era()), lambda: self._fetch(wanted))
        floor = self._floors.of(tag)
        if answer.document.revision >= floor:
            return answer, collapsed
        metrics.BELOW_FLOOR.inc()
        # The floor is in the key: a load that began before it was there may not be joined.
        return await self._coalescer.join((tag, name, floor), lambda: self._load(wanted))

    def _era(self) -> tuple[int, int]:
        """Whose loads may be joined. While nothing is heard no floor rises, so one is joined only for a moment."""
        return self._l1.generation, 0 if self._l1.trusted else int(time.monotonic() / DEAF_ERA)

    def _lift(self, tag: str, revision: int) -> None:
        """A reader is given this revision, so nothing below it is an answer any more: in L1 neither."""
        self._floors.lift(tag, revision)
        self._l1.drop(tag, revision)

    def _spare(self, wanted: Wanted) -> Answer | None:
        """Only while PostgreSQL is away: who is merely turned away has something newer to come back for.

        An event that is known to have changed is not shown as it was: it may be gone, or withdrawn. A list is.
        """
        if self._postgres.closed or not wanted.spare_for:
            return None
        document = self._l1.spare(wanted.tag, wanted.name, wanted.spare_for)
        if document is None or (wanted.tag != EVENTS and document.revision < self._floors.of(wanted.tag)):
            return None
        metrics.SPARES.inc()
        return Answer(document, Source.L1, spare=True)

    async def _fetch(self, wanted: Wanted) -> Answer:
        generation = self._l1.generation
        return self._keep(wanted, await self._find(wanted), generation)

    async def _load(self, wanted: Wanted) -> Answer:
        """Stored in no Redis: it takes nothing new until the syncer has raised the tag in it."""
        generation = self._l1.generation
        answer = Answer(await _timed(wanted.load), Source.POSTGRES, stale=True)
        return self._keep(wanted, answer, generation)

    def _keep(self, wanted: Wanted, answer: Answer, generation: int) -> Answer:
        """Once in L1 it is answered to whoever asks, so the floor rises first."""
        if answer.document.revision < self._floors.of(wanted.tag):
            return answer
        entry = self._l1.store(wanted.tag, wanted.name, answer.document, generation)
        if entry is None:
            return answer
        self._lift(wanted.tag, entry.document.revision)
        same = entry.document.revision == answer.document.revision
        return replace(answer, document=entry.document, entry=entry) if same else answer

    async def _find(self, wanted: Wanted) -> Answer:
        if wanted.keep is None or not self._circuit.closed:
            return await self._pass_by(wanted.load)
        try:
            elected = await self._elect(wanted.tag, wanted.name)
        except RedisUnavailable as error:
            self._circuit.trip(error)
            return await self._pass_by(wanted.load)
        match elected:
            case Hit(document):
                return Answer(document, Source.REDIS)
            case Lead(lease):
                return await self._lead(wanted, lease, wanted.keep)
            case Wait():
                return await self._pass_by(wanted.load)

    async def _elect(self, tag: str, name: str) -> Hit | Lead | Wait:
        """Wait only when others held the lease for longer than one lasts."""
        until = time.monotonic() + PATIENCE
        pause = FIRST_PAUSE
        while isinstance(elected := await self._tags.elect(tag, name), Wait) and time.monotonic() < until:
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
        return elected

    async def _lead(self, wanted: Wanted, lease: str, keep: Keep) -> Answer:
        tag, name = wanted.tag, wanted.name
        try:
            document = await _timed(wanted.load)
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


async def _timed(load: Load) -> Document:
    with metrics.LOAD_SECONDS.time():
        return await load()
